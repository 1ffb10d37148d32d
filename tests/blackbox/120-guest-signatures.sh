#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What guests have in their images is never where anybody looks for the signature of a RAID, a file system or the
# like on the cache device: of its first 8 MiB all but the superblocks and of its last 2 MiB all is zero, however full
# the pool is. A pool of an earlier version, whose slots reach to the end, gives those up when it comes up.
# catches: a slot or an area at either end, a tail that format or pool-up leaves as it was.
# vm: -n 64M
# short: 6.12
. "${0%/*}/lib.sh"

load_module
slots=64
size=$((meta_bytes + slots * 65536))

# at OFFSET ESCAPES : into the chunk that a guest fills its image with
at() {
	# the escapes are the text
	# shellcheck disable=SC2059
	printf "$2" | dd of=$WORK/chunk bs=1 seek="$1" conv=notrunc 2>/dev/null
}

# RAID members as they are seen from the end of a device of a multiple of 64 KiB
head -c 65536 /dev/zero >$WORK/chunk
at 33280 'Promise Technology, Inc.'				# 63 sectors from the end
at 57856 'Promise Technology, Inc.'				# 63, and 3087 sectors
at 57344 '\374\116\053\251\001'					# md 1.0, 8 KiB
sector=$((size / 512 - 16))
at $((57344 + 144)) "\\$(printf %03o $((sector % 256)))\\$(printf %03o $((sector / 256 % 256)))\\$(printf %03o $((sector / 65536)))"
at 64512 'Intel Raid ISM Cfg Sig. '				# two sectors
for n in $(seq 1 96); do
	at 60000 "$(printf %06d "$n")"
	cat $WORK/chunk
done >$WORK/evil.img
must chunkctl import $WORK/evil.img --store file://$STORE_DIR --name evil --chunk-size 64K >$WORK/said 2>&1
digest_evil=$(grep -o 'sha256:[0-9a-f]*' $WORK/said | head -n 1)
sectors_evil=$((96 * 128)) opts_evil=

note "they would be seen"
truncate -s $((size - 96 * 65536)) $WORK/raw
cat $WORK/evil.img >>$WORK/raw
wipefs $WORK/raw | tee $WORK/seen
for type in promise_fasttrack_raid_member linux_raid_member isw_raid_member; do
	grep -q "$type" $WORK/seen || fail "the test's own signature is none: $type"
done
rm $WORK/raw

# bytes_in OFFSET SIZE : how many are not zero, on the cache device
bytes_in() {
	dd if="$cache_device" bs=4096 skip=$(($1 / 4096)) count=$(($2 / 4096)) 2>/dev/null | tr -d '\0' | wc -c
}

clean() {
	equal "bytes between the superblocks" "$(bytes_in 4096 61440)" 0
	equal "bytes before the areas" "$(bytes_in $((65536 + 4096)) $((8388608 - 65536 - 4096)))" 0
	equal "bytes in the tail" "$(bytes_in $((size - tail_bytes)) $tail_bytes)" 0
	must_fail blkid -p "$cache_device"
	equal "signatures" "$(wipefs "$cache_device")" ""
}

fill() {
	must dd if=/dev/mapper/evil of=/dev/null bs=64K 2>/dev/null
	must dd if=/dev/mapper/evil of=/dev/null bs=64K skip=48 2>/dev/null
	note "$(slots_valid) valid of $(slots_total)"
	at_least "valid slots" "$(slots_valid)" $(($(slots_total) - 4))
}

pool_with_evil() {
	helper_start
	disk_up evil evil
	fill
	disk_down evil
	helper_stop
	pool_down
}

pool_up_here() { dmsetup create $POOL --table "$(pool_table)"; }

note "a new pool on a device that had something there before"
cut_device $size
for at in 1 2 4; do
	head -c 4096 /dev/urandom | dd of=$cache_device bs=1M seek=$at conv=notrunc 2>/dev/null
done
head -c 2097152 /dev/urandom | dd of=$cache_device bs=4096 seek=$(((size - tail_bytes) / 4096)) conv=notrunc 2>/dev/null
format
pool_up
equal "slots" "$(slots_total)" $slots
pool_with_evil
clean

note "one whose slots reach to the end, as it was made before"
larger() {
	must dmsetup load cut --table "0 $(((size + $1) / 512)) linear $NVME 0"
	must dmsetup suspend cut
	must dmsetup resume cut
}
larger $tail_bytes
format
larger 0
tail -c $tail_bytes $WORK/evil.img |
	dd of=$cache_device bs=4096 seek=$(((size - tail_bytes) / 4096)) conv=notrunc 2>/dev/null
pool_up
equal "slots, by dmsetup" "$(slots_total)" $slots
pool_down
must chunkctl pool-up $POOL $cache_device
equal "slots, by chunkctl" "$(slots_total)" $slots
equal "slots in the superblock" "$(od -An -t u8 -j 40 -N 8 $cache_device | tr -d ' ')" $slots
pool_with_evil
clean

note "one of a single slot, which would lie there"
larger $(((34 << 20) - size))
format 16M
equal "slots in the superblock" "$(od -An -t u8 -j 40 -N 8 $cache_device | tr -d ' ')" 1
larger $(((32 << 20) - size))
must_fail pool_up_here 2>/dev/null
log_has 'no slot may reach into the last 2 MiB' || fail "no reason in the log"
finish
