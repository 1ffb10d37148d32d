#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A volume by hand: what is written reads back, over the base and over itself, through more log chunks than one;
# flushes and FUA end; places, cuts and slots are as the protocol has them.
# catches: a block that reads as the base, or as what was there before; a cut that is early or never comes.
# vm: -n 128M
. "${0%/*}/lib.sh"

load_module
format 64K "" 60
pool_up
volume_up v 8192
equal "state" "$(volume_state v)" new
dd if=/dev/urandom of=$WORK/data bs=64K count=24 2>/dev/null
export cache_device
nl <<'END'
pool /dev/mapper/cache0
attach
resume 1 0 1
disks
is $volume_state 0
is $nr_logs 0
state $disk loaded
expect EBUSY cut $disk
expect ERANGE start $disk 65536 1
expect ERANGE start $disk 1 262144
expect ERANGE start $disk 0 1
expect ERANGE start $disk 1 0
hole $disk 0 64
start $disk 1 1
expect EBUSY start $disk 1 2
expect EBUSY extent $disk 0 1 0x8000000000000001
sh dd if=/tmp/case/data of=/dev/mapper/v bs=64K oflag=direct 2>/tmp/case/dd || { cat /tmp/case/dd; exit 1; }
sh dd if=/dev/mapper/v of=/tmp/case/back bs=64K count=24 iflag=direct 2>/tmp/case/dd && cmp /tmp/case/back /tmp/case/data
sh dd if=/dev/mapper/v bs=64K skip=24 iflag=direct 2>/tmp/case/dd | tr -d '\000' | wc -c | grep -qx 0
sh dd if=/tmp/case/data of=/dev/mapper/v bs=4K seek=3 skip=100 count=9 oflag=direct conv=fsync 2>/tmp/case/dd
sh dd if=/tmp/case/data of=/tmp/case/want bs=4K seek=3 skip=100 count=9 conv=notrunc 2>/tmp/case/dd; dd if=/tmp/case/data of=/tmp/case/want2 bs=64K 2>/tmp/case/dd; dd if=/tmp/case/data of=/tmp/case/want2 bs=4K seek=3 skip=100 count=9 conv=notrunc 2>/tmp/case/dd
sh dd if=/dev/mapper/v of=/tmp/case/back bs=32K count=48 iflag=direct 2>/tmp/case/dd && cmp /tmp/case/back /tmp/case/want2
alloc 1
done $slot0 $gen0
refused EBUSY map $disk $first_log $slot0 $gen0
refused EBUSY hole $disk $first_log 1
cut $disk
sleep 300
journal
slots
END
note "$(dmsetup status v)"
must dmsetup remove v
equal "dirty slots: 24 full ones and the one that was open" "$(slots_log)" 25
must cc-journal "$cache_device" >$WORK/ring
note "$(head -n 1 $WORK/ring)"
finish
