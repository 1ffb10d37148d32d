#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A second pool on the same device is refused: under another dm name, by another node of the device, and
# by a linear device on top of it.
# catches: a pool found by UUID or by dev_t alone.
# vm: -n 64M
. "${0%/*}/lib.sh"

standard "--seed 72 --size 1M --chunk 64K"
n=$(device_sectors "$NVME")
must_fail dmsetup create cache1 --table "0 $n chunkcache-pool $NVME" 2>/dev/null
majmin=$(cat "/sys/class/block/${NVME##*/}/dev")
must mknod $WORK/node b "${majmin%:*}" "${majmin#*:}"
must_fail dmsetup create cache1 --table "0 $n chunkcache-pool $WORK/node" 2>/dev/null
if dmsetup create on_top --table "0 $n linear $NVME 0" 2>/dev/null; then
	must_fail dmsetup create cache1 --table "0 $n chunkcache-pool /dev/mapper/on_top" 2>/dev/null
	must dmsetup remove on_top
fi
dmsetup info cache1 >/dev/null 2>&1 && fail "cache1 was left"
note "a clone of the device, with the same UUID, beside it"
must modprobe brd rd_nr=2 rd_size=65536 max_part=0
dd if="$NVME" of=/dev/ram1 bs=1M 2>/dev/null
must_fail dmsetup create cache1 --table "0 131072 chunkcache-pool /dev/ram1" 2>/dev/null
verify vm1 a --seq
drop_pool
verify vm1 a --seq
note "the same pool again, by its own name, is no second one"
must dmsetup load $POOL --table "$(pool_table)"
must dmsetup suspend --nolockfs $POOL
must dmsetup resume $POOL
drop_disk vm1
verify vm1 a --seq
finish
