#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A slow read pins its epoch: neither its slot nor one of two batches evicted after it is handed out again
# before it ends; it returns the old, right bytes.
# catches: a pin not taken or put too early, a third epoch, a switch that does not wait.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

load_module
image a --seed 75 --size 1M --chunk 64K
slow_sectors=$(((meta_bytes + 8 * 65536) / 512))
slow_device
format 64K
pool_up
equal "slots" "$(slots_total)" 8
disk_up vm1 a
slow_table=$(slow_table 6000 0)
verify_a="cc-io --verify $(opts a)"
export slow_table verify_a
nl --seed 75 <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
alloc 2
write $slot0 75 0
write $slot1 75 1
done $slot0 $gen0 $disk 0
done $slot1 $gen1 $disk 1
sh dmsetup load slow --table "$slow_table" && dmsetup suspend --noflush --nolockfs slow && dmsetup resume slow
sh $verify_a --seq --count 1 /dev/mapper/vm1 >/tmp/case/slow 2>&1 &
sleep 700
sh dmsetup message cache0 0 drop
alloc 2
is $nr_slots_got 2
write $slot0 75 2
write $slot1 75 3
done $slot0 $gen0 $disk 2
done $slot1 $gen1 $disk 3
sh dmsetup message cache0 0 drop
alloc 2
is $nr_slots_got 2
write $slot0 75 4
write $slot1 75 5
done $slot0 $gen0 $disk 4
done $slot1 $gen1 $disk 5
sh dmsetup message cache0 0 drop
sleep 500
echo six slots were dropped while the read was on its way: two are left
sh test ! -s /tmp/case/slow
slots
is $slots_dying 6
alloc 8
is $nr_slots_got 2
sh test ! -s /tmp/case/slow
sh n=0; until [ -s /tmp/case/slow ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 150 ] || exit 1; done; cat /tmp/case/slow; grep -q 'result ok' /tmp/case/slow
sleep 1000
slots
is $slots_dying 0
alloc 8
is $nr_slots_got 6
END
at_least "us that switches waited for the read" "$(pool_counter switching_us)" 4000000
slow_down 0 0
helper_start
verify vm1 a --seq
finish
