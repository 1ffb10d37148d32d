# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2154
#
# In the guest: other systems that the benchmarks compare with.  Each sys_NAME makes its device of $sectors
# sectors, $span MiB, on $data, of $size MiB, with $second and $meta for what else it needs, calls
# `measure NAME=DEVICE', which the includer has, and leaves all to the next.

# fill DEVICE [MIB] : pages never written would read as zeros without a copy; and no
# system finds what the one before left
fill() {
	dd if=/dev/zero of="$1" bs=1M count="${2:-$size}" oflag=direct 2>$WORK/dd ||
		fail "fill $1: $(cat $WORK/dd)"
}

# create NAME TABLE : a dm device; sets $made
create() {
	must dmsetup create "$1" --table "0 $2"
	made=/dev/mapper/$1
}

remove() { must dmsetup remove "$@"; }

sys_dm_thin() {
	fill $meta 16
	create pool "$((size * 2048)) thin-pool $meta $data 128 0 1 skip_block_zeroing"
	must dmsetup message pool 0 "create_thin 0"
	create thin "$sectors thin /dev/mapper/pool 0"
	fill "$made" $span
	measure "dm-thin=$made"
	remove thin
	remove pool
}

sys_dm_snapshot() {
	fill $meta 16
	create snap "$sectors snapshot $data $meta ${snapshot_kind:-N} 16"
	measure "dm-snapshot=$made"
	remove snap
}

# What was written stays in its cache.
sys_dm_writecache() {
	fill $second $span
	create wc "$sectors writecache s $second $data 4096 4 high_watermark 100 low_watermark 100"
	fill "$made" $span
	measure "dm-writecache=$made"
	remove wc
}

# A file on ext4 on the same device, fully written.
sys_loop() {
	must /sbin/mke2fs -q -t ext4 -E nodiscard -O ^has_journal "$data" >$WORK/mke2fs.log 2>&1
	must mount "$data" /mnt
	fill /mnt/file $span
	must losetup --direct-io=on /dev/loop0 /mnt/file
	measure loop=/dev/loop0
	must losetup -d /dev/loop0
	must umount /mnt
}

# module_of SYSTEM : without it the system is not in this kernel
module_of() {
	case $1 in
	dm_cache)      echo dm-cache-smq ;;
	dm_thin)       echo dm-thin-pool ;;
	dm_snapshot)   echo dm-snapshot ;;
	dm_writecache) echo dm-writecache ;;
	dm_clone)      echo dm-clone ;;
	bcache)        echo bcache ;;
	nbd_*|qcow2)   echo nbd nbds_max=1 max_part=0 ;;
	loop)          echo loop max_loop=1 ;;
	esac
}

# measure_systems HOW SYSTEM... : one after the other
measure_systems() {
	local how=$1 system module

	shift
	for system; do
		module=$(module_of "$system")
		# shellcheck disable=SC2086 # name and parameters
		if [ -n "$module" ] && ! modprobe $module; then
			echo "skipped $system this kernel has no module ${module%% *}"
			continue
		fi
		echo "# $how: $system"
		fill "$data"
		"sys_$system"
	done
}
