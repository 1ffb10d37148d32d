#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# remove -f of the pool, then of its disk, with misses held: both return, the readers get EIO.
# catches: a disk that waits for its pool, or the other way round.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 87 --size 1M --chunk 64K
format
pool_up
disk_up vm1 a
cc-io --expect-errno EIO --engine pread --threads 16 --count 1 --bs 4K /dev/mapper/vm1 >$WORK/out 2>&1 &
reader=$!
must_become 10 disk_waits vm1 16
start=$(now_ms)
timeout 30 dmsetup remove -f --noflush $POOL 2>/dev/null
at_most "ms of the pool's remove -f" $(($(now_ms) - start)) 5000
start=$(now_ms)
timeout 30 dmsetup remove -f --noflush vm1 2>/dev/null
at_most "ms of the disk's remove -f" $(($(now_ms) - start)) 5000
wait_for $reader 10 || { cat $WORK/out; fail "the readers' errors"; }
dmsetup info vm1 >/dev/null 2>&1 && must dmsetup remove vm1
dmsetup info $POOL >/dev/null 2>&1 && must dmsetup remove $POOL
must_become 10 module_unloads
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq
finish
