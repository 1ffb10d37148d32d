#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A zoned device, with conventional zones or without, is refused by name as a cache device: by chunkctl before it has
# written anything, forced or not, and by the kernel, whatever superblock is on it.
# catches: a format that succeeds, or fails half-way, where no pool can be.
# vm: -m 512 -n 64M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

load_module
# zoned_device NAME CONVENTIONAL_ZONES : sets $zoned; 6.1 gives names of its own, in the order they come
zoned_device() {
	null_device "$1" size=128 blocksize=4096 zoned=1 zone_size=4 zone_nr_conv="$2"
	zoned=/dev/$1
}

refused_by_kernel() {
	dmesg -c >/dev/null
	must_fail dmsetup create $POOL --table "0 $(device_sectors "$1") chunkcache-pool $1" 2>/dev/null
	log_has 'chunkcache-pool: Cache device is zoned' || { dmesg | tail -n 3; fail "$1: no reason in the log"; }
}

number=0
for conventional in 0 20; do
	zoned_device nullb$number $conventional
	number=$((number + 1))
	note "$zoned: $(cat "/sys/block/${zoned#/dev/}/queue/zoned"), $conventional conventional zones"
	if [ $conventional != 0 ]; then
		head -c 4096 /dev/urandom >$WORK/block
		must dd if=$WORK/block of="$zoned" oflag=direct bs=4096 seek=20 2>/dev/null
	fi
	for force in "" --force; do
		# shellcheck disable=SC2086
		must_fail chunkctl format "$zoned" --slot-size 64K --manifest-area 1M $force >$WORK/said 2>&1
		grep -q "$zoned: is a zoned device" $WORK/said || { cat $WORK/said; fail "no word of zones"; }
	done
	if [ $conventional != 0 ]; then
		dd if="$zoned" iflag=direct bs=4096 skip=20 count=1 2>/dev/null | cmp - $WORK/block ||
			fail "what was there is overwritten"
		note "a superblock that came there in another way"
		format
		must dd if="$cache_device" of="$zoned" oflag=direct bs=1M count=10 2>/dev/null
	fi
	refused_by_kernel "$zoned"
done

note "behind a dm device, too"
must dmsetup create cut --table "0 $(device_sectors "$zoned") linear $zoned 0"
must_fail chunkctl format /dev/mapper/cut --slot-size 64K 2>$WORK/said
grep -q 'is a zoned device' $WORK/said || { cat $WORK/said; fail "no word of zones"; }
refused_by_kernel /dev/mapper/cut
finish
