#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The cache device dies under running guests, and another one takes its place: disks are given to a pool on it while
# they are read, the old pool goes, no reader sees an error, and what is read is cached on the new device.
# catches: an exchange that needs guests to stop, a disk that keeps the old pool or device in use, a page cache of
# something else.
# vm: -s 2 -n 64M -n 64M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

second=${NVMES##* }
under() {
	must exchange under --table "0 $under_sectors $1"
}

http_store
load_module
image a --seed 127 --size 8M --chunk 64K
image b --seed 128 --size 2M --chunk 64K
under_device
format
pool_up
helper_start
first_helper=$helper_pid
disk_up vm1 a "2 miss_timeout_ms 60000"
disk_up vm2 b
verify vm1 a --seq --bs 64K
verify vm2 b --seq --bs 64K

note "the other pool"
POOL=cache1
CONF=$WORK/$POOL.conf
cache_device=$second
must_fail chunkctl pool-move cache0 cache1 2>$WORK/said
grep -q 'cache1: no such pool' $WORK/said || { cat $WORK/said; fail "no pool, no reason"; }
format 128K
must chunkctl pool-up $POOL "$cache_device"
must_fail chunkctl pool-move cache0 cache1 2>$WORK/said
grep -q 'cache1: has no helper' $WORK/said || { cat $WORK/said; fail "no helper, no reason"; }
helper_start
must_fail chunkctl pool-move cache0 cache1 2>$WORK/said
grep -q 'vm1: its chunks are not of the size' $WORK/said || { cat $WORK/said; fail "other slots, no reason"; }
helper_stop
must chunkctl pool-down $POOL
format
must chunkctl pool-up $POOL "$cache_device"
helper_start
must_fail chunkctl pool-move cache0 cache0 2>/dev/null
must_fail chunkctl pool-move vm1 cache1 2>$WORK/said
grep -q 'vm1: is no pool' $WORK/said || { cat $WORK/said; fail "a disk, no reason"; }

note "the old device is gone; guests read on"
rm -f $WORK/enough
while [ ! -e $WORK/enough ]; do
	# shellcheck disable=SC2046
	cc-io --verify $(opts a) --count 200 --depth 8 --bs 4K-128K --timeout 120 /dev/mapper/vm1 || exit 1
done >$WORK/readers 2>&1 &
readers=$!
under error
verify vm2 b --seq --bs 4K
must chunkctl pool-move cache0 cache1
equal "pool of vm1" "$(dmsetup table vm1 | awk '{ print $4 }')" "$(dmsetup info -c --noheadings -o major,minor cache1 | tr -d ' ')"
dmsetup table vm1 | grep -q ' 2 miss_timeout_ms 60000$' || { dmsetup table vm1; fail "its features are lost"; }
note "the old pool goes, with its device"
kill -TERM $first_helper
must_become 15 gone $first_helper
must chunkctl pool-down cache0
must dmsetup remove under
sleep 0.5
touch $WORK/enough
wait_for $readers 60 || { tail -n 5 $WORK/readers; fail "a reader while its pool was exchanged"; }
verify vm1 a --seq --bs 64K
verify vm2 b --seq --bs 64K
equal "valid slots" "$(slots_valid)" 160
gets=$(gets)
drop_page_cache
verify vm1 a --bs 4K --count 500
equal "GETs once all is cached" "$(gets)" "$gets"
equal "errors of vm1" "$(disk_errors vm1)" 0
equal "errors of vm2" "$(disk_errors vm2)" 0
chunkctl pool-move cache1 cache0 2>/dev/null && fail "to a pool that is gone"
finish
