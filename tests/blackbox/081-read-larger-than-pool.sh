#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One read over 17 missing chunks on pools of 2 and 4 slots, two readers: it ends, with a bounded number of GETs.
# catches: chunks evicted before their waiters have read them, fetched over and over.
# vm: -s 2 -n 64M
. "${0%/*}/lib.sh"

http_store
load_module
image a --seed 81 --size $((34 * 65536)) --chunk 64K
extra_pool="ram_cache = 0"
for slots in 2 4; do
	note "$slots slots"
	format 64K $slots
	pool_up
	helper_start
	disk_up vm1 a
	must_become 20 disk_is_loaded vm1
	before=$(gets)
	verify vm1 a --seq --count 1 --bs $((17 * 65536))
	at_least "GETs of 17 chunks" $(($(gets) - before)) 17
	at_most "GETs of 17 chunks" $(($(gets) - before)) 34
	before=$(gets)
	start_read vm1 a --seq --count 1 --bs $((17 * 65536)) --offset $((17 * 65536))
	verify vm1 a --seq --count 1 --bs $((17 * 65536)) --offset $((16 * 65536))
	end_read "$read_pid" 60
	at_most "GETs of two readers" $(($(gets) - before)) $((4 * 18))
	equal "errors" "$(disk_errors vm1)" 0
	disk_down vm1
	helper_stop
	pool_down
	must dmsetup remove cut
done
finish
