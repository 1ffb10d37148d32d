#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A suspend with flush waits for outstanding misses, and finishes when a live helper has served them.
# catches: a suspend that fails or requeues what it should wait for, misses stalled by it.
# vm: -n 64M
. "${0%/*}/lib.sh"

standard "--seed 26 --size 2M --chunk 64K"
kill -STOP "$helper_pid"
start_read vm1 a --shuffle --step 64K --bs 4K --depth 16
must_become 10 disk_waits vm1 16
dmsetup suspend vm1 &
suspend=$!
sleep 1.5
gone $suspend && fail "the suspend did not wait for the misses"
kill -CONT "$helper_pid"
wait_for $suspend 25 || fail "the suspend failed"
note "suspended: what comes now waits for the resume"
must_become 10 disk_waits_not vm1
must dmsetup resume vm1
end_read "$read_pid" 30
equal "errors" "$(disk_errors vm1)" 0
verify vm1 a --seq
finish
