#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest: hits of a disk of a million chunks, all cached, each in a slot of its own, read at random: no page of
# the map, slot or hit byte is in a processor's cache from the read before.  The cache device has memory where the
# pool keeps what is its own, and zeros without memory where slots are.  Arguments: READS REPEATS.
. /t/bench-lib.sh

reads=$1 repeats=$2
chunks=1048576
span=65536		# MiB
memory=131072		# KiB of the device that are kept

must modprobe brd rd_nr=1 rd_size=$memory max_part=0
must dmsetup create cache <<END
0 $((memory * 2)) linear /dev/ram0 0
$((memory * 2)) $(((span + 1024) * 2048)) zero
END
cache_device=/dev/mapper/cache
must chunkctl format $cache_device --slot-size 64K --manifest-area 1M --no-journal --no-discard --force >$WORK/format.log
load_module
pool_up
bench_disk vm1 $span
filler "churn vm1 0 $chunks shuffle"
must dmsetup create linear --table "0 $((span * 2048)) linear $cache_device $((memory * 2))"
for engine in "pread 1" "uring 32"; do
	cc-bench -d "${engine#* }" -n "$reads" -r "$repeats" -s $span "${engine% *}" /dev/mapper/linear \
		/dev/mapper/vm1 >$WORK/times || fail "cc-bench $engine"
	while read -r device times; do
		echo "figure million_${engine% *}_$(basename "$device") $times"
	done <$WORK/times
done
echo "count mapped $(disk_mapped vm1)"
echo "count misses $(disk_misses vm1)"
must dmsetup remove linear
finish
