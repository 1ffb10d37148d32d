#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A superblock with the right checksum and a value that cannot be is refused, with a reason, by the
# module and by what helper and chunkctl read it with, however large the device is.
# catches: a slot table of 2^44 bytes, whose blocks counted in 32 bits are none; sums of two values
# that overflow; an area that only the larger of two checks refuses.
# vm: -n 64M
# short: uml
. "${0%/*}/lib.sh"

TIB=1099511627776

load_module
image a --seed 1 --size 1M --chunk 64K
format 64K
small=$(device_sectors "$NVME")
note "a device of 40 TiB, whose end nobody reads"
must dmsetup create huge --table "0 $small linear $NVME 0
$small $((40 * TIB / 512 - small)) error"
cache_device=/dev/mapper/huge
must dd if="$NVME" of=$WORK/good bs=128K count=1 2>/dev/null

reasons() { dmesg | grep -c "device-mapper: table: .*chunkcache"; }

# hostile FIELD=VALUE... : refused by both
hostile() {
	local before

	must dd if=$WORK/good of="$NVME" bs=128K conv=notrunc,fsync 2>/dev/null
	must cc-sb "$NVME" "$@"
	must blockdev --flushbufs "$cache_device"
	before=$(reasons)
	! dmsetup create bad --table "$(pool_table)" 2>/dev/null || fail "the module takes $*"
	[ "$(reasons)" -gt "$before" ] || fail "no reason in the log: $*"
	note "$* -> $(dmesg | grep 'device-mapper: table: ' | tail -n 1 | sed 's/.*chunkcache-pool: //')"
	! chunkctl pool-up bad "$cache_device" >$WORK/bad.log 2>&1 || fail "chunkctl takes $*"
	grep -q "superblock\|no pool here" $WORK/bad.log || fail "$*: chunkctl says: $(cat $WORK/bad.log)"
}

for value in version=2 incompat=1 slot_shift=15 slot_shift=25 slot_shift=0xffffffff \
	nr_slots=0 nr_slots=0x40000000 nr_slots=0xffffffffffffffff \
	manifest_offset=0 manifest_offset=0xfffffffffffff000 manifest_offset=+512 \
	manifest_size=0 manifest_size=4096 manifest_size=0xfffffffffffff000 \
	table_offset=0 table_offset=0xfffffffffffff000 table_size=0 table_size=0xfffffffffffff000 \
	slots_offset=0 slots_offset=+65536 slots_offset=0xfffffffffff00000; do
	hostile $value
done
note "areas that fit a device of 40 TiB, but are larger than any"
# Table and manifests behind the slots: 8 TiB on.
hostile table_offset=$((8 * TIB)) table_size=$((16 * TIB))
hostile table_offset=$((8 * TIB)) table_size=$((16 * TIB + 4096))
hostile table_offset=$((8 * TIB)) table_size=$((TIB / 16 + 4096))
hostile manifest_offset=$((8 * TIB)) manifest_size=$((16 * TIB + 266240))

note "what was right is right"
must dd if=$WORK/good of="$NVME" bs=128K conv=notrunc,fsync 2>/dev/null
must dmsetup remove huge
cache_device=$NVME
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq
finish
