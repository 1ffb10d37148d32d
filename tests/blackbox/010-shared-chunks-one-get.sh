#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two disks that share all chunks, read cold in parallel: one GET per distinct chunk.
# catches: no dedup over disks, no single flight, a fill lost and fetched again.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

http_store
standard "--seed 3 --size $(short 8M 128M) --chunk 64K --holes 1/10 --dup 1/6"
disk_up vm2 a
for disk in vm1 vm2; do
	start_read $disk a --shuffle --step 64K --bs 4K --depth 64 --random-seed 1
	eval "first_$disk=$read_pid"
	start_read $disk a --shuffle --step 64K --bs 4K --depth 32 --random-seed 5
	eval "second_$disk=$read_pid"
done
# set by the evals above
# shellcheck disable=SC2154
for pid in $first_vm1 $second_vm1 $first_vm2 $second_vm2; do
	end_read "$pid" 120
done
equal_gets "$(distinct a)"
equal "fills" "$(pool_fills)" "$(distinct a)"
verify vm2 a --seq --bs 1M
equal_gets "$(distinct a)"
finish
