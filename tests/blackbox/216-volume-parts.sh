#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Writes smaller than a block, at 512 bytes: beside full writes, zeros and each other, from several threads; a
# partition table, file systems of small blocks.
# catches: a full write that is lost to a part of its block that came later but was sooner done, or the other way
# round; parts of one block that lose each other; a cut for each of them; a part that takes the place of the block.
# vm: -s 2 -n 192M
. "${0%/*}/lib.sh"

# put SECTOR COUNT OPERATION : to the volume; also to the file of what must be there
put() { must cc-volcheck put /dev/mapper/v "$1" "$2" 99 "$3"; }
want() { must cc-volcheck put $WORK/want "$1" "$2" 99 "$3"; }
put_both() { put "$@"; want "$@"; }
want_zeros() { must dd if=/dev/zero of=$WORK/want bs=512 seek="$1" count="$2" conv=notrunc 2>/dev/null; }
all_there() {
	must dd if=/dev/mapper/v of=$WORK/back bs=64K count=32 iflag=direct 2>/dev/null
	must cmp $WORK/back $WORK/want
}
journal_records() { cc-journal "$cache_device" | sed -n 's/^newest.* records //p'; }

load_module
slow_sectors=$(device_sectors "$NVME")
slow_device
format 64K "" 700
pool_up
volume_up v 65536
volume_start v 65536
equal "logical block" "$(blockdev --getss /dev/mapper/v)" 512
equal "physical block" "$(blockdev --getpbsz /dev/mapper/v)" 4096
equal "features" "$(dmsetup table v | cut -d ' ' -f 7-)" 0
dd if=/dev/zero of=$WORK/want bs=64K count=32 2>/dev/null

note "parts over nothing, over what was written, over edges of blocks and chunks"
op=1
for part in "0 1" "6 3" "127 1" "120 20" "13 100" "140 60" "16 24" "24 1" "250 140"; do
	# shellcheck disable=SC2086
	put_both $part $op
	op=$((op + 1))
done
all_there
must blkdiscard -o 16896 -l 512 /dev/mapper/v
all_there

note "a part makes no cut"
sleep 2
records=$(journal_records)
n=0
while [ $n -lt 20 ]; do
	put_both 200 1 $((100 + n))
	n=$((n + 1))
done
sleep 2
at_most "records more" $(($(journal_records) - records)) 23

note "eight parts of one block at a time, again and again, keep each other"
slow_down 20 20
n=0
while [ $n -lt 6 ]; do
	pids=
	for i in 0 1 2 3 4 5 6 7; do
		put $((200 + i)) 1 $((200 + n)) &
		pids="$pids $!"
	done
	# shellcheck disable=SC2086
	must wait $pids
	n=$((n + 1))
done
want 200 8 205
all_there

note "a full write under way, then a part"
slow_down 0 1000
put 80 8 300 &
full=$!
sleep 0.3
put 83 1 301
must wait $full
want 80 8 300
want 83 1 301
slow_down 0 0
all_there

note "a part that reads its block, then a full write, and zeros"
put_both 160 32 310
slow_down 1000 0
put 165 1 311 &
part=$!
put 173 1 312 &
part2=$!
sleep 0.3
put_both 160 8 313
must wait $part
must blkdiscard -o $((21 * 4096)) -l 4096 /dev/mapper/v
must wait $part2
want_zeros 168 8
slow_down 0 0
all_there

note "threads"
volume_commit v
volcheck_options="--fua --discard --parts --threads 8 --sectors 4096"
for flush in $(short 16 "16 64 8 32 4 128"); do
	# shellcheck disable=SC2086
	must cc-volcheck write --log $WORK/volcheck.log --run $flush --ops "$(short 200 600)" --flush $flush \
		$volcheck_options /dev/mapper/v
	# the first finds what was written above
	[ -e $WORK/base ] || cp $WORK/want $WORK/base
	must cc-volcheck check --log $WORK/volcheck.log --promise all --base $WORK/base \
		--save $WORK/base.new /dev/mapper/v
	mv $WORK/base.new $WORK/base
	must dmsetup suspend --noflush v
	must dmsetup resume v
	volume_commit v
done

note "a partition table; in the long run a file system with blocks of 1024 bytes"
must blkdiscard /dev/mapper/v
printf '\125\252' | dd of=$WORK/mbr bs=1 seek=510 2>/dev/null
must dd if=$WORK/mbr of=/dev/mapper/v bs=512 count=1 oflag=direct 2>/dev/null
must dd if=/dev/mapper/v of=$WORK/back bs=512 count=1 iflag=direct 2>/dev/null
must cmp $WORK/back $WORK/mbr
must dmsetup reload v --table "$(volume_table 65536 "2 logical_block_size 4096")"
must dmsetup resume v
equal "logical block after a reload" "$(blockdev --getss /dev/mapper/v)" 4096
must dmsetup reload v --table "$(volume_table 65536)"
must dmsetup resume v
equal "logical block after another" "$(blockdev --getss /dev/mapper/v)" 512
must dd if=/dev/mapper/v of=$WORK/back bs=512 count=1 iflag=direct 2>/dev/null
must cmp $WORK/back $WORK/mbr
must_fail dmsetup reload v --table "$(volume_table 65536 "2 logical_block_size 1024")"
modprobe -q ext4
if [ -z "$LONG" ] || ! grep -q ext4 /proc/filesystems; then
	must dmsetup remove v
	finish
fi
mkdir -p /mnt
must mkfs.ext4 -qF -b 1024 /dev/mapper/v
must mount -t ext4 -o discard /dev/mapper/v /mnt
must mkdir /mnt/a /mnt/b
must cp /bin/busybox /bin/bash /mnt/a
must cp /bin/busybox /bin/bash /mnt/b
must rm -r /mnt/b
must umount /mnt
must fsck.ext4 -fn /dev/mapper/v >/dev/null
must mount -t ext4 /dev/mapper/v /mnt
must cmp /bin/busybox /mnt/a/busybox
must cmp /bin/bash /mnt/a/bash
must umount /mnt
note "$(dmsetup status v)"
equal "errors" "$(volume_word v 7)" 0
must dmsetup remove v
finish
