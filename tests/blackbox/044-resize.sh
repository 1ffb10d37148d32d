#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pool grows and shrinks by reload while guests read: bytes stay right, new slots are used, those that are
# given up are drained before the tool says so; another device, UUID or layout is refused.
# catches: a slot handed out behind the end, a shrink that forgets readers or fills, a resize in ctr.
# vm: -s 2 -n 128M -t 900
# short: uml
. "${0%/*}/lib.sh"

standard "--seed 44 --size 12M --chunk 64K" 64
must_become 20 disk_is_loaded vm1
device() { echo $((meta_bytes + $1 * 65536)); }

# device_is SLOTS : as lvextend and lvreduce do it
device_is() {
	must dmsetup load cut --table "0 $(($(device "$1") / 512)) linear $NVME 0"
	must dmsetup suspend --noflush cut
	must dmsetup resume cut
}

resize() {
	timeout 60 chunkctl pool-resize $POOL $cache_device "$@" >$WORK/resize 2>&1 || {
		cat $WORK/resize; fail "pool-resize $*"; }
	cat $WORK/resize
}

read_all_the_while() {
	rm -f $WORK/enough
	while [ ! -e $WORK/enough ]; do
		# shellcheck disable=SC2046
		cc-io --verify $(opts a) --count 200 --depth 8 --bs 4K-128K --timeout 120 \
			/dev/mapper/vm1 || exit 1
	done >$WORK/readers 2>&1 &
	readers=$!
}

readers_end() {
	touch $WORK/enough
	wait_for $readers 60 || { tail -n 5 $WORK/readers; fail "a reader while the pool was resized"; }
}

note grow
verify vm1 a --seq --bs 64K
equal "slots" "$(slots_total)" 64
read_all_the_while
device_is 160
fills=$(pool_fills)
resize
equal "slots after growing" "$(slots_total)" 160
more_than_before() { [ "$(slots_valid)" -gt 100 ]; }
wait_until 60 more_than_before || { tail -n 5 $WORK/readers; fail "the new slots are not used"; }
at_least "fills since" "$(($(pool_fills) - fills))" 30

note "shrink, with more valid than will fit"
resize --size "$(device 24)"
equal "slots after shrinking" "$(slots_total)" 24
equal "mode" "$(pool_mode)" normal
equal "length of the pool" "$(device_sectors /dev/mapper/$POOL)" $((($(device 24) - tail_bytes) / 512))
device_is 24
readers_end
verify vm1 a --seq --bs 64K
equal "errors" "$(disk_errors vm1)" 0
log_has 'beyond end of device' && fail "something went behind the end"

note "grow again: what was given up comes back"
device_is 96
resize
equal "slots" "$(slots_total)" 96
verify vm1 a --seq --bs 64K
at_least "valid" "$(slots_valid)" 80
helper_stop
helper_start
verify vm1 a
equal "errors" "$(disk_errors vm1)" 0

note "refused, and nothing changed"
must dmsetup create other --table "0 $(($(device 96) / 512)) linear $NVME 131072"
chunkctl format /dev/mapper/other --slot-size 64K --manifest-area 1M --force >/dev/null ||
	fail "format the other device"
load() { dmsetup load $POOL --table "0 $1 chunkcache-pool $2" >$WORK/load 2>&1; }
must_fail load "$(device_sectors /dev/mapper/other)" /dev/mapper/other
must dd if=$cache_device of=/dev/mapper/other bs=1M count=1 conv=notrunc,fsync 2>/dev/null
must_fail load "$(device_sectors /dev/mapper/other)" /dev/mapper/other
log_has 'belongs to another pool device' || fail "no reason in the log"
must_fail load $((($(device 95) - tail_bytes) / 512)) $cache_device
log_has 'Table is shorter than the formatted pool' || fail "no reason in the log"
must_fail chunkctl pool-resize $POOL /dev/mapper/other 2>$WORK/said
grep -q 'is a pool on another device' $WORK/said || { cat $WORK/said; fail "no reason"; }
must_fail chunkctl pool-resize $POOL $cache_device --size 1M 2>/dev/null
must_fail chunkctl pool-resize $POOL $cache_device --size 1G 2>/dev/null
must dmsetup remove other
equal "slots" "$(slots_total)" 96
verify vm1 a

note "slots that are being filled, and a slow reader, hold a shrink up, and only they"
disk_down vm1
helper_stop
pool_down
must dmsetup remove cut
# only reads of slots are slow, not the superblock; a suspend sends on what is delayed
slow_slots() {
	local first=$((slots_start / 512)) tail=$((slots_start / 512 + 1024))

	echo "0 $first linear $NVME 0"
	echo "$first 1024 delay $NVME $first $1 $NVME $first 0"
	echo "$tail $((tail_bytes / 512)) linear $NVME $tail"
}
slow_slots 0 >$WORK/fast
slow_slots 600000 >$WORK/slow-table
must dmsetup create slow $WORK/fast
cache_device=/dev/mapper/slow
format 64K
pool_up
disk_up vm1 a
verify_a="cc-io --verify $(opts a)"
smaller="chunkctl pool-resize $POOL $cache_device --size $(device 4)"
larger="chunkctl pool-resize $POOL $cache_device --size $(device 8)"
export verify_a smaller larger
nl --seed 44 <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
alloc 8
is $nr_slots_got 8
write $slot5 44 0
done $slot5 $gen5 $disk 0
sh dmsetup load slow /tmp/case/slow-table && dmsetup suspend --noflush --nolockfs slow && dmsetup resume slow
sh $verify_a --seq --count 1 /dev/mapper/vm1 >/tmp/case/slow 2>&1 &
sleep 500
sh $smaller >/tmp/case/smaller 2>&1 &
sh n=0; until dmsetup status cache0 | grep -q 'shrinking'; do sleep 0.1; n=$((n + 1)); [ $n -lt 300 ] || exit 1; done
sh test ! -s /tmp/case/slow
# what was handed out before can still be written, but is taken by nobody
write $slot7 44 7
expect ESTALE done $slot7 $gen7 $disk 7
release $slot6 $gen6
refused ESTALE release $slot7 $gen7
write $slot3 44 3
done $slot3 $gen3 $disk 3
sh dmsetup load slow /tmp/case/fast && dmsetup suspend --noflush --nolockfs slow && dmsetup resume slow
sh n=0; until grep -q 'result ok' /tmp/case/slow; do sleep 0.1; n=$((n + 1)); [ $n -lt 300 ] || exit 1; done
release $slot4 $gen4
sh n=0; until grep -q '4 slots, there were 8' /tmp/case/smaller; do sleep 0.1; n=$((n + 1)); [ $n -lt 300 ] || exit 1; done
release $slot0 $gen0
release $slot1 $gen1
release $slot2 $gen2
alloc 8
is $nr_slots_got 3
adopt 5
is $nr_slots_got 0
echo a slot that comes back is not what the map has of its last use
sh $larger
alloc 8
is $nr_slots_got 5
write $slot0 44 20
done $slot0 $gen0 $disk 20
write $slot1 44 21
done $slot1 $gen1 $disk 21
write $slot2 44 22
done $slot2 $gen2 $disk 22
write $slot3 44 23
done $slot3 $gen3 $disk 23
write $slot4 44 24
done $slot4 $gen4 $disk 24
END
equal "slots" "$(slots_total)" 8
helper_start
verify vm1 a --seq --bs 64K --length 2M
finish
