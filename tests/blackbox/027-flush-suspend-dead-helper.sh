#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# With no helper a suspend with flush ends after suspend_timeout_ms, and the held reads fail with
# ETIMEDOUT; one that is interrupted leaves the device working and the reads waiting.
# catches: a suspend that hangs, bios lost in presuspend_undo, a requeueing flag left set.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 27 --size 2M --chunk 64K
format
pool_up
disk_up vm1 a "2 suspend_timeout_ms 2000"
disk_up vm2 a

start_read vm2 a --seq --bs 4K --step 64K --depth 8
must_become 10 disk_waits vm2 8
dmsetup suspend vm2 &
suspend=$!
sleep 1
gone $suspend && fail "the suspend did not wait"
kill -TERM $suspend
must_become 10 gone $suspend
wait $suspend && fail "an interrupted suspend succeeded"
case $(dmsetup info vm2) in
*ACTIVE*) ;;
*) fail "not active after an interrupted suspend: $(dmsetup info vm2)" ;;
esac
held=$read_pid

cc-io --expect-errno ETIMEDOUT --seq --bs 4K --step 64K --count 8 --depth 8 /dev/mapper/vm1 \
	>$WORK/failed 2>&1 &
failing=$!
must_become 10 disk_waits vm1 8
start=$(now_ms)
must timeout 20 dmsetup suspend vm1
took=$(($(now_ms) - start))
at_least "ms of the suspend" $took 1500
at_most "ms of the suspend" $took 8000
wait_for $failing 10 || { cat $WORK/failed; fail "reads held through the timeout"; }
must dmsetup resume vm1

gone "$held" && fail "the reads of vm2 ended"
disk_waits vm2 1 || fail "nothing waits on vm2"
helper_start
end_read "$held" 30
verify vm1 a --seq
verify vm2 a --seq
equal "errors of vm2" "$(disk_errors vm2)" 0
finish
