#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest: what large pools and many disks take of memory and time.  Arguments: DISKS REPEATS.
. /t/bench-lib.sh

disks=$1 repeats=$2
chunks=$((2 * 1048576))		# of the disk that is mapped from end to end
fresh=256		# fresh disks, whose mean is taken

# timed COMMAND... : sets $ms, with three decimals
timed() {
	local start=${EPOCHREALTIME/./} us

	must "$@"
	us=$((${EPOCHREALTIME/./} - start))
	ms=$((us / 1000)).$(printf %03d $((us % 1000)))
}

# per WHAT N BYTES : BYTES / N as a figure
per() { echo "figure $1 $(awk -v n="$2" -v b="$3" 'BEGIN { printf "%.2f\n", b / n }')"; }

# create_fresh PREFIX TARGET : the disks; sets $each, what one took
create_fresh() {
	local i before

	before=$(free_bytes)
	for ((i = 0; i < fresh; i++)); do
		must dmsetup create -r "$1$i" --table "0 209715200 $2"
	done
	each=$(((before - $(free_bytes)) / fresh))
	for ((i = 0; i < fresh; i++)); do
		must dmsetup remove "$1$i"
	done
}

must modprobe brd rd_nr=1 rd_size=131072 max_part=0
must modprobe loop max_loop=1

# ---- 4 TiB, of which nothing is there but the superblocks ----

must truncate -s $(((4 << 40) + (2 << 30))) /dev/shm/sparse
must losetup /dev/loop0 /dev/shm/sparse
cache_device=/dev/loop0
must chunkctl format $cache_device --manifest-area 1M --no-journal --no-discard --force \
	>$WORK/format.log
load_module
# the first table and disk bring along what stays: slab caches, workqueues of dm, modules
pool_up
bench_disk warm 102400
disk_down warm
pool_down
loads=
for ((r = 0; r < repeats; r++)); do
	before=$(free_bytes)
	timed pool_up
	# shellcheck disable=SC2154 # set by timed
	taken=$((before - $(free_bytes)))
	loads+=" $ms"
	[ $((r + 1)) -eq "$repeats" ] || pool_down
done
echo "figure pool_load_ms$loads"
echo "count slots $(slots_total)"
per slot_bytes "$(slots_total)" $taken

# ---- disks of that pool ----

# what slab caches keep of disks that went away must not make the next ones cheaper
create_fresh first "zero"
create_fresh fresh "chunkcache /dev/mapper/$POOL $STORE $any_image"
total=$each
create_fresh other "zero"
echo "figure fresh_disk_bytes $((total - each))"
echo "figure fresh_disk_bytes_with_dm $total"

bench_disk large $chunks
cc-nl -q -c "pool /dev/mapper/$POOL; attach; serve 0 bare; alloc 1; done \$slot0 \$gen0;
	spread large 0 1 \$slot0 \$gen0; detach" || fail "filler"
before=$(free_bytes)
cc-nl -q -c "pool /dev/mapper/$POOL; attach; serve 0 bare; alloc 1; done \$slot0 \$gen0;
	spread large 0 $chunks \$slot0 \$gen0; detach" || fail "filler"
per map_bytes_per_chunk $chunks $((before - $(free_bytes)))
echo "count mapped $(disk_mapped large)"
disk_down large
pool_down
must losetup -d /dev/loop0

# ---- many disks of one image, with the helper that looks after each ----

cache_device=/dev/ram0
image a --seed 3 --size 16M --chunk 1M
format 1M
pool_up
helper_start
timed bash -c "for ((i = 0; i < $disks; i++)); do
	dmsetup create -r vm\$i --table '$(disk_table a)' || exit; done"
echo "figure disk_create_ms $(awk -v n="$disks" -v ms="$ms" 'BEGIN { printf "%.3f\n", ms / n }')"
must_become 60 disk_is_loaded "vm$((disks - 1))"
verify "vm$((disks - 1))" a --engine pread --seq --bs 64K
echo "count disks $(all_devices chunkcache | wc -l)"
cc-files "$SYSFS/$POOL"/vm{0..199}/* >$WORK/files || fail "files of 200 disks"
echo "figure sysfs_200_disks_ms $(sed -n 's/kept //p' $WORK/files)"
echo "figure sysfs_200_disks_open_ms $(sed -n 's/open //p' $WORK/files)"
timed bash -c "for ((i = 0; i < $disks; i++)); do dmsetup remove vm\$i || exit; done"
echo "figure disk_remove_ms $(awk -v n="$disks" -v ms="$ms" 'BEGIN { printf "%.3f\n", ms / n }')"
finish
