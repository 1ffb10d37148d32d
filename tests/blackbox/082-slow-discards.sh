#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Feature discard: what is evicted beyond the reserve is given back to the device below, so that a sparse
# file shrinks; a slot is not handed out before its discard has ended; slow discards starve no demand and hold
# up a suspend for one discard at most, and a shrink for none of those that it cuts off.
# catches: a slot that is free while its discard is under way, discards of the reserve, a wait for all of them.
# vm: -s 2 -m 512 -n 64M -t 900
# kernels: 6.12 6.1 debug
. "${0%/*}/lib.sh"

modprobe loop
load_module
image a --seed 82 --size 8M --chunk 64K
truncate -s $((meta_bytes + 128 * 65536)) $WORK/sparse
loop=$(losetup -f --show $WORK/sparse)
on_exit "losetup -d $loop"
slow_under=$loop
slow_sectors=$(device_sectors "$loop")
slow_device
format 64K
pool_table() { echo "0 $(device_sectors $cache_device) chunkcache-pool $cache_device 1 discard"; }
formatted=$(du -k $WORK/sparse | cut -f1)
# KiB beyond what format wrote
used() { echo $(($(du -k $WORK/sparse | cut -f1) - formatted)); }
# what is not discarded: what the helper wrote to areas, one slot in 32
most=$((1024 + 128 / 32 * 64 + 512))

note "refused where nothing can be discarded"
must modprobe null_blk nr_devices=1
must_fail dmsetup create nope --table "0 32768 chunkcache-pool /dev/nullb0 1 discard" 2>/dev/null
log_has 'does not support discards' || fail "no reason in the log"
must rmmod null_blk
must_fail dmsetup create nope --table "0 $slow_sectors chunkcache-pool $cache_device 2 discard discard" 2>/dev/null
must_fail dmsetup create nope --table "0 $slow_sectors chunkcache-pool $cache_device 1 nodiscard" 2>/dev/null

note "a sparse file becomes small again"
pool_up
dmsetup table $POOL | grep -q ' 1 discard$' || fail "table line: $(dmsetup table $POOL)"
dmsetup status $POOL | grep -q ' 1 discard$' || fail "status: $(dmsetup status $POOL)"
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K
sync
full=$(used)
at_least "KiB of the full file" "$full" 7000
drop_pool
all_free() { [ "$(slots_free)" = 128 ]; }
must_become 30 all_free
note "$full KiB when full, $(used) KiB when dropped"
at_most "KiB of the file" "$(used)" $most
verify vm1 a

note "without the feature nothing is discarded"
must dmsetup load $POOL --table "0 $slow_sectors chunkcache-pool $cache_device"
must dmsetup suspend $POOL
must dmsetup resume $POOL
verify vm1 a --seq --bs 64K
drop_pool
must_become 30 all_free
at_least "KiB of the file" "$(used)" 7000
must dmsetup load $POOL --table "$(pool_table)"
must dmsetup suspend $POOL
must dmsetup resume $POOL

note "slow discards: demand takes what was not discarded yet"
verify vm1 a --seq --bs 64K
slow_down 0 1500
drop_pool
some_dying() { [ "$(slots_dying)" -gt 100 ]; }
must_become 10 some_dying
start=$(now_ms)
# writes are slow as well, but answers need none
verify vm1 a --seq --bs 64K --depth 16
note "read in $(($(now_ms) - start)) ms"
at_most "ms to read all" $(($(now_ms) - start)) 20000

note "a suspend waits for one discard"
start=$(now_ms)
must dmsetup suspend --noflush $POOL
at_most "ms of the suspend" $(($(now_ms) - start)) 5000
must dmsetup resume $POOL
slow_down 0 0
must_become 30 disk_waits_not vm1

note "a shrink waits for no discard of what it cuts off: neither of what is valid nor of what waits for one already"
shrink() {
	start=$(now_ms)
	timeout 20 chunkctl pool-resize $POOL $cache_device --size $((meta_bytes + $1 * 65536)) ||
		fail "shrink to $1 slots: status $?, $(dmsetup status $POOL)"
	note "shrunk in $(($(now_ms) - start)) ms"
	equal "slots" "$(slots_total)" "$1"
}
verify vm1 a --seq --bs 64K
at_least "valid" "$(slots_valid)" 100
# The tool and its superblocks wait for some of them, too; all discards would take 30 s and more.
slow_down 0 500
shrink 64
drop_pool
all_dropped() { [ "$(slots_valid)" = 0 ] && [ "$(slots_dying)" -gt 50 ]; }
must_become 10 all_dropped
shrink 60
verify vm1 a --seq --bs 64K --length 1280K
some_valid() { [ "$(slots_valid)" -ge 16 ]; }
must_become 30 some_valid
slow_down 0 1000
shrink 4
slow_down 0 0
verify vm1 a --count 200
disk_down vm1
helper_stop
pool_down

note "no slot is handed out before its discard has ended"
format 64K
pool_up
disk_up vm1 a
slow_table=$(slow_table 0 60000)
undo_slow=$(slow_table 0 0)
export slow_table undo_slow
nl --seed 82 <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
alloc 128
is $nr_slots_got 128
write $slot0 82 0
release $slot1 $gen1
release $slot2 $gen2
release $slot3 $gen3
release $slot4 $gen4
done $slot0 $gen0 $disk 0
done $slot5 $gen5
done $slot6 $gen6
done $slot7 $gen7
done $slot8 $gen8
done $slot9 $gen9
sh dmsetup load slow --table "$slow_table" && dmsetup suspend --noflush --nolockfs slow && dmsetup resume slow
sh dmsetup message cache0 0 drop
sleep 600
echo the reserve is full: one discard is under way, five slots wait for theirs
slots
is $slots_dying 6
alloc 5
is $nr_slots_got 4
sleep 600
echo demand has those that waited, but not the other
alloc 4
is $nr_slots_got 4
sleep 600
alloc 8
is $nr_slots_got 1
alloc 1
is $nr_slots_got 0
sh dmsetup load slow --table "$undo_slow" && dmsetup suspend --noflush --nolockfs slow && dmsetup resume slow
sh n=0; while dmsetup status cache0 | grep -q '/1/0 of'; do sleep 0.2; n=$((n + 1)); [ $n -lt 150 ] || exit 1; done
slots
is $slots_dying 0
alloc 1
is $nr_slots_got 1
release $slot10 $gen10
release $slot11 $gen11
release $slot12 $gen12
release $slot13 $gen13
write $slot0 82 5
done $slot0 $gen0 $disk 5
END
verify vm1 a --offset 327680 --length 65536 --seq
helper_start
verify vm1 a --seq --bs 64K
disk_down vm1
helper_stop
pool_down
must dmsetup remove slow
must losetup -d "$loop"
finish
