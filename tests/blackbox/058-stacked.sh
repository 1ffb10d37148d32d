#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# On top of a disk: a dm-snapshot and a dm-thin volume with it as external origin can be written to, hold a
# file system that fsck finds clean, and leave the disk alone; loop and partitions read it right.
# catches: limits or flags that stacking drivers trip over, flushes that fail.
# vm: -s 2 -m 1536 -n 256M -t 900
# kernels: 6.12 6.1 debug
. "${0%/*}/lib.sh"

load_module
modprobe loop
mkdir -p $WORK/files $WORK/mnt
for i in 1 2 3 4 5 6; do
	cc-mkimage --seed $i --size $((i * 277504)) --chunk 64K $WORK/files/file$i
done
truncate -s 16M $WORK/fs.img
must mke2fs -q -t ext4 -F -d $WORK/files $WORK/fs.img
chunkctl import $WORK/fs.img --store file://$STORE_DIR --name fs --chunk-size 64K \
	>$WORK/digest 2>$WORK/import.log || { cat $WORK/import.log; fail "import"; }
digest_fs=$(grep -o 'sha256:[0-9a-f]*' $WORK/digest | head -n 1)
sectors_fs=$((16 * 2048))
format
pool_up
helper_start
disk_up vm1 fs

compare() {
	for i in 1 2 3 4 5 6; do
		must cmp $WORK/files/file$i "$1/file$i"
	done
}

# use DEVICE : as a guest would
use() {
	must e2fsck -fn "$1" >$WORK/fsck.log 2>&1
	must mount -t ext4 "$1" $WORK/mnt
	compare $WORK/mnt
	must cp $WORK/files/file6 $WORK/mnt/new
	rm $WORK/mnt/file3
	must sync
	must umount $WORK/mnt
	drop_page_cache
	must mount -t ext4 "$1" $WORK/mnt
	must cmp $WORK/files/file6 $WORK/mnt/new
	[ ! -e $WORK/mnt/file3 ] || fail "a removed file is back"
	must umount $WORK/mnt
	must e2fsck -fn "$1" >$WORK/fsck.log 2>&1
}

note "the disk itself, read-only"
must mount -t ext4 -o ro,noload /dev/mapper/vm1 $WORK/mnt
compare $WORK/mnt
must umount $WORK/mnt

note snapshot
truncate -s 12M $WORK/cow
cow=$(losetup -f --show $WORK/cow)
must dmsetup create snap --table "0 $sectors_fs snapshot /dev/mapper/vm1 $cow P 8"
use /dev/mapper/snap
must dmsetup remove snap
must losetup -d "$cow"

note "thin volume with an external origin"
truncate -s 4M $WORK/meta
truncate -s 24M $WORK/data
meta=$(losetup -f --show $WORK/meta)
data=$(losetup -f --show $WORK/data)
must dmsetup create tpool --table "0 49152 thin-pool $meta $data 128 0"
must dmsetup message tpool 0 "create_thin 0"
must dmsetup create thin --table "0 $sectors_fs thin /dev/mapper/tpool 0 /dev/mapper/vm1"
use /dev/mapper/thin
must dmsetup remove thin
must dmsetup remove tpool
must losetup -d "$meta" && must losetup -d "$data"

note loop
loop=$(losetup -f --show -r /dev/mapper/vm1)
must cmp $WORK/fs.img "$loop"
must losetup -d "$loop"

note "the disk is as it was, cold and warm"
drop_page_cache
must cmp $WORK/fs.img /dev/mapper/vm1
must dmsetup message $POOL 0 drop
drop_page_cache
must cmp $WORK/fs.img /dev/mapper/vm1
equal "errors" "$(disk_errors vm1)" 0
finish
