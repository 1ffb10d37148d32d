#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest: raw device, dm-linear and a warm disk, all on RAM disks; a line per engine and
# device for `run`.  Arguments: READS REPEATS.
. /t/lib.sh

must modprobe brd rd_nr=1 rd_size=65536 max_part=0
cache_device=/dev/ram0
load_module
image a --seed 1 --size 16M --chunk 64K
format 64K
pool_up
helper_start
disk_up vm1 a
verify vm1 a --engine pread --seq --bs 1M
helper_stop
must dmsetup create linear --table "0 $(sectors a) linear $cache_device 8192"
must dmsetup message vm1 0 clear_stats
for engine in "pread 1" "uring 1" "uring 32" "aio 32"; do
	# ENGINE DEPTH are two words
	# shellcheck disable=SC2086
	cc-bench $engine "$1" "$2" /dev/ram0 /dev/mapper/linear /dev/mapper/vm1 |
		sed "s/^/bench $engine /"
done
equal "misses of a warm disk" "$(disk_misses vm1)" 0
must dmsetup remove linear
finish
