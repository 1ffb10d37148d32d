#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The demo's part inside the guest: makes pool and disk, reads every file of the
# disk three times and compares it with the original, measures.  Lines that begin
# with @ are for `run` on the host, which makes progress and the table of them.
#
#  guest.sh KEY=VALUE...
#   now=SECONDS        the host's clock (signatures carry the time)
#   sectors= digest=   of the image
#   files= bytes=      of the original: regular files and what they hold
#   run=FIRST,COUNT    the longest run of chunks without a hole
#   slot=BYTES         chunk size
#   store=URL endpoint=URL    of the helper's configuration
# $STORE_DISKS: the original, then (file://) the store's directory.

. "${0%/*}/lib.sh"

now= sectors= digest= files= bytes= run= slot= store= endpoint=
for pair; do
	eval "${pair%%=*}='${pair#*=}'"
done
orig=/tmp/orig mnt=/tmp/mnt
disk_line="0 $sectors chunkcache /dev/mapper/$POOL $STORE $digest"
mkdir -p $orig $mnt

# shown COMMAND... : an administrator's line, shown and run
shown() {
	line=
	for word; do
		case $word in
		*' '*) line="$line \"$word\"" ;;
		*) line="$line $word" ;;
		esac
	done
	echo "#$line"
	must "$@"
}

write_config() {
	cat >$CONF <<-END
	[pool]
	name = $POOL
	prefetch = no
	[store $STORE]
	url = $store
	END
	[ -z "$endpoint" ] || cat >>$CONF <<-END
	endpoint = $endpoint
	region = us-east-1
	style = path
	credentials_file = /etc/credentials
	END
}

# ---- set-up ----

mount_originals() {
	# words
	# shellcheck disable=SC2086
	set -- $STORE_DISKS
	modprobe -q erofs
	must mount -t erofs -o ro "$1" $orig
	if [ $# -gt 1 ]; then
		must mount -t ext4 -o ro,noload "$2" $STORE_DIR
	fi
}

make_devices() {
	shown chunkctl format "$NVME" --slot-size "$slot"
	shown dmsetup create $POOL --table "$(pool_table)"
	write_config
	sed "s/^/    /" $CONF
	echo "# chunkcached -c $CONF &"
	helper_start
	shown dmsetup create -r vm1 --table "$disk_line"
	must_become 20 disk_is_loaded vm1
}

# ---- one pass ----

# counters : sets the variables that are told apart by `rise`
read_counters() {
	c_sectors=$(disk_counter vm1 read_sectors)
	c_hits=$(disk_counter vm1 hits)
	c_misses=$(disk_counter vm1 misses)
	c_coalesced=$(disk_counter vm1 coalesced)
	c_holes=$(disk_counter vm1 holes)
	c_messages=$(pool_counter messages)
}

# The helper has told the kernel all it had to tell.
is_settled() {
	[ "$(disk_counter vm1 waiting)" = 0 ] || return 1
	m=$(pool_counter messages)
	sleep 0.5
	[ "$m" = "$(pool_counter messages)" ]
}

say_progress() {
	while sleep 2; do
		echo "@progress $1 $((($(disk_counter vm1 read_sectors) - $2) * 512))"
	done
}

unmount() {
	if grep -q " $mnt " /proc/mounts; then
		must umount $mnt
	fi
}

# pass NAME : every file of the disk against its original, byte by byte
pass() {
	unmount
	must_become 30 is_settled
	sync
	drop_page_cache
	read_counters
	b_sectors=$c_sectors b_hits=$c_hits b_misses=$c_misses
	b_coalesced=$c_coalesced b_holes=$c_holes b_messages=$c_messages
	start=$(now_ms)
	say_progress "$1" "$b_sectors" &
	reporter=$!
	must mount -t ext4 -o ro,noload /dev/mapper/vm1 $mnt
	# lost+found is mke2fs's own, and empty, as the count of files tells
	diff -rq --no-dereference -x lost+found $orig $mnt >$WORK/diff 2>&1
	status=$?
	ms=$(($(now_ms) - start))
	kill $reporter
	wait $reporter 2>/dev/null
	if [ $status -ne 0 ]; then
		head -n 20 $WORK/diff
		fail "pass $1: disk and original differ"
	fi
	read_counters
	rise=$(((c_sectors - b_sectors) * 512))
	equal "pass $1: files on the disk" "$(find $mnt -type f | wc -l)" "$files"
	at_least "pass $1: bytes that the target read, for $bytes compared" $rise "$bytes"
	tell_pass "$1"
}

tell_pass() {
	echo "@value ${1}_ms $ms"
	echo "@value ${1}_read $rise"
	echo "@value ${1}_hits $((c_hits - b_hits))"
	echo "@value ${1}_misses $((c_misses - b_misses))"
	echo "@value ${1}_coalesced $((c_coalesced - b_coalesced))"
	echo "@value ${1}_holes $((c_holes - b_holes))"
	echo "@value ${1}_messages $((c_messages - b_messages))"
	echo "@mark $1"
}

# warm_pass NAME
warm_pass() {
	pass "$1"
	equal "pass $1: misses" $((c_misses - b_misses + c_coalesced - b_coalesced)) 0
	equal "pass $1: netlink messages" $((c_messages - b_messages)) 0
}

# ---- figures ----

# helper_counter NAME : sets $value
helper_counter() {
	chunkctl stat --json | tr -d '\n ' >$WORK/stat
	value=$(sed -n "s/.*\"counters\":{[^}]*\"$1\":\([0-9]*\).*/\1/p" $WORK/stat)
	[ -n "$value" ] || { cat $WORK/stat; fail "chunkctl stat: no $1"; }
}

tell_fetches() {
	for name in gets bytes retries chunks_fetched; do
		helper_counter $name
		echo "@value $name $value"
	done
	equal "chunks fetched in the cold pass" "$value" $((c_misses - b_misses))
	echo "@value wait_histogram $(disk_counter vm1 wait_histogram_us)"
}

# latency NAME [OPTION...] : of 4 KiB reads, one at a time, in the run of chunks
latency() {
	name=$1
	shift
	before=$(disk_counter vm1 misses)
	must cc-io --bs 4K --json --offset $((${run%,*} * slot)) \
		--length $((${run#*,} * slot)) "$@" /dev/mapper/vm1 >$WORK/latency
	echo "@value ${name}_p50 $(json p50_us $WORK/latency)"
	echo "@value ${name}_p99 $(json p99_us $WORK/latency)"
	echo "@value ${name}_reads $(json reads $WORK/latency)"
	new_misses=$(($(disk_counter vm1 misses) - before))
}

date -s "@$now" >/dev/null
mount_originals
make_devices
echo "@mark before"
pass cold
must_become 30 is_settled
tell_fetches
warm_pass warm
echo "# kill -9 \$(pidof chunkcached)"
helper_kill
must_become 10 pool_has_no_helper
warm_pass dead
unmount
latency hit --align 4096 --count 4000
equal "misses while hits were timed" $new_misses 0

# Cold again: a pool made anew, as a new helper would adopt what the old one had.
disk_down vm1
pool_down
must chunkctl format "$NVME" --slot-size "$slot" --force >$WORK/format.log 2>&1
pool_up
helper_start
must dmsetup create -r vm1 --table "$disk_line"
must_become 20 disk_is_loaded vm1
latency miss --seq --shuffle --step "$slot" --count 100
equal "misses of 100 cold reads" $new_misses 100
helper_counter chunks_fetched
equal "chunks fetched for them" "$value" 100
must umount $orig
finish
