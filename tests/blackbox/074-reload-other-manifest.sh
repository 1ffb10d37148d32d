#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A disk is reloaded to another manifest while mappings of the old one are still being sent: they are refused,
# and no byte of the old image is read.
# catches: a disk ID that survives the reload, a map taken over though the digest differs.
# vm: -s 2 -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 74 --size 1M --chunk 64K
image b --seed 75 --size 1M --chunk 64K
format 64K 64
pool_up
disk_up vm1 a
reload() {
	must dmsetup load -r vm1 --table "$(disk_table "$1")"
	must dmsetup suspend --noflush --nolockfs vm1
	must dmsetup resume vm1
}
table_b=$(disk_table b)
export table_b
nl --seed 74 <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
alloc 3
write $slot0 74 0
write $slot1 74 1
write $slot2 74 2
done $slot0 $gen0 $disk 0
done $slot1 $gen1
sh cc-io --verify --seed 74 --size 1M --chunk 64K --seq --count 1 /dev/mapper/vm1
sh dmsetup load -r vm1 --table "$table_b" && dmsetup suspend --noflush --nolockfs vm1
try map $disk 1 $slot1 $gen1
sh dmsetup resume vm1
refused ENOENT map $disk 1 $slot1 $gen1
refused ENOENT map $disk 0 $slot0 $gen0
try done $slot2 $gen2 $disk 2
sh test "$(dmsetup status vm1 | awk '{ print $6 }')" = 0/16
END
helper_start
verify vm1 b --seq

note "back and forth under load"
for round in $(seq "$(short 6 100)"); do
	for image in a b; do
		reload $image
		verify vm1 $image --bs 4K-64K --depth 8 --count 60 --random-seed "$round"
	done
done
note "an identical reload keeps what is mapped"
mapped=$(disk_mapped vm1)
reload b
at_least "mapped after an identical reload" "$(disk_mapped vm1)" 1
note "$mapped before, $(disk_mapped vm1) after"
verify vm1 b --seq
equal "errors" "$(disk_errors vm1)" 0
finish
