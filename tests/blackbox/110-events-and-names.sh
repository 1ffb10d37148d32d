#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who waits for events of a disk is woken once by a message, however many of its chunks failed as corrupt, and not by a
# message that failed none; tools outside of the kernel find the names of a slot's states in the trace event's format.
# catches: an event for each record, an event for forged ones, enumerators in the format that only the kernel knows.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 110 --size 1M --chunk 64K
format
pool_up
disk_up vm1 a
events() { dmsetup info -c --noheadings -o events vm1; }
export DM_EVENTS="dmsetup info -c --noheadings -o events vm1"

cc-io --seq --bs 4K --step 64K --depth 16 --allow-errors --timeout 30 /dev/mapper/vm1 >$WORK/read &
reader=$!
all_wait() { disk_waits vm1 16; }
must_become 10 all_wait
nl <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
waitmiss 16 10000
sh $DM_EVENTS >/tmp/case/events
refused ESTALE fail $disk0 $chunk0 1 corrupt $disk1 $chunk1 1 corrupt $disk2 $chunk2 1 corrupt
refused EINVAL fail $disk0 $chunk0 $cookie0 9
sh [ $($DM_EVENTS) = $(cat /tmp/case/events) ]
fail $disk0 $chunk0 $cookie0 corrupt $disk1 $chunk1 $cookie1 corrupt $disk2 $chunk2 $cookie2 corrupt $disk3 $chunk3 $cookie3 corrupt $disk4 $chunk4 $cookie4 corrupt
sh [ $($DM_EVENTS) = $(($(cat /tmp/case/events) + 1)) ]
fail $disk5 $chunk5 $cookie5 notfound $disk6 $chunk6 $cookie6 timeout
sh [ $($DM_EVENTS) = $(($(cat /tmp/case/events) + 1)) ]
END
equal "errors" "$(disk_errors vm1)" 7
helper_start
wait_for $reader 30 || fail "reads: $(cat $WORK/read)"
cat $WORK/read
equal "errors" "$(disk_errors vm1)" 7

tracing=/sys/kernel/tracing
mount -t tracefs none $tracing 2>/dev/null
format=$tracing/events/chunkcache/chunkcache_slot/format
n=0
for name in FREE FILLING VALID DYING BAD GONE; do
	grep -q "{ $n, \"$name\" }" $format || { cat $format; fail "$name is not told as $n"; }
	n=$((n + 1))
done
finish
