#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a disk with the feature pin has read stays, and with all promised that can be, other disks go on.
# More than can be kept is refused, with the reason in the log, and changes nothing.
# catches: pinned slots evicted, a pool that has no slot left to evict, promises without end, or beyond a smaller table
# that is only loaded yet.
# vm: -s 2 -n 64M -t 900
# kernels: 6.1 uml debug
. "${0%/*}/lib.sh"

# 64 slots: 54 may be promised, an eighth and two are for all
charged() { echo "$(disk_counter pinned slots_charged)+$(disk_counter other slots_charged)"; }
# Both read all they may have.  A read that was answered with data may leave its chunk without a slot.
all_charged() {
	verify pinned b --seq --bs 64K
	verify other c --seq --bs 64K --count 14
	[ "$(charged)" = 40+14 ]
}
no_valid_slots() { [ "$(slots_valid)" = 0 ]; }

standard "--seed 152 --size 8M --chunk 64K" 64
image b --seed 153 --size 2560K --chunk 64K
image c --seed 154 --size 1280K --chunk 64K

refused() {
	must_fail dmsetup create -r no --table "$(disk_table "$1" "$2")" 2>$WORK/no.log
	log_has "$3" || fail "the log does not say \"$3\""
}

refused a "1 pin" "pin: the disk has more chunks than the pool can promise"
refused a "2 min_slots 55" "min_slots is more than the pool can promise"
refused b "3 pin min_slots 5" "pin promises more than min_slots"
refused b "2 pin pin" "Feature is given twice"
refused b "2 min_slots 0" "min_slots must be 1 to 536870911"
equal "slots promised" "$(pool_counter slots_promised)" 0

disk_up pinned b "1 pin"
equal "slots promised" "$(pool_counter slots_promised)" 40
refused c "2 min_slots 15" "min_slots is more than the pool can promise"
disk_up other c "2 min_slots 14"
equal "slots promised" "$(pool_counter slots_promised)" 54
must_become 60 all_charged

note "10 slots are left for a disk of 128 chunks, and for reads that miss in 4 chunks each"
start_read vm1 a --bs 256K --depth 4 --count "$(short 100 2000)" --random-seed 1
verify vm1 a --bs 4K-64K --depth 8 --threads 2 --count "$(short 300 5000)"
end_read "$read_pid" 240
equal "errors" "$(disk_errors vm1)" 0
before=$(disk_misses pinned)+$(disk_misses other)
verify pinned b --seq --bs 64K
verify other c --seq --bs 64K --count 14
equal "misses of the others" "$(disk_misses pinned)+$(disk_misses other)" "$before"

note "a pool's drop takes all, and the promises go on"
drop_pool
must_become 10 no_valid_slots
equal "slots charged" "$(charged)" 0+0
must_become 60 all_charged
verify vm1 a --seq --bs 256K
equal "slots charged" "$(charged)" 40+14

note "a smaller table that is loaded counts, too, until it is gone"
# superblocks FROM TO : both copies
superblocks() { must dd if="$1" of="$2" bs=128K count=1 conv=notrunc,fsync 2>/dev/null; }
resize() { must chunkctl pool-resize $POOL $cache_device --size $((meta_bytes + $1 * 65536)); }
disk_down pinned
disk_down other
resize 24
superblocks $cache_device $WORK/of-24
resize 64
superblocks $cache_device $WORK/of-64
superblocks $WORK/of-24 $cache_device
must dmsetup load $POOL --table "$(pool_table)"
superblocks $WORK/of-64 $cache_device
refused b "1 pin" "40 slots asked for; 0 of 19 are given away"
refused c "2 min_slots 20" "20 slots asked for; 0 of 19 are given away"
disk_up other c "2 min_slots 14"
must dmsetup clear $POOL
disk_up pinned b "1 pin"
equal "slots promised" "$(pool_counter slots_promised)" 54
equal "slots" "$(slots_total)" 64
finish
