#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A working set of twice the cache, read at random by many: evictions all the time, never a wrong byte.
# catches: a slot used again while a reader has it, a stale mapping believed.
# vm: -s 2 -n 64M -t 5400
. "${0%/*}/lib.sh"

standard "--seed 48 --size 8M --chunk 64K" 64
disk_up vm2 a
start_read vm2 a --bs 512-256K --depth 8 --seconds "$(short 8 3600)" --random-seed 4
verify vm1 a --bs 4K-64K --depth 16 --threads 2 --seconds "$(short 8 3600)" --timeout 5000
end_read "$read_pid" 60
cat $WORK/read.*
at_least "evictions" "$(pool_evictions)" 64
equal "errors" "$(($(disk_errors vm1) + $(disk_errors vm2)))" 0
equal "reads waiting" "$(($(disk_waiting vm1) + $(disk_waiting vm2)))" 0
finish
