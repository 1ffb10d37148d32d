#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Without a helper a hard disk's reads wait and finish when one comes; a soft disk's fail with
# ETIMEDOUT at its deadline, not before and not much later.
# catches: a miss that is not handed to a helper that attaches later, a deadline that never
# fires or is counted from the wrong time, reads beyond the cap that are forgotten.
# vm: -n 128M
. "${0%/*}/lib.sh"

load_module
image a --seed 1 --size 4M --chunk 64K
format
pool_up
disk_up vm1 a
disk_up vm2 a "2 miss_timeout_ms 1500"
start_read vm1 a --seq --bs 4K --step 64K --depth 8
held=$read_pid
must_become 10 disk_waits vm1 8
note "more reads than the disk may have misses"
disk_up vm3 a "2 max_misses 4"
start_read vm3 a --seq --bs 4K --step 64K --depth 32
capped=$read_pid
must_become 10 disk_waits vm3 32

start=$(now_ms)
read_errno vm2 ETIMEDOUT --count 1
took=$(($(now_ms) - start))
at_least "deadline of the soft disk" $took 1500
at_most "deadline of the soft disk" $took 5000
at_least "timeouts counted" "$(disk_counter vm2 errors_timeout)" 1
equal "reads held" "$(disk_waiting vm1)" 8
gone "$held" && fail "the hard disk's reads ended"

helper_start
end_read "$held" 60
end_read "$capped" 30
equal "errors of the capped disk" "$(disk_errors vm3)" 0
verify vm2 a --seq
equal "errors of the hard disk" "$(disk_errors vm1)" 0
finish
