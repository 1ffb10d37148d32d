#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest: what a read costs through each system, one after the other over the same device.
# Arguments: BACKING (brd or null_blk) READS REPEATS SYSTEM...
. /t/bench-lib.sh
. /t/bench-peers.sh

backing=$1 reads=$2 repeats=$3
shift 3
size=128	# MiB of the device
span=48		# MiB that are read

# Data lies on $data; some systems need a second device, all metadata is on RAM disks.
make_devices() {
	must modprobe brd rd_nr=3 rd_size=$((size * 1024)) max_part=0
	data=/dev/ram0 second=/dev/ram1 meta=/dev/ram2
	[ "$backing" = null_blk ] || return 0
	must modprobe null_blk nr_devices=0
	null_device nullb0
	null_device nullb1
	data=/dev/nullb0 second=/dev/nullb1
}

# null_device NAME : keeps what is written, completes in the submitter
null_device() {
	local dir=/sys/kernel/config/nullb/$1

	mkdir "$dir" || fail "null_blk: $1"
	echo $size >"$dir/size"
	echo 512 >"$dir/blocksize"
	echo 1 >"$dir/memory_backed"
	echo 0 >"$dir/irqmode"
	echo 1 >"$dir/power"
}

# measure [-n READS] SYSTEM=DEVICE... : the devices take turns
measure() {
	local n=$reads devices="" pair engine

	[ "$1" != -n ] || { n=$2; shift 2; }
	for pair; do
		devices="$devices ${pair#*=}"
	done
	for engine in "pread 1" "uring 1" "uring 32" "aio 32" "seq 1"; do
		# shellcheck disable=SC2086 # lists of words
		set_time "$*" ${engine% *} "${engine#* }" "$n" $devices
	done
	for pair; do
		count_workers "${pair%%=*}" "${pair#*=}"
	done
}

# set_time PAIRS ENGINE DEPTH READS DEVICE...
set_time() {
	local pairs=$1 engine=$2 depth=$3 n=$4

	shift 4
	# a sequential read is as long as 32 others
	[ "$engine" != seq ] || n=$((n / 8))
	cc-bench -d "$depth" -n "$n" -r "$repeats" -s $span "$engine" "$@" >$WORK/times ||
		fail "cc-bench $engine $*"
	while read -r device times; do
		for pair in $pairs; do
			[ "${pair#*=}" != "$device" ] ||
				echo "time $backing ${pair%%=*} $engine$depth $times"
		done
	done <$WORK/times
}

# count_workers SYSTEM DEVICE : reads that io_uring handed to a worker thread; outside of what is timed
count_workers() {
	local trace=/sys/kernel/tracing event

	[ "$backing" = brd ] || return 0
	event=$trace/events/io_uring/io_uring_queue_async_work
	[ -e $event ] || { echo "count no_tracepoint 1"; return; }
	echo >$trace/trace
	echo 1 >$event/enable
	cc-bench -d 8 -n 500 -r 1 -s $span uring "$2" >/dev/null || fail "cc-bench uring $2"
	echo 0 >$event/enable
	# a warm-up of as many reads comes first
	echo "nowait $1 1000 $(grep -c ': io_uring_queue_async_work:' $trace/trace)"
}

sectors=$((span * 2048))

# ---- the systems; each leaves $data to the next ----

# Ours, what it is compared with to the instruction, and the device: these three take turns.
sys_ours() {
	ours_up "$data" $span 1400
	create linear "$sectors linear $data 8192"
	measure "raw=$data" dm-linear=/dev/mapper/linear ours=/dev/mapper/vm1
	echo "count evictions_$backing $(pool_evictions)"
	echo "count epochs_$backing $(pool_counter epochs)"
	echo "count misses_$backing $(disk_misses vm1)"
	remove linear
	remove vm1
	remove churn
	pool_down
}

# All blocks are mapped by its metadata from the start.
sys_dm_cache() {
	local block=128 n=$((sectors / 128))

	{
		echo "<superblock uuid=\"\" block_size=\"$block\" nr_cache_blocks=\"$((size * 2048 / block))\" policy=\"smq\" hint_width=\"4\"><mappings>"
		seq 0 $((n - 1)) | sed 's|.*|<mapping cache_block="&" origin_block="&" dirty="false"/>|'
		echo "</mappings><hints></hints></superblock>"
	} >$WORK/cache.xml
	fill $meta 16
	must cache_restore -i $WORK/cache.xml -o $meta >$WORK/restore.log
	fill $second $span
	create cache "$sectors cache $meta $data $second $block 1 writethrough smq 0"
	measure "dm-cache=$made"
	# <metadata block size> <used/total> <cache block size> <used/total> <read hits> <read misses>
	echo "count misses_dm-cache_$backing $(dmsetup status cache | awk '{ print $9 }')"
	remove cache
}

bcache_is_there() { [ -b /dev/bcache0 ]; }
bcache_is_gone() { [ ! -e /sys/block/bcache0 ] && [ ! -e "$1" ]; }
registered() { [ -e "/sys/block/${1#/dev/}/bcache" ] || echo "$1" >/sys/fs/bcache/register; }

sys_bcache() {
	local set attributes=/sys/block/bcache0/bcache

	must make-bcache -C "$data" -B "$second" --bucket 128k --writethrough >$WORK/make-bcache.log 2>&1
	must registered "$data"
	must registered "$second"
	must_become 10 bcache_is_there
	must_become 10 test -e $attributes/cache
	set=$(readlink -f $attributes/cache)
	echo 0 >$attributes/sequential_cutoff
	echo 0 >"$set/congested_read_threshold_us"
	echo 0 >"$set/congested_write_threshold_us"
	# a read that misses is put into the cache behind the reader's back
	for _ in 1 2; do
		dd if=/dev/bcache0 of=/dev/null bs=4K count=$((span * 256)) iflag=direct 2>/dev/null
		sleep 5
	done
	# its counters add up every 22 s
	sleep 30
	echo 1 >$attributes/clear_stats
	measure bcache=/dev/bcache0
	sleep 30
	echo "count misses_bcache_$backing $(cat $attributes/stats_total/cache_misses)"
	echo 1 >$attributes/stop
	echo 1 >"$set/stop"
	must_become 20 bcache_is_gone "$set"
}

# nbd_served SYSTEM NBDKIT_ARGS -- CLIENT_ARGS : nbdkit with the disk in its own memory, which is
# the cheapest it can do; client, server and kernel share the CPU, so this is all the work there is.
# With several threads, as nbdkit has unless told, each read may wake one too many: which
# depends on the scheduler, hence the second figure of one thread, for the record.
nbd_served() {
	local system=$1 pid args=""

	shift
	while [ "$1" != -- ]; do
		args="$args $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # a list of words
	nbdkit -f $args /t/nbdkit-memory-plugin.so ${span}M >$WORK/nbdkit.log 2>&1 &
	pid=$!
	sleep 1
	nbd-client "$@" -b 4096 -N "" /dev/nbd0 >$WORK/nbd-client.log 2>&1 ||
		fail "nbd-client: $(cat $WORK/nbd-client.log)"
	# the first hundreds of reads are cheaper: who waits for whom is not settled yet
	cc-bench -n 1000 -r 1 -s $span pread /dev/nbd0 >/dev/null || fail "cc-bench /dev/nbd0"
	measure -n $((reads / 4)) "$system=/dev/nbd0"
	nbd-client -d /dev/nbd0 >$WORK/nbd-client.log 2>&1
	kill $pid
	wait $pid
}

sys_nbd_unix() { nbd_served nbd-unix -U /tmp/nbd -- -unix /tmp/nbd; }
sys_nbd_unix_1thread() { nbd_served nbd-unix-1thread -t 1 -U /tmp/nbd1 -- -unix /tmp/nbd1; }
sys_nbd_tcp() { nbd_served nbd-tcp -i 127.0.0.1 -p 10809 -- 127.0.0.1 10809; }

# The device again, at the end: what the boot has done to it meanwhile.
sys_raw_again() { measure raw-again="$data"; }

make_devices
measure_systems "$backing" "$@"
finish
