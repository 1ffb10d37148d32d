#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# While one read is stuck on the cache device and slots are dropped, one grace period is waited for, and the looks for
# the reader become rare.
# catches: one grace period after the other for as long as a read takes, looks without pauses.
# vm: -s 2 -n 64M
# kernels: 6.1 uml debug
. "${0%/*}/lib.sh"

tracing=/sys/kernel/tracing
load_module
image a --seed 109 --size 1M --chunk 64K
slow_sectors=$(((meta_bytes + 16 * 65536) / 512))
slow_device
format
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K
must_become 10 disk_waits_not vm1

mount -t tracefs none $tracing 2>/dev/null
must test -d $tracing/events/workqueue/workqueue_execute_start
echo 1 >$tracing/events/workqueue/workqueue_execute_start/enable
cat $tracing/trace_pipe >$WORK/works &
reader=$!
on_exit "kill $reader"
slow_down 6000 0
start_read vm1 a --seq --count 1
sleep 0.5
drop_pool
sleep 4
gone "$read_pid" && fail "the read is not stuck"
at_least "dying slots" "$(slots_dying)" 10
end_read "$read_pid" 20
none_dying() { [ "$(slots_dying)" = 0 ]; }
must_become 20 none_dying
sleep 1
kill $reader
echo 0 >$tracing/events/workqueue/workqueue_execute_start/enable
graces=$(grep -c "function cc_slots_grace" $WORK/works)
looks=$(grep -c "function cc_slots_drain" $WORK/works)
note "$graces grace periods, $looks looks more"
at_least "grace periods" "$graces" 1
at_most "grace periods" "$graces" 4
at_least "looks" "$looks" 5
at_most "looks in five seconds" "$looks" 60
slow_down 0 0
verify vm1 a --seq
finish
