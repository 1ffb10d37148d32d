#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A hit takes seconds on the cache device while its slot is evicted. Until it ends, neither its slot nor any
# evicted after it is used again; hits go on; misses are served, from memory once no slot is free.
# catches: freeing without the epoch, misses that wait for a slot.
# vm: -s 2 -n 64M -t 900
# short: 6.12
. "${0%/*}/lib.sh"

# slot 0 is slow to read, all else is not
slow_slot() {
	local first=$((slots_start / 512)) all=$((meta_bytes / 512 + 64 * 128))

	echo "0 $first linear $NVME 0"
	echo "$first 128 delay $NVME $first $1 $NVME $first 0"
	echo "$((first + 128)) $((all - first - 128)) linear $NVME $((first + 128))"
}

load_module
image a --seed 49 --size 8M --chunk 64K
slow_slot 0 >$WORK/fast
slow_slot 600000 >$WORK/slow
must dmsetup create slow $WORK/fast
cache_device=/dev/mapper/slow
format 64K
pool_up
equal "slots" "$(slots_total)" 64
helper_start
disk_up vm1 a
must_become 20 disk_is_loaded vm1
# the first chunk goes to the first slot
verify vm1 a --seq --bs 64K --length 64K
verify vm1 a --seq --bs 64K --length 2M
must dmsetup load slow $WORK/slow
must dmsetup suspend --noflush slow
must dmsetup resume slow
start_read vm1 a --seq --count 1 --bs 4K
slow_read=$read_pid
sleep 0.5
still_reads() { [ -d "/proc/$slow_read" ] && ! grep -q result "$WORK/read-by.$slow_read"; }
must still_reads
drop_pool
sleep 0.3
equal "dying" "$(slots_dying)" 32

note "32 free slots are filled, then there is none"
verify vm1 a --seq --bs 64K --offset 2M --length 2M
hits=$(disk_hits vm1)
verify vm1 a --count 200 --offset $((2 << 20)) --length $((2 << 20))
note "$(($(disk_hits vm1) - hits)) hits"
at_least "hits meanwhile" $(($(disk_hits vm1) - hits)) 50
verify vm1 a --seq --bs 64K --offset $((4 << 20)) --length $((4 << 20))
note "the very chunk, which has no slot now"
verify vm1 a --seq --bs 64K --length 64K
must still_reads
at_least "dying" "$(slots_dying)" 32
at_most "fills" "$(pool_fills)" 64

note "it ends: a suspend sends on what is delayed"
must dmsetup load slow $WORK/fast
must dmsetup suspend --noflush slow
must dmsetup resume slow
end_read $slow_read 60
none_dying() { [ "$(slots_dying)" = 0 ]; }
must_become 20 none_dying
fills=$(pool_fills)
verify vm1 a --seq --bs 64K
at_least "fills after it" $(($(pool_fills) - fills)) 30
equal "errors" "$(disk_errors vm1)" 0
finish
