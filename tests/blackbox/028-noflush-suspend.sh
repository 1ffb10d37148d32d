#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# suspend --noflush with misses held returns at once; their bios are requeued in dm core, and
# come again after the resume, also with another table in between.
# catches: a requeue lost or done twice, a held bio that pins the suspend.
# vm: -s 2 -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 28 --size 2M --chunk 64K
format
pool_up
disk_up vm1 a
start_read vm1 a --shuffle --step 64K --bs 4K --depth 32
for round in $(seq "$(short 20 200)"); do
	must_become 10 disk_waits vm1 32
	start=$(now_ms)
	must timeout 20 dmsetup suspend --noflush --nolockfs vm1
	at_most "ms of suspend --noflush, round $round" $(($(now_ms) - start)) 10000
	equal "held while suspended" "$(disk_waiting vm1)" 0
	[ $round != 3 ] || must dmsetup load -r vm1 --table "$(disk_table a "2 max_misses 16")"
	gone "$read_pid" && fail "the reads ended: $(cat $WORK/read.*)"
	must dmsetup resume vm1
done
at_least "requeued" "$(disk_counter vm1 requeued)" $((32 * 18))
must timeout 20 dmsetup suspend --noflush --nolockfs vm1
helper_start
sleep 1
gone "$read_pid" && fail "reads ended while suspended"
must dmsetup resume vm1
end_read "$read_pid" 60
verify vm1 a --seq
equal "errors" "$(disk_errors vm1)" 0
finish
