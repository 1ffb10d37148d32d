#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest, with the plugin insns.so: first dm-linear, then ours, by pread(), and the names of the
# kernel's functions.  Argument: reads.
. /t/bench-lib.sh

must modprobe brd rd_nr=1 rd_size=65536 max_part=0
must dd if=/dev/zero of=/dev/ram0 bs=1M count=64 oflag=direct 2>/dev/null
ours_up /dev/ram0 32 300
must dmsetup create linear --table "0 65536 linear /dev/ram0 8192"
# what the kernel puts off until later is done by then
sleep 2
must cc-bench -m -n "$1" -r 1 -s 32 pread /dev/mapper/linear
must cc-bench -m -n "$1" -r 1 -s 32 pread /dev/mapper/vm1
echo "count reads $1"
echo "count misses_account $(disk_misses vm1)"
awk '$2 ~ /[tTwW]/ { print "symbol", $1, $3, $4 }' /proc/kallsyms
must dmsetup remove linear
finish
