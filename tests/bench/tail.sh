#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest: how long hits take while slots are evicted, and while none is.  The reader of hits has
# a real-time priority; another one asks for chunk after chunk that is not there, and the
# filler maps them without a byte being moved: all that is left is the kernel's work.
# The device takes 80 us for a read.  Arguments: READS REPEATS.
. /t/bench-lib.sh

reads=$1 repeats=$2
hot=16		# MiB
device=/sys/kernel/config/nullb/nullb0

must modprobe null_blk nr_devices=0
must mkdir $device
echo 128 >$device/size
echo 512 >$device/blocksize
echo 1 >$device/memory_backed
echo 2 >$device/irqmode
echo 80000 >$device/completion_nsec
echo 1 >$device/power
cache_device=/dev/nullb0
must chunkctl format $cache_device --slot-size 64K --manifest-area 1M --no-journal --force \
	>$WORK/format.log
load_module
pool_up
bench_disk hot $hot
bench_disk churn 65536
# the pool is full before anything is measured
filler "churn churn 1000000 2500; churn hot 0 $((hot * 16)) shuffle"

# latency NAME : sets the lines apart by name
latency() {
	cc-bench -n "$reads" -r "$repeats" latency /dev/mapper/hot >$WORK/latency || fail "cc-bench"
	while read -r _ quantile times; do
		echo "figure latency_$1_$quantile $times"
	done <$WORK/latency
}

latency quiet
misses=$(disk_misses hot)

cc-nl -q -c "pool /dev/mapper/$POOL; attach; serve 3600000 bare" &
filler_pid=$!
cc-io --seq --bs 4K --step 64K --depth 8 --seconds 3600 /dev/mapper/churn >$WORK/churn 2>&1 &
churn_pid=$!
on_exit "kill $filler_pid $churn_pid 2>/dev/null"
fills=$(pool_fills)
# fewer than there are slots: nobody reads the hot ones meanwhile
churning() { [ "$(pool_fills)" -gt $((fills + 500)) ]; }
must_become 60 churning

evictions=$(pool_evictions)
start=$(now_ms)
latency evicting
echo "count evictions_per_second $((($(pool_evictions) - evictions) * 1000 / ($(now_ms) - start)))"
echo "count misses_of_hot $(($(disk_misses hot) - misses))"
kill $churn_pid
wait $churn_pid
kill $filler_pid
wait $filler_pid
finish
