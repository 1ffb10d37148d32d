#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest: what writes cost through each system, one after the other over the same device.
#   guest.sh insns WRITES REPEATS SYSTEM...    over RAM disks, with the clock of -icount
#   guest.sh writes WRITES REPEATS SYSTEM...   over three NVMe devices, what they get to write
# Lines for the host, everything else is a comment:
#   time SYSTEM ENGINE ns...     mean time of an operation, in each repeat; systems of a line took turns
#   device SYSTEM WHAT N...      writes or bytes of the devices for each of the guest's, in each repeat
#   count NAME VALUE | skipped SYSTEM REASON
. /t/bench-lib.sh
. /t/bench-peers.sh

mode=$1 writes=$2 repeats=$3
shift 3
size=384	# MiB of the device
span=32		# MiB that are written
sectors=$((span * 2048))
snapshot_kind=P	# persistent: keeps a promise at fsync
slot_bytes=1048576

make_devices() {
	if [ "$mode" = insns ]; then
		must modprobe brd rd_nr=3 rd_size=$((size * 1024)) max_part=0
		data=/dev/ram0 second=/dev/ram1 meta=/dev/ram2
		return
	fi
	# shellcheck disable=SC2086 # a list of words
	read -r data second meta <<-END
	$NVMES
	END
}

# measure SYSTEM=DEVICE... : the devices take turns, all of each was written before
measure() {
	local pair

	for pair; do
		fill "${pair#*=}" $span
	done
	sync
	"measure_$mode" "$@"
}

# ---- instructions ----

measure_insns() {
	local engine devices="" pair

	for pair; do
		devices="$devices ${pair#*=}"
	done
	for engine in "pwrite 1" "uwrite 1" "uwrite 32" "fsync 1"; do
		# shellcheck disable=SC2086 # a list of words
		set_time "$*" ${engine% *} "${engine#* }" $devices
	done
}

# set_time PAIRS ENGINE DEPTH DEVICE...
set_time() {
	local pairs=$1 engine=$2 depth=$3 device times pair

	shift 3
	cc-bench -d "$depth" -n "$writes" -r "$repeats" -s $span "$engine" "$@" >$WORK/times ||
		fail "cc-bench $engine $*"
	while read -r device times; do
		for pair in $pairs; do
			[ "${pair#*=}" != "$device" ] || echo "time ${pair%%=*} $engine$depth $times"
		done
	done <$WORK/times
	make_clean "$pairs"
}

# What a helper would do meanwhile; nobody else is to run out of room.
make_clean() {
	case $1 in
	*volume=*) volume_commit v ;;
	esac
}

# ---- what the device gets ----

nvme_stat() { cat /sys/block/nvme*/stat | awk -v n="$1" '{ sum += $n } END { print sum }'; }
device_writes() { nvme_stat 5; }
device_bytes() { echo $(($(nvme_stat 7) * 512)); }

# per WHAT SYSTEM COUNTER PER COMMAND... : for each of PER, what COUNTER gains while COMMAND runs, each repeat
per() {
	local what=$1 system=$2 counter=$3 per=$4 before i=0 line=""

	shift 4
	while [ $i -lt "$repeats" ]; do
		settle
		before=$($counter)
		"$@" >/dev/null || fail "$*"
		settle
		line="$line $(awk -v n=$(($($counter) - before)) -v per="$per" 'BEGIN { printf "%.4f", n / per }')"
		i=$((i + 1))
		make_clean "$system="
	done
	echo "device $system $what$line"
}

# What is written by and by, is; nothing is by flushing, which costs writes of its own.
settle() { sleep 2.5; }

measure_writes() {
	local pair system device

	for pair; do
		system=${pair%%=*} device=${pair#*=}
		# a warm-up of as many comes before
		per writes_per_write $system device_writes $((writes * 2)) \
			cc-bench -n "$writes" -r 1 -s $span pwrite "$device"
		per writes_per_fsync $system device_writes $((writes / 2)) \
			cc-bench -n $((writes / 4)) -r 1 -s $span fsync "$device"
		per bytes_ratio_seq $system device_bytes $((span * 1048576)) \
			dd if=/dev/zero of="$device" bs=128K count=$((span * 8)) oflag=direct
	done
}

# ---- the systems; each leaves $data to the next ----

bench_volume() {
	must dmsetup create "$1" --table "$(volume_table "$sectors")"
}

# Two volumes: one is written, of the other nothing was; and a disk, all of whose chunks are in the cache, as is the
# base of that one.
sys_volume() {
	cache_device=$data
	must chunkctl format "$cache_device" --slot-size 1M --manifest-area 1M --no-discard --force \
		--dirty-max 160M >$WORK/format.log
	load_module
	pool_up
	bench_volume v
	bench_volume clean
	bench_disk vm1 $span
	volume_start v "$sectors"
	nl -q <<-END
	pool /dev/mapper/$POOL
	attach
	disks
	state clean loaded
	start clean 2 1
	serve 0 bare
	churn vm1 0 $span shuffle
	churn clean 0 $span shuffle
	detach
	END
	create linear "$sectors linear $second 8192"
	measure dm-linear=/dev/mapper/linear volume=/dev/mapper/v
	[ "$mode" != insns ] || measure_reads
	echo "count write_errors $(volume_word v 7)"
	echo "count throttled_us $(volume_word v 9)"
	echo "count misses $(($(disk_misses v) + $(disk_misses clean) + $(disk_misses vm1)))"
	remove linear
	remove vm1
	remove clean
	remove v
	pool_down
}

measure_reads() {
	local engine

	for engine in "pread 1" "uring 1" "uring 32"; do
		# shellcheck disable=SC2086 # a list of words
		set_time "disk=/dev/mapper/vm1 clean=/dev/mapper/clean volume=/dev/mapper/v" ${engine% *} \
			"${engine#* }" /dev/mapper/vm1 /dev/mapper/clean /dev/mapper/v
	done
}

# Over a Unix socket; kernel, client and server share the CPU.
sys_qcow2() {
	local pid

	must qemu-img create -q -f qcow2 "$data" ${span}M
	qemu-nbd -t -k /tmp/qcow2 -f qcow2 --cache=none --discard=ignore "$data" >$WORK/qemu-nbd.log 2>&1 &
	pid=$!
	must_become 20 test -S /tmp/qcow2
	nbd-client -unix /tmp/qcow2 -b 4096 -N "" /dev/nbd0 >$WORK/nbd-client.log 2>&1 ||
		fail "nbd-client: $(cat $WORK/nbd-client.log)"
	measure qcow2=/dev/nbd0
	nbd-client -d /dev/nbd0 >$WORK/nbd-client.log 2>&1
	kill $pid
	wait $pid
}

# No kernel of Debian's has it.
sys_dm_clone() { fail "there is dm-clone in this kernel: measure it"; }

make_devices
measure_systems "$mode" "$@"
finish
