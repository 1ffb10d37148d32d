#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest, two CPUs, with the plugin stores.so: two readers of one warm chunk, each on a CPU of
# its own; the first one marks what is looked at.  Argument: reads.
. /t/bench-lib.sh

must modprobe brd rd_nr=1 rd_size=65536 max_part=0
must dd if=/dev/zero of=/dev/ram0 bs=1M count=64 oflag=direct 2>/dev/null
ours_up /dev/ram0 8 100
taskset 2 cc-bench -n 1000000 -r 1 -s 1 pread /dev/mapper/vm1 >/dev/null &
pid=$!
sleep 1
must taskset 1 cc-bench -m -n "$1" -r 1 -s 1 pread /dev/mapper/vm1
must taskset 1 cc-bench -m -d 32 -n "$1" -r 1 -s 1 uring /dev/mapper/vm1
gone $pid && fail "the other reader ended too early"
kill $pid
echo "count misses_lines $(disk_misses vm1)"
awk '$2 ~ /[tT]/ && $4 { print "symbol", $1, $3, $4 }' /proc/kallsyms
finish
