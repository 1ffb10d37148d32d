#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A slot lies on two devices, and the first one takes no transfer of that size at once (a real NVMe does not if
# the buffer's pages are scattered too much): one half of the write would block, and the other one, which is
# done, ends later.  It is written all the same, by one more try and not by thousands.
# catches: a transfer that is tried again in the way that has just failed.
# vm: -n 64M -n 64M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

second=${NVMES##* }
half=$(((slots_start + 4 * 1048576 + 524288) / 512))	# in the middle of the fifth slot
sectors=$(((meta_bytes + 8 * 1048576) / 512))
must dmsetup create cut --table "0 $half linear $NVME 0
$half $((sectors - half)) linear $second 0"
cache_device=/dev/mapper/cut
written() { awk '{ print $7 }' "/sys/block/${second#/dev/}/stat"; }

load_module
image a --seed 97 --size 8M --chunk 1M
format 1M
pool_up
helper_start
disk_up vm1 a
must_become 20 disk_is_loaded vm1
note "from now on the first device takes 64 KiB"
echo 64 >"/sys/block/${NVME#/dev/}/queue/max_sectors_kb" || fail "max_sectors_kb"
all_valid() { [ "$(slots_valid)" = 8 ]; }
before=$(written)
for round in 1 2 3; do
	drop_pool
	verify vm1 a --seq --bs 1M --timeout 30
	must_become 20 all_valid
	at_most "sectors written to the second device, round $round" $(($(written) - before)) \
		$((round * 5 * 2048))
done
drop_page_cache
misses=$(disk_misses vm1)
verify vm1 a --seq --bs 64K
equal "misses" "$(disk_misses vm1)" "$misses"
finish
