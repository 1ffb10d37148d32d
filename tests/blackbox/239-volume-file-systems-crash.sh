#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# XFS and btrfs on a volume, ext4 under dm-crypt, and in a partition that begins at sector 63, so that each of its blocks
# lies in two of the volume's: while files are written, renamed and removed the helper is killed, and the power cut (the cache device as it
# was at one moment, under an instance that knows nothing of what came then). What recovers is checked by the file
# system's own program, and each file that was synced is there. Then the host is lost, and the same volume on another
# one is checked again.
# catches: a flush that is not one, a state between two flushes that no file system knows, halves of blocks mixed up.
# vm: -s 2 -m 768 -n 640M
# vm-long: -t 3600
# kernels: 6.1 6.12
. "${0%/*}/lib.sh"

part=327680		# sectors
key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f

is_running() { [ "$(volume_state $fs)" = running ]; }

# host DEVICE [--take-over] : pool p on /dev/mapper/DEVICE, with a helper, and the volume; $disk is what the file system is on
host() {
	pool_of p "$1"
	must chunkctl volume up $fs --pool p --store $STORE --config $WORK/p.conf ${2:+"$2"}
	must_become 60 is_running
	disk=/dev/mapper/$fs
	case $fs in
	crypt)	target="crypt aes-xts-plain64 $key 0 $disk 0" offset=0 ;;
	odd)	target="linear $disk 63" offset=63 ;;
	*)	return ;;
	esac
	must dmsetup create inner --table "0 $(($(device_sectors $disk) - offset)) $target"
	disk=/dev/mapper/inner
}

# no_host : at once
no_host() {
	helper_kill $pid
	[ $disk = /dev/mapper/$fs ] || must_become 60 dmsetup remove inner
	must_become 60 dmsetup remove $fs
	must_become 60 dmsetup remove p
}

type_of() {
	case $fs in
	xfs | btrfs)	echo $fs ;;
	*)		echo ext4 ;;
	esac
}

make_fs() {
	[ $fs != odd ] || printf 'o\nn\np\n1\n63\n\nw\n' | fdisk -u /dev/mapper/odd >$WORK/fdisk 2>&1
	case $(type_of) in
	ext4)	must mkfs.ext4 -q -F $disk ;;
	*)	must mkfs.$fs -q -f $disk ;;
	esac
}

# checked WHEN : its log is replayed, its own program finds nothing, and what was synced is there
checked() {
	must mount -t "$(type_of)" $disk /mnt
	while read -r sum name; do
		[ "$(sha256sum <"/mnt/$name" | cut -d' ' -f1)" = "$sum" ] || fail "$fs, $1: $name was synced and is lost"
	done <$WORK/synced.then
	must umount /mnt
	case $fs in
	xfs)	xfs_repair -n $disk ;;
	btrfs)	btrfs check $disk ;;
	*)	fsck.ext4 -fn $disk ;;
	esac >$WORK/fsck 2>&1 || { cat $WORK/fsck; fail "$fs, $1: the file system is damaged"; }
	[ $fs != odd ] || fdisk -l -u /dev/mapper/odd 2>/dev/null | grep -q '^/dev/.* 63 ' || fail "$1: no partition table"
}

# files : until it is killed; $WORK/synced has what was synced
files() {
	n=0
	while :; do
		n=$((n + 1))
		mkdir -p /mnt/d$((n % 7))
		dd if=/dev/urandom of=$WORK/new bs=1000 count=$((n * 37 % 90 + 1)) 2>/dev/null
		cp $WORK/new /mnt/new || return
		mv /mnt/new /mnt/d$((n % 7))/f$n || return
		[ $((n % 5)) != 0 ] || rm -f /mnt/d$(((n - 4) % 7))/g$((n - 4))
		cp $WORK/new /mnt/d$((n % 7))/g$n
		[ $((n % 3)) = 0 ] || continue
		sync -f /mnt || return
		echo "$(sha256sum <$WORK/new | cut -d' ' -f1) d$((n % 7))/f$n" >>$WORK/synced
	done
}

has_synced() { [ "$(wc -l <$WORK/synced)" -ge "$1" ]; }
all_stored() { [ "$(cat $SYSFS/p/slots_log)" -le 2 ]; }

# new_volume SIZE : $fs, on an empty pool
new_volume() {
	must chunkctl format /dev/mapper/a --slot-size 64K --manifest-area 1M --force --dirty-max 64M >/dev/null
	must chunkctl volume create $fs --size "$1" --chunk-size 64K --store $store_url >/dev/null
	host a
}

# power_cut : under load, the helper dead; the device as it was then is the copy
power_cut() {
	must mount -t "$(type_of)" $disk /mnt
	# What was never written is then known to be a hole: without a helper a first read of it waits.
	must dd if=/dev/mapper/$fs of=/dev/null bs=1M iflag=direct 2>/dev/null
	: >$WORK/synced
	files 2>/dev/null &
	load=$!
	must_become 60 has_synced 3
	helper_kill $pid
	must_become 60 has_synced 6
	must dmsetup suspend --noflush a
	cp $WORK/synced $WORK/synced.then
	must dd if=$NVME of=/dev/mapper/copy bs=1M count=$((part / 2048)) iflag=direct oflag=direct 2>/dev/null
	must dmsetup resume a
	# It may wait for the helper: for room, or to read what is not here.
	kill $load
	must dmsetup wipe_table --noflush $fs
	must_become 60 gone $load
	wait $load 2>/dev/null
	must_become 60 umount /mnt
	[ $disk = /dev/mapper/$fs ] || must_become 60 dmsetup remove inner
	must_become 60 dmsetup remove $fs
	must_become 60 dmsetup remove p
	note "$fs: $(wc -l <$WORK/synced.then) synced files"
}

load_module
two_hosts $((part / 2048))
must dmsetup create copy --table "0 $part linear $NVME $((2 * part))"
case $(uname -r) in
6.1.*)	systems="odd xfs" ;;
*)	systems="crypt btrfs" ;;
esac
for fs in $(short "$systems" "ext4 odd crypt xfs btrfs"); do
	new_volume "$([ "$(type_of)" = ext4 ] && echo 64M || echo 320M)"
	make_fs
	power_cut
	host copy
	checked "power cut"
	# The host is lost when all of that is in the store.
	wait_until 120 all_stored || fail "$fs is not stored"
	no_host
	must chunkctl format /dev/mapper/b --slot-size 64K --manifest-area 1M --force --dirty-max 64M >/dev/null
	host b --take-over
	checked "another host"
	no_host
done
finish
