#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing changes a disk: write, discard, write-zeroes and secure erase fail, even after
# `blockdev --setrw`, and the data is the same.
# catches: a writable disk, an operation passed on to the cache device.
# vm: -n 64M
. "${0%/*}/lib.sh"

standard "--seed 2 --size 2M --chunk 64K --holes 1/8"
verify vm1 a --seq --bs 64K
try_all() {
	must_fail dd if=/dev/zero of=/dev/mapper/vm1 bs=4096 count=1 conv=notrunc,fsync 2>/dev/null
	must_fail dd if=/dev/zero of=/dev/mapper/vm1 bs=4096 count=1 seek=20 oflag=direct \
		conv=notrunc 2>/dev/null
	must_fail blkdiscard /dev/mapper/vm1 2>/dev/null
	must_fail blkdiscard -z /dev/mapper/vm1 2>/dev/null
	must_fail blkdiscard -s /dev/mapper/vm1 2>/dev/null
}
equal "read-only" "$(blockdev --getro /dev/mapper/vm1)" 1
try_all
blockdev --setrw /dev/mapper/vm1 2>/dev/null
try_all
drop_page_cache
verify vm1 a --seq --bs 64K
must_fail dmsetup create vm2 --table "$(disk_table a)" 2>/dev/null
must_fail dmsetup load vm1 --table "$(disk_table a)" 2>/dev/null
verify vm1 a --seq --bs 64K
finish
