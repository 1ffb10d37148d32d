#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Limits of disk and pool: optimal I/O is a chunk, blocks are those of the cache device, 512 and 4096; what
# stacks on top takes them over; helper and guests work with either; what does not fit is refused.
# catches: no io_hints, O_DIRECT in sectors, an image that ends inside a block.
# vm: -s 2 -m 512 -n 64M -t 900
# short: 6.12
. "${0%/*}/lib.sh"

modprobe loop
load_module
image a --seed 95 --size 4M --chunk 64K --holes 1/8
image odd --seed 95 --size $((2 * 65536 + 512)) --chunk 64K

limit() { cat "/sys/block/$(basename "$(readlink -f "/dev/mapper/$1" 2>/dev/null)")/queue/$2" 2>/dev/null ||
	cat "/sys/dev/block/$(dmsetup info -c --noheadings -o major,minor "$1" | tr -d ' ')/queue/$2"; }

for block in 512 4096; do
	note "blocks of $block"
	truncate -s $((meta_bytes + 48 * 65536)) $WORK/file
	loop=$(losetup -f --show --sector-size $block $WORK/file)
	equal "blocks of the loop device" "$(blockdev --getss "$loop")" $block
	cache_device=$loop
	format 64K
	pool_up
	helper_start
	must chunkctl up vm2 --digest "$(digest a)" --size 4M --store $STORE --pool $POOL --config $CONF 2>$WORK/up.log
	must chunkctl down vm2
	for log in format up; do
		equal "warnings of $log" "$(grep -c 'has logical blocks of 4096 bytes' $WORK/$log.log)" $((block / 4096))
	done
	disk_up vm1 a
	for d in vm1 $POOL; do
		equal "io_opt of $d" "$(limit $d optimal_io_size)" 65536
		equal "io_min of $d" "$(limit $d minimum_io_size)" \
			"$(blockdev --getiomin "$loop")"
		equal "block of $d" "$(limit $d logical_block_size)" $block
		at_most "physical block of $d" $block "$(limit $d physical_block_size)"
	done
	equal "discards of a disk" "$(limit vm1 discard_max_bytes)" 0
	must dmsetup create part --table "0 4096 linear /dev/mapper/vm1 2048"
	equal "block of a partition" "$(limit part logical_block_size)" $block
	equal "io_opt of a partition" "$(limit part optimal_io_size)" 65536
	must dmsetup remove part
	truncate -s 8M $WORK/cow
	cow=$(losetup -f --show --sector-size $block $WORK/cow)
	must dmsetup create snap --table "0 $(sectors a) snapshot /dev/mapper/vm1 $cow N 128"
	equal "block of a snapshot" "$(limit snap logical_block_size)" $block
	verify snap a --bs $block --align $block --count 300 --depth 4
	must dmsetup remove snap
	must losetup -d "$cow"
	# cold from the helper's memory and from slots, warm, and evicted meanwhile
	verify vm1 a --seq --bs 64K
	verify vm1 a --bs $block --align $block --count 500 --depth 8
	verify vm1 a --bs 64K --align $block --count 500 --depth 8
	helper_stop
	helper_start
	drop_disk vm1
	verify vm1 a --seq --bs 64K
	equal "errors" "$(disk_errors vm1)" 0
	if [ $block = 4096 ]; then
		note "in front of it, a loop device of 512"
		small=$(losetup -r -b 512 -f --show /dev/mapper/vm1)
		equal "blocks of that" "$(blockdev --getss "$small")" 512
		# shellcheck disable=SC2046
		cc-io --verify $(opts a) --bs 512 --align 512 --count 100 --timeout 60 "$small" || fail "by 512 bytes"
		must losetup -d "$small"
		must_fail dmsetup create -r odd --table "$(disk_table odd)" 2>/dev/null
		log_has 'multiple of the cache device.s logical block size' || fail "no reason in the log"
		read_errno vm1 EINVAL --bs 512 --seq --count 4
	else
		disk_up odd odd
		verify odd odd --seq --bs 512
		disk_down odd
	fi
	disk_down vm1
	helper_stop
	pool_down
	must losetup -d "$loop"
done
finish
