#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each wrong table line is refused with a reason in the kernel's log; nothing of it stays.
# catches: an argument not checked, a constructor that leaks its pool, device or sysfs directory
# (the module would not unload, kmemleak would find it).
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 1 --size 1M --chunk 64K
format
d=$(digest a)
hex=${d#sha256:}
n=$(sectors a)

reasons() { dmesg | grep -c "device-mapper: table: .*chunkcache"; }

# refused TABLE [OPTION] : as `dmsetup create` line
refused() {
	local before

	before=$(reasons)
	# OPTION is a word or nothing
	# shellcheck disable=SC2086
	if dmsetup create bad ${2--r} --table "$1" 2>/dev/null; then
		fail "accepted: $1"
	fi
	dmsetup info bad >/dev/null 2>&1 && fail "left a device: $1"
	[ "$(reasons)" -gt "$before" ] || fail "no reason in the log: $1"
	note "$(dmesg | grep 'device-mapper: table: ' | tail -n 1)"
}

sectors=$(device_sectors "$NVME")
pool="0 $sectors chunkcache-pool"
for args in "" "/dev/nowhere" "$NVME x" "$NVME 1" "$NVME 0 x" "$NVME -1" "$NVME 1 no_such_feature" \
	"$NVME 99999999999" "$NVME $NVME" "$WORK"; do
	refused "$pool $args" ""
done
must cp $WORK/format.log $WORK/format.txt
note "a device without a superblock"
must modprobe brd rd_nr=1 rd_size=16384 max_part=0
[ "$NVME" = /dev/ram0 ] || refused "0 32768 chunkcache-pool /dev/ram0" ""
note "no pool was left"
[ -z "$(ls $SYSFS 2>/dev/null)" ] || fail "left in sysfs: $(ls $SYSFS)"

pool_up
disk="0 $n chunkcache"
p=/dev/mapper/$POOL
for args in "" "$p" "$p $STORE" "$NVME $STORE $d" "/dev/nowhere $STORE $d" \
	"$p bad/name $d" "$p $(printf %064d 0) $d" \
	"$p $STORE $hex" "$p $STORE md5:$hex" "$p $STORE sha256:${hex%?}" "$p $STORE ${d}0" \
	"$p $STORE sha256:$(echo "$hex" | tr a-f0-9 A-FG)" "$p $STORE sha256:${hex%?}g" \
	"$p $STORE $d x" "$p $STORE $d 1" "$p $STORE $d 2 miss_timeout_ms" "$p $STORE $d 0 x" \
	"$p $STORE $d 1 no_such_feature" "$p $STORE $d 2 no_such_feature 1" \
	"$p $STORE $d 1 miss_timeout_ms" "$p $STORE $d 2 miss_timeout_ms x" \
	"$p $STORE $d 2 miss_timeout_ms -1" "$p $STORE $d 2 miss_timeout_ms 99999999999" \
	"$p $STORE $d 2 suspend_timeout_ms x" "$p $STORE $d 2 suspend_timeout_ms -1" \
	"$p $STORE $d 2 max_misses 0" "$p $STORE $d 2 max_misses x" \
	"$p $STORE $d 2 max_misses 99999999999" \
	"$p $STORE $d 4 max_misses 10 max_misses 10" "$p $STORE $d -1" "$p $STORE $d 99999999999"; do
	refused "$disk $args"
done
note "a table that may be written to"
refused "$disk $p $STORE $d" ""
note "the pool is as it was"
equal "disks in sysfs" "$(find $SYSFS/$POOL -mindepth 1 -type d | wc -l)" 0
helper_start
disk_up vm1 a
verify vm1 a --seq
finish
