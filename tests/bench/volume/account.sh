#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest, with the plugin insns.so: for each kind of write first dm-linear, then a volume, and the
# names of the kernel's functions.  Argument: writes.
. /t/bench-lib.sh

sectors=65536
slot_bytes=1048576
must modprobe brd rd_nr=2 rd_size=262144 max_part=0
for device in /dev/ram0 /dev/ram1; do
	must dd if=/dev/zero of=$device bs=1M count=256 oflag=direct 2>/dev/null
done
cache_device=/dev/ram0
must chunkctl format $cache_device --slot-size 1M --manifest-area 1M --no-discard --force --dirty-max 120M \
	>$WORK/format.log
load_module
pool_up
must dmsetup create v --table "$(volume_table $sectors)"
volume_start v $sectors
must dmsetup create linear --table "0 $sectors linear /dev/ram1 8192"
must dd if=/dev/zero of=/dev/mapper/v bs=1M count=32 oflag=direct 2>/dev/null
for kind in "pwrite 1" "uwrite 1" "uwrite 32" "fsync 1"; do
	for device in linear v; do
		volume_commit v
		# what the kernel puts off until later is done by then
		sleep 2
		echo "# $kind $device"
		must cc-bench -m -d ${kind#* } -n "$1" -r 1 -s 32 ${kind% *} /dev/mapper/$device >/dev/null
	done
	echo "window ${kind% *}${kind#* }"
done
echo "count reads $1"
awk '$2 ~ /[tTwW]/ { print "symbol", $1, $3, $4 }' /proc/kallsyms
must dmsetup remove linear
must dmsetup remove v
finish
