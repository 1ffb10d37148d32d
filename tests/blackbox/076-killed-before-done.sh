#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A helper dies three times over between SLOT_ALLOC and SLOT_DONE with other bytes in the only slot; the next one
# starts from an empty index: no chunk is ever wrong.
# catches: generations that repeat, FILLING slots believed after a restart.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 76 --size 1M --chunk 64K
format 64K 1
pool_up
disk_up vm1 a
start_read vm1 a --seq --bs 4K --step 64K --depth 4
export last=0
for chunk in 3 2 1; do
	export chunk
	# the generation that this one got
	last=$(cc-nl -q <<-'END'
	pool /dev/mapper/cache0
	attach
	disks
	alloc 1
	is $nr_slots_got 1
	write $slot0 76 $chunk
	sh test "$gen0" -gt "$last"
	sh echo gen $gen0 >&3
	sh kill -KILL $PPID
	END
	) 3>$WORK/gen
	last=$(sed 's/gen //' $WORK/gen)
	at_least "generation" "${last:-0}" 1
	must_become 20 pool_has_no_helper
	free() { [ "$(slots_free)" = 1 ]; }
	must_become 20 free
done
for _ in 1 2 3; do
	helper_start
	sleep 0.2
	helper_kill
done
helper_start
end_read "$read_pid" 60
verify vm1 a --seq
verify vm1 a --bs 4K-256K --count 50 --depth 4
equal "errors" "$(disk_errors vm1)" 0
finish
