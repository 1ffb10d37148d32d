#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads that are not in 512-byte units are EINVAL; 512-byte reads at every offset around a chunk's edge
# and iovecs of odd numbers of sectors are right.
# catches: limits that forbid or let through what the block layer thinks otherwise of.
# vm: -n 64M
. "${0%/*}/lib.sh"

standard "--seed 9 --size 2M --chunk 64K --holes 1/8"
read_errno vm1 EINVAL --engine pread --seq --count 1 --offset 100 --bs 512
read_errno vm1 EINVAL --engine pread --seq --count 1 --bs 700
for pass in cold warm; do
	note $pass
	for chunk in 1 7 31; do
		verify vm1 a --seq --bs 512 --offset $((chunk * 65536 - 8192)) --length 16K
		verify vm1 a --seq --bs 1024-3584 --offset $((chunk * 65536 - 8192)) --length 16K
	done
	verify vm1 a --bs 512-64K --vec 16 --count 300
	verify vm1 a --bs 512-64K --vec 16 --count 300 --engine pread
done
finish
