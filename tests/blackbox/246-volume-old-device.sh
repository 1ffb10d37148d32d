#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A cache device that is not as it was left. First it is set back to a copy of some time ago, while the store has what
# was written since, also to the same log chunk: the volume is what the store has, and that is said. Then the newest page
# of its journal can't be read: that is said by its number, nothing is opened, handed out or lost, and when the page can be
# read again all that was flushed is there.
# catches: bytes of a slot that the journal does not know, a page that is taken for none, a volume that is rolled back.
# vm: -n 160M
# kernels: uml 6.1
. "${0%/*}/lib.sh"

load_module
two_hosts 32
sectors=65536

# put AT COUNT : blocks of v, flushed, and into the file
put() {
	head -c $(($2 * 4096)) /dev/urandom >$WORK/data
	dd if=$WORK/data of=/dev/mapper/v bs=4K seek="$1" oflag=direct conv=fsync 2>/dev/null || fail "write"
	dd if=$WORK/data of=$WORK/want bs=4K seek="$1" conv=notrunc 2>/dev/null
}

# host_dies : with what no store has
host_dies() {
	helper_kill $pid
	must dmsetup remove v
	must dmsetup remove p0
}

is_as_wanted() { must cmp $WORK/want /dev/mapper/v; }

new_pool_of p0 a 64
must chunkctl volume create v --size 4M --chunk-size 64K --store "$store_url"
truncate -s 4M $WORK/want
must up_on p0
put 100 8
wait_until 20 in_store v $WORK/want || fail "committed"

note "the device is set back"
kill -STOP $pid
put 200 2
must dmsetup suspend --noflush a
must dd if=$NVME of=/dev/mapper/b bs=1M count=32 iflag=direct oflag=direct 2>/dev/null
must dmsetup resume a
kill -CONT $pid
wait_until 20 in_store v $WORK/want || fail "committed"
put 300 3
put 100 1
wait_until 20 in_store v $WORK/want || fail "committed"
host_dies
must dd if=/dev/mapper/b of=/dev/mapper/a bs=1M count=32 iflag=direct oflag=direct 2>/dev/null
pool_of p0 a
must up_on p0
is_as_wanted
must grep "volume v: the cache device is as it was before the last commits" $WORK/helper-p0.log

note "the journal's newest page can't be read"
helper_kill $pid
put 400 5
must dmsetup remove v
must dmsetup remove p0
must cc-journal /dev/mapper/a >$WORK/ring
newest=$(head -n 1 $WORK/ring | cut -d' ' -f2)
at=$(($(od -An -t u8 -j 104 -N 8 /dev/mapper/a) / 512 + newest * 16))
exchange a --table "0 $at linear $NVME 0
$at 16 error
$((at + 16)) $((sectors - at - 16)) linear $NVME $((at + 16))"
pool_of p0 a
must_fail up_on p0 >$WORK/up.log 2>&1
cat $WORK/up.log
must grep "journal: page $newest, if there is one, can't be read" $WORK/helper-p0.log
equal "journal" "$(cat $SYSFS/p0/journal)" recovering
helper_kill $pid
exchange a --table "0 $sectors linear $NVME 0"
helper_of p0
must up_on p0
is_as_wanted
must chunkctl volume down v --store "$store_url"
in_store v $WORK/want || fail "all of it is in the store"
helper_stop $pid
finish
