#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pool's table, and a disk's, are loaded while their device is removed: the load fails, and nothing is left nor warned
# of. A disk on a pool without a table is refused; with one that is not resumed, or was cleared, it waits, and reads
# once the pool is up.
# catches: a device without a name that gets a directory in sysfs, a pool that dies with its table under its disks.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
must modprobe brd rd_nr=1 rd_size=8192 max_part=0
must modprobe ext4
image a --seed 108 --size 1M --chunk 64K
under_device
format

# races DEVICE TABLE HELD [OPTION] : the load waits for HELD, which is suspended, and loses its device meanwhile
races() {
	local device=$1 table=$2 held=$3 load

	# words
	# shellcheck disable=SC2086
	must dmsetup create ${4:-} "$device" --notable
	must dmsetup suspend --noflush --nolockfs "$held"
	# shellcheck disable=SC2086
	dmsetup load ${4:-} "$device" --table "$table" 2>$WORK/load &
	load=$!
	sleep 0.5
	dmsetup remove "$device" &
	removal=$!
	sleep 0.5
	gone $load && fail "the load did not wait: $(cat $WORK/load)"
	must dmsetup resume "$held"
	must_become 10 gone $load
	wait $load && fail "the load should have failed"
	wait_for $removal 10 || fail "remove"
	must_fail test -e "$SYSFS/$device"
}

note "a pool, whose superblock takes its time"
races $POOL "$(pool_table)" under
equal "left in sysfs" "$(ls $SYSFS)" ""

note "a disk on a pool without a table, or without any"
must dmsetup create $POOL --notable
# a device has no node before its first resume
numbers=$(dmsetup info -c --noheadings -o major,minor --separator : $POOL)
table=$(disk_table a | sed "s|/dev/mapper/$POOL|$numbers|")
must_fail dmsetup create -r vm1 --table "$table" 2>/dev/null
log_has 'chunkcache: Cannot open pool device' || fail "no word of it"
must dmsetup load $POOL --table "$(pool_table)"
must dmsetup clear $POOL
must_fail dmsetup create -r vm1 --table "$table" 2>/dev/null
log_has 'chunkcache: Pool device is not a chunkcache-pool' || fail "no word of it"
must_fail dmsetup info vm1 >/dev/null 2>&1
equal "left in sysfs" "$(ls $SYSFS)" ""
must dmsetup load $POOL --table "$(pool_table)"
must dmsetup create -r vm1 --table "$table"
start_read vm1 a --seq
must_become 10 disk_waits vm1
equal "pool" "$(cat "$SYSFS/$POOL/session")" 0
must dmsetup clear $POOL
must disk_waits vm1
disk_counter vm1 waiting >/dev/null || fail "the disk's pool went with its table"
drop_disk vm1
must dmsetup load $POOL --table "$(pool_table)"
must dmsetup resume $POOL
helper_start
end_read "$read_pid" 60
verify vm1 a --seq

note "another disk, whose pool's name takes its time to be looked up"
must dmsetup create fs --table "0 16384 linear /dev/ram0 0"
mke2fs -q -F /dev/mapper/fs >/dev/null 2>&1 || fail "mke2fs"
mkdir -p $WORK/mnt
must mount -t ext4 /dev/mapper/fs $WORK/mnt
on_exit "umount $WORK/mnt 2>/dev/null"
must mkdir $WORK/mnt/dir
must mknod $WORK/mnt/dir/pool b "${numbers%:*}" "${numbers#*:}"
must umount $WORK/mnt
must mount -t ext4 /dev/mapper/fs $WORK/mnt
races vm2 "0 $(sectors a) chunkcache $WORK/mnt/dir/pool $STORE $(digest a)" fs -r
must_fail test -e "$SYSFS/$POOL/vm2"
must umount $WORK/mnt
drop_disk vm1
drop_pool
verify vm1 a --seq
equal "errors" "$(disk_errors vm1)" 0
finish
