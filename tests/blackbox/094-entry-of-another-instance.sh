#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Generations start anew with each instance of a pool: an entry of the slot table that an earlier instance left names
# slot and generation of another use, and is not believed though both are VALID now.
# catches: entries compared by slot and generation only.
# vm: -n 64M
. "${0%/*}/lib.sh"

standard "--seed 94 --size 1M --chunk 64K" 16
verify vm1 a --seq --bs 64K
equal "fills" "$(pool_fills)" 16
disk_down vm1
helper_stop
pool_down
pool_up
note "a helper that fills all slots with another image's chunks and leaves the table as it is"
{
	echo "pool /dev/mapper/$POOL"
	echo attach
	echo alloc 16
	for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		echo "write \$slot$n 95 $n"
		echo "done \$slot$n \$gen$n"
		echo "is \$gen$n 1"
	done
} | nl -q --seed 95 --size 1M
equal "slots VALID" "$(slots_valid)" 16
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K
equal "errors" "$(disk_errors vm1)" 0
finish
