#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A read that waited for its miss pins the slot as a hit does, from SLOT_DONE or MAP on until it has ended: with a
# slow device and its slot evicted meanwhile, the slot is not handed out, and the read has the right bytes.
# catches: a waiter let go before its slot is pinned, or whose pin is put when it is sent, one pin for several.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

load_module
image a --seed 93 --size 512K --chunk 64K
slow_sectors=$(((meta_bytes + 4 * 65536) / 512))
slow_device
format 64K
pool_up
equal "slots" "$(slots_total)" 4
disk_up vm1 a
slow_down 5000 0
read_a="cc-io --verify $(opts a) --seq --count 4 --depth 4"
export read_a
nl --seed 93 <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
sh $read_a /dev/mapper/vm1 >/tmp/case/by_done 2>&1 &
waitmiss 1 5000
alloc 2
write $slot0 93 0
write $slot1 93 1
echo one is let go by SLOT_DONE, one by MAP
done $slot0 $gen0 $disk 0
done $slot1 $gen1
sh $read_a --offset 64K /dev/mapper/vm1 >/tmp/case/by_map 2>&1 &
waitmiss 1 5000
map $disk 1 $slot1 $gen1
sh dmsetup message cache0 0 drop
sleep 500
slots
is $slots_dying 2
alloc 4
is $nr_slots_got 2
sh test ! -s /tmp/case/by_done -a ! -s /tmp/case/by_map
sh n=0; until [ -s /tmp/case/by_done -a -s /tmp/case/by_map ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 150 ] || exit 1; done
sh cat /tmp/case/by_*; grep -q 'result ok' /tmp/case/by_done && grep -q 'result ok' /tmp/case/by_map
sleep 1000
slots
is $slots_dying 0
alloc 4
is $nr_slots_got 2
END
slow_down 0 0
helper_start
verify vm1 a --seq
finish
