#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A disk is reloaded with a longer image while it is open: its size changes, the kernel says so with a RESIZE
# uevent, and the reader that had it open reads the new end.
# catches: a length taken from the old table, a map of the old length.
# vm: -n 64M
# short: uml
. "${0%/*}/lib.sh"

standard "--seed 45 --size 2M --chunk 64K"
image b --seed 45 --size 3M --chunk 64K
verify vm1 a --seq --bs 64K
equal "sectors" "$(device_sectors /dev/mapper/vm1)" 4096
dev=$(dmsetup info -c --noheadings -o major,minor vm1 | tr -d ' ')
# each uevent, as a program that listens for them gets it
busybox uevent env >$WORK/uevents 2>&1 &
listener=$!
on_exit "kill $listener 2>/dev/null"
resized() { grep -q '^RESIZE=1$' $WORK/uevents; }
exec 3</dev/mapper/vm1
must dmsetup load -r vm1 --table "$(disk_table b)"
must dmsetup suspend --noflush vm1
must dmsetup resume vm1
equal "sectors" "$(device_sectors /dev/mapper/vm1)" 6144
equal "sectors in sysfs" "$(cat "/sys/dev/block/$dev/size")" 6144
must_become 10 resized
kill $listener
must_become 20 disk_is_loaded vm1
verify vm1 b --seq --bs 64K
# who had it open sees the new end
equal "bytes by the old descriptor" "$(dd bs=1M skip=2 count=2 2>/dev/null <&3 | wc -c)" 1048576
exec 3<&-

note "shorter again"
must dmsetup load -r vm1 --table "$(disk_table a)"
must dmsetup suspend --noflush vm1
must dmsetup resume vm1
equal "sectors" "$(device_sectors /dev/mapper/vm1)" 4096
verify vm1 a --seq --bs 64K
equal "bytes behind the end" "$(dd if=/dev/mapper/vm1 bs=64K skip=32 count=1 iflag=direct 2>/dev/null | wc -c)" 0
equal "errors" "$(disk_errors vm1)" 0
finish
