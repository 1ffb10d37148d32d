#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Power cuts of the read cache, which never flushes: all writes of a pool under load are recorded, with slots that are
# evicted, discarded and filled anew. Images are made of what was written by some moment: a random part of it, in any
# order, some of it in sectors of 512 bytes only (tests/tools/crash/). Each comes up, and every chunk of the disk is
# read: whatever the slots and the slot table hold, no wrong byte.
# catches: slots that are believed for what the slot table says of them.
# vm: -n 256M -t 400
# vm-long: -t 7200
# kernels: uml
. "${0%/*}/lib.sh"

load_module
modprobe dm-log-writes || fail "this kernel has no dm-log-writes"
pool_sectors=32768
log_start=$((2 * pool_sectors))
rounds=$(short 1 20)
images=$(short 5 26)
seed=${2:-$(date +%s)}
images_done=0 least=100 most=0
note "seed $seed"

must dmsetup create a --table "0 $pool_sectors linear $NVME 0"
must dmsetup create image --table "0 $pool_sectors linear $NVME $pool_sectors"
must dmsetup create record --table "0 $(($(device_sectors "$NVME") - log_start)) linear $NVME $log_start"
image a --seed 191 --size 4M --chunk 64K
image b --seed 192 --size 4M --chunk 64K
extra_pool="ram_cache = 0"
etc_chunkcache
ln -s $CONF /etc/chunkcache/$POOL.conf

# life DEVICE : the pool on it comes up, with a helper and both disks
life() {
	must dmsetup create $POOL --table "0 $pool_sectors chunkcache-pool $1 1 discard"
	helper_start
	disk_up vm1 a
	disk_up vm2 b
	must_become 20 disk_is_loaded vm1
	must_become 20 disk_is_loaded vm2
}

power_cut() {
	helper_kill
	disk_down vm1
	disk_down vm2
	must dmsetup remove $POOL
}

# record_load RUN : more is read than there is room for, until the power cut; $WORK/start is what it began with
record_load() {
	must dd if=/dev/mapper/a of=$WORK/start bs=1M 2>/dev/null
	must dd if=/dev/zero of=/dev/mapper/record bs=1M count=1 oflag=direct 2>/dev/null
	must dmsetup create rec --table "0 $pool_sectors log-writes /dev/mapper/a /dev/mapper/record"
	life /dev/mapper/rec
	start_read vm1 a --bs 4K --seconds "$(short 3 6)" --depth 4
	first=$read_pid
	verify vm2 b --seq --bs 64K --length "$(($1 % 2 + 1))M"
	end_read "$first" 60
	valid=$(slots_valid)
	power_cut
	must dmsetup remove rec
	note "$(cc-crash count /dev/mapper/record), $valid of $(slots_in_all) slots"
}

slots_in_all() { echo $(((pool_sectors / 2 - 12288) / 64)); }
adopted() { chunkctl stat --json | sed -n 's/.*"adopted":\([0-9]*\).*/\1/p'; }

# image_of N : of the record; all of both disks is read
image_of() {
	scene=$(cc-crash image --seed "$1" --start $WORK/start --target /dev/mapper/image /dev/mapper/record) ||
		fail "no image"
	note "seed $1: $scene"
	life /dev/mapper/image
	verify vm1 a --seq --bs 64K
	share=$((100 * $(adopted) / valid))
	[ "$share" -ge "$least" ] || least=$share
	[ "$share" -le "$most" ] || most=$share
	verify vm2 b --seq --bs 64K
	power_cut
	images_done=$((images_done + 1))
}

must chunkctl format /dev/mapper/a --slot-size 64K --manifest-area 1M --force --no-journal >/dev/null
for round in $(seq "$rounds"); do
	record_load "$round"
	for n in $(seq "$images"); do
		image_of $((seed + round * 1000 + n))
	done
	# the next life goes on from the last image
	must dd if=/dev/mapper/image of=/dev/mapper/a bs=1M oflag=direct 2>/dev/null
done
note "seed $seed: $images_done images, 0 wrong; $least to $most % of the slots survive"
[ "$most" -gt 0 ] || fail "no image had a slot that the table knew"
helper_pid=
finish
