#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ext4 and XFS on a volume: made, filled, trimmed, unmounted, checked, and what was in them is there.
# catches: a discard that takes too much, a flush that ends too soon to be noticed by a file system, bios over edges.
# kernels: 6.12 6.1
# vm: -s 2 -n 512M
. "${0%/*}/lib.sh"

load_module
format 64K "" 3500
pool_up
volume_up v 655360
volume_start v 655360
mkdir -p /mnt
for fs in ext4 xfs; do
	# shellcheck disable=SC2046
	must mkfs.$fs -q $([ $fs = ext4 ] && echo -F || echo -f) /dev/mapper/v
	must mount -t $fs -o discard /dev/mapper/v /mnt
	must cp -r /lib/modules /mnt/a
	must cp -r /lib/modules /mnt/b
	must rm -r /mnt/a
	sync
	fstrim /mnt 2>/dev/null || note "no fstrim"
	must cp -r /lib/modules /mnt/c
	must umount /mnt
	[ $fs = xfs ] || must fsck.ext4 -fn /dev/mapper/v >/dev/null
	must mount -t $fs /dev/mapper/v /mnt
	must diff -r /lib/modules /mnt/b
	must diff -r /lib/modules /mnt/c
	must umount /mnt
	note "$(dmsetup status v)"
	while [ "$(slots_log)" -gt 20 ]; do
		volume_commit v
		sleep 0.2
	done
done
equal "errors" "$(volume_word v 7)" 0
must dmsetup remove v
finish
