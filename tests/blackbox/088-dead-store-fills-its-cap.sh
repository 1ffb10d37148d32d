#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A hard disk on an unreachable store fills its cap of misses: other disks' misses flow, and a soft disk on the same
# store still times out.
# catches: one list, cap or deadline queue for all disks.
# vm: -s 2 -n 64M
# short: uml
. "${0%/*}/lib.sh"

load_module
image a --seed 88 --size 16M --chunk 64K
extra_store="
[store dead]
url = http://127.0.0.1:9
connect_timeout = 500ms
first_byte_timeout = 500ms
total_timeout = 2s"
format
pool_up
helper_start
dead_up() {
	must dmsetup create -r "$1" \
		--table "0 $(sectors a) chunkcache /dev/mapper/$POOL dead $(digest a)${2:+ $2}"
}
dead_up hard "2 max_misses 64"
dead_up soft "2 miss_timeout_ms 3000"
cc-io --allow-errors --shuffle --step 64K --bs 4K --depth 256 /dev/mapper/hard >$WORK/hard 2>&1 &
stuck=$!
must_become 20 disk_waits hard 256
disk_up vm1 a
start=$(now_ms)
verify vm1 a --seq --bs 4K --step 64K --depth 16 --timeout 60
at_most "ms of 256 misses beside a dead store" $(($(now_ms) - start)) 30000
start=$(now_ms)
read_errno soft ETIMEDOUT --count 1
at_most "ms of the soft disk's deadline" $(($(now_ms) - start)) 9000
at_least "still held on the hard disk" "$(disk_waiting hard)" 256
gone $stuck && fail "the hard disk's reads ended: $(cat $WORK/hard)"
verify vm1 a --bs 4K-64K --count 300 --depth 8
timeout 20 dmsetup remove -f --noflush hard 2>/dev/null
must_become 10 gone $stuck
finish
