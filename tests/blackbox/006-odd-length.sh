#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A disk whose length is no multiple of the chunk: its last chunk reads right to the last sector, and
# nothing is behind it. A table of another length than the image is refused by the helper.
# catches: a last chunk that is not padded, a disk that reaches past its image.
# vm: -n 64M
. "${0%/*}/lib.sh"

standard "--seed 6 --size $((1048576 + 3 * 512)) --chunk 64K"
n=$(sectors a)
equal "length of the disk" "$(device_sectors /dev/mapper/vm1)" "$n"
verify vm1 a --seq --bs 512 --offset 1M
verify vm1 a --bs 512-256K --count 100
dd if=/dev/mapper/vm1 of=$WORK/last bs=512 skip=$((n - 1)) count=4 iflag=direct 2>/dev/null
equal "bytes from the last sector on" "$(stat -c %s $WORK/last)" 512
dd if=/dev/mapper/vm1 of=$WORK/past bs=512 skip="$n" count=1 iflag=direct 2>/dev/null
equal "bytes past the end" "$(stat -c %s $WORK/past 2>/dev/null || echo 0)" 0

for wrong in $((n + 1)) $((n - 1)) $((n + 128)) $((n - 128)); do
	must dmsetup create -r vm2 \
		--table "0 $wrong chunkcache /dev/mapper/$POOL $STORE $(digest a)"
	must_become 20 disk_is_refused vm2
	read_errno vm2 EIO --seq --count 1
	disk_down vm2
done
verify vm1 a --seq
finish
