#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A chunk whose slot is DYING (a slow read still has it) is a miss for each new reader, never the slot's bytes;
# after the refill both read the right ones.
# catches: a slot's word that is not cleared before the epoch switch.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

load_module
image a --seed 85 --size 512K --chunk 64K
slow_sectors=$(((meta_bytes + 4 * 65536) / 512))
slow_device
format 64K
pool_up
disk_up vm1 a
slow_table=$(slow_table 5000 0)
verify_a="cc-io --verify $(opts a)"
export slow_table verify_a
nl --seed 85 <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
alloc 1
write $slot0 85 0
done $slot0 $gen0 $disk 0
sh $verify_a --seq --count 1 /dev/mapper/vm1
sh dmsetup load slow --table "$slow_table" && dmsetup suspend --noflush --nolockfs slow && dmsetup resume slow
sh $verify_a --seq --count 1 /dev/mapper/vm1 >/tmp/case/slow 2>&1 &
sleep 700
sh dmsetup message cache0 0 drop
refused ESTALE map $disk 0 $slot0 $gen0
sh $verify_a --seq --count 1 --offset 8K /dev/mapper/vm1 >/tmp/case/new 2>&1 &
waitmiss 1 3000
is $chunk0 0
sh test ! -s /tmp/case/slow
data $disk0 $chunk0 $cookie0 $offset0 $len0 85 0 last
sleep 500
sh cat /tmp/case/new; grep -q 'result ok' /tmp/case/new
sh test ! -s /tmp/case/slow
slots
is $slots_dying 1
sh n=0; until [ -s /tmp/case/slow ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 150 ] || exit 1; done; cat /tmp/case/slow; grep -q 'result ok' /tmp/case/slow
END
slow_down 0 0
helper_start
verify vm1 a --seq
finish
