#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pool that is resized leaves nothing of a guest's in the last 2 MiB of its device, as it is then and as it is cut
# after a shrink, also where a volume ends somewhat behind what the pool asked for.
# catches: a shrink that leaves slots' old bytes where the device will end, a growth that takes the tail for slots.
# vm: -n 128M
# short: uml
. "${0%/*}/lib.sh"

standard "--seed 121 --size 12M --chunk 64K" 160
must_become 20 disk_is_loaded vm1
device() { echo $((meta_bytes + $1 * 65536)); }

device_is() {
	must dmsetup load cut --table "0 $(($1 / 512)) linear $NVME 0"
	must dmsetup suspend --noflush cut
	must dmsetup resume cut
}

resize() {
	timeout 60 chunkctl pool-resize $POOL $cache_device "$@" >$WORK/resize 2>&1 || {
		cat $WORK/resize; fail "pool-resize $*"; }
	cat $WORK/resize
}

# tail_is_zero : of the cache device as it is now
tail_is_zero() {
	local size

	size=$(($(device_sectors $cache_device) / 8))
	equal "bytes in the tail of $size blocks" \
		"$(dd if=$cache_device bs=4096 skip=$((size - 512)) 2>/dev/null | tr -d '\0' | wc -c)" 0
}

verify vm1 a --seq --bs 64K
at_least "valid slots" "$(slots_valid)" 150
tail_is_zero
note "shrink; the volume is cut where the pool says, then at a multiple of 4 MiB behind it"
resize --size "$(device 40)"
grep -q "needs the first $(device 40) bytes" $WORK/resize || fail "the tool does not say where to cut"
log_has "may be cut behind sector $(($(device 40) / 512))" || fail "the kernel does not say where to cut"
for size in $(((($(device 40) >> 22) + 1) << 22)) "$(device 40)"; do
	device_is $size
	tail_is_zero
done
verify vm1 a --seq --bs 64K
tail_is_zero
note "grow over what another had there"
device_is "$(device 200)"
head -c $((8 << 20)) /dev/urandom | dd of=$cache_device bs=4096 seek=$(($(device 72) / 4096)) conv=notrunc 2>/dev/null
resize
equal "slots" "$(slots_total)" 200
tail_is_zero
verify vm1 a --seq --bs 64K
at_least "valid slots" "$(slots_valid)" 180
tail_is_zero
equal "errors" "$(disk_errors vm1)" 0
finish
