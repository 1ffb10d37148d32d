#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The pool's dm device takes writes to slots that are FILLING and to the slot table and manifest area, and no
# others: not to a slot that is FREE or VALID, not to the superblocks, no discards.
# catches: a late or misdirected write of a helper that lands in what readers read.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 91 --size 1M --chunk 64K
format 64K 8
# where the superblock says that slots begin
slots_at=$(($(od -An -t u8 -j 80 -N 8 "$cache_device") / 65536))
pool_up
disk_up vm1 a

# put BLOCK : 64K of 0xa5 there, by the pool's device; fails if that does
head -c 65536 /dev/zero | tr '\0' '\245' >$WORK/junk
cat >$WORK/put <<'END'
dd if=/tmp/case/junk of=/dev/mapper/cache0 bs=64K count=1 seek="$1" oflag=direct conv=notrunc 2>/dev/null
END
export slots_at
nl --seed 91 <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
alloc 2
write $slot0 91 0
done $slot0 $gen0 $disk 0
echo into the one that is FILLING
sh sh /tmp/case/put "$((slots_at + slot1))"
echo into the one that is VALID, into those that are FREE
sh ! sh /tmp/case/put "$((slots_at + slot0))"
sh for n in 0 1 2 3 4 5 6 7; do [ $n = $slot1 ] || ! sh /tmp/case/put "$((slots_at + n))" || exit 1; done
release $slot1 $gen1
echo into the one that was released
sh ! sh /tmp/case/put "$((slots_at + slot1))"
echo over the superblock, and discards
sh ! sh /tmp/case/put 0
sh ! blkdiscard /dev/mapper/cache0 2>/dev/null
sh ! blkdiscard -z -o 0 -l 65536 /dev/mapper/cache0 2>/dev/null
END
verify vm1 a --seq --count 1 --bs 64K
must log_has "write of sector .* refused"
helper_start
verify vm1 a --seq
finish
