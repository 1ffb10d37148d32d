#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The NVMe's queue is full all the time, with NOWAIT reads: EAGAIN is passed on; no slot is dropped, nothing fetched again.
# catches: EAGAIN of the cache device taken for a medium error.
# vm: -s 2 -n 64M
# kernels: 6.12 6.1 debug
. "${0%/*}/lib.sh"

standard "--seed 89 --size 4M --chunk 64K"
verify vm1 a --seq --bs 64K
must_become 10 disk_waits_not vm1
queue=/sys/block/${NVME##*/}/queue/nr_requests
if ! echo 1 >"$queue" 2>/dev/null && ! echo 4 >"$queue"; then
	fail "the queue can't be made short"
fi
note "requests: $(cat "$queue")"
misses=$(disk_misses vm1) valid=$(slots_valid)
# detectors make each try a hundred times dearer
count=$(short 2000 500000)
[ "$VM_KERNEL" != debug ] || count=200
verify vm1 a --nowait-retry --bs 4K --align 4096 --depth 1024 --count "$count"
verify vm1 a --bs 4K --align 4096 --depth 1024 --count "$(short 10000 500000)"
verify vm1 a --nowait-retry --engine pread --threads 16 --bs 4K --align 4096 --count 500
cc-io --nowait --json --bs 4K --align 4096 --depth 1024 --count 20000 /dev/mapper/vm1 >$WORK/out ||
	fail "NOWAIT reads: $(cat $WORK/out)"
cat $WORK/out
equal "misses" "$(disk_misses vm1)" "$misses"
equal "slots VALID" "$(slots_valid)" "$valid"
equal "hits served anew" "$(disk_counter vm1 retried)" 0
equal "slots BAD" "$(slots_bad)" 0
equal "errors" "$(disk_errors vm1)" 0
finish
