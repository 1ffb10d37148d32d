#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Pools of 1 to 4 slots: reads larger than the whole cache, by several readers, go on and are right.
# catches: slots waited for by those who hold them, a mapping evicted before its waiters read.
# vm: -s 2 -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 40 --size 4M --chunk 64K --holes 1/9 --dup 1/9
for slots in 1 2 4; do
	note "$slots slots"
	format 64K $slots
	pool_up
	equal "slots of the pool" "$(slots_total)" $slots
	helper_start
	disk_up vm1 a
	verify vm1 a --seq --bs 1M
	start_read vm1 a --bs 512K-1M --depth 4 --count "$(short 15 500)" --random-seed 1
	first=$read_pid
	start_read vm1 a --bs 4K-256K --depth 4 --count "$(short 40 500)" --random-seed 2
	end_read "$first" 240
	end_read "$read_pid" 240
	equal "errors" "$(disk_errors vm1)" 0
	disk_down vm1
	helper_stop
	pool_down
	must dmsetup remove cut
done
finish
