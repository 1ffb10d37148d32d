#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A read that the cache device failed and that ends without being sent there again: controllers of the device's queue
# (iocost, iolatency, wbt) hear of one end for each start.
# catches: BIO_QOS_THROTTLED and BIO_QOS_MERGED left on a bio that is used again.
# vm: -n 64M
# kernels: 6.12
. "${0%/*}/lib.sh"

load_module
image a --seed 111 --size 1M --chunk 64K
null_device nullb0 submit_queues=1
cache_device=/dev/nullb0
format
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K
must_become 10 disk_waits_not vm1
equal "slots filled" "$(slots_valid)" 16

tracing=/sys/kernel/tracing
mount -t tracefs none $tracing 2>/dev/null
echo 75000 >/sys/block/nullb0/queue/wbt_lat_usec || fail "no controller to be had"
for probe in started:__rq_qos_throttle merged:__rq_qos_merge ended:__rq_qos_done_bio; do
	echo "p:qos/${probe%:*} ${probe#*:}" >>$tracing/kprobe_events || fail "kprobe: $probe"
done
echo 1 >$tracing/events/qos/enable
on_exit "echo >$tracing/kprobe_events"
on_exit "echo 0 >$tracing/events/qos/enable"
count() { grep -c " $1: " $tracing/trace; }

verify vm1 a --count 50
at_least "starts of hits" "$(count started)" 50
equal "ends of hits" "$(count ended)" $(($(count started) + $(count merged)))
note "no slot can be read"
echo "+$((slots_start / 512))-$((slots_start / 512 + 16 * 128 - 1))" >$null/badblocks || fail "badblocks"
verify vm1 a --seq --bs 16K --depth 4
at_least "hits that failed" "$(disk_counter vm1 retried)" 16
must_become 10 disk_waits_not vm1
echo "-$((slots_start / 512))-$((slots_start / 512 + 16 * 128 - 1))" >$null/badblocks
idle() { [ "$(slots_dying)" = 0 ] && [ "$(slots_filling)" = 0 ]; }
must_become 10 idle
note "$(count started) started, $(count merged) merged, $(count ended) ended"
equal "ends" "$(count ended)" $(($(count started) + $(count merged)))
verify vm1 a --seq
equal "errors of readers" "$(disk_errors vm1)" 0
echo 0 >$tracing/events/qos/enable
finish
