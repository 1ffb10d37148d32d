#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# With Debian's udevd and the rules of dmsetup, mdadm and bcache-tools, nobody of the host reads a pool or a disk, made
# by chunkctl or by dmsetup, helper or not; systemd is told that there is nothing ready. So a disk is up at
# once where no helper is, and what a guest has in it is nothing of the host's.
# Of LVM and multipath only what their rules go by, the flags and properties, is looked at: neither is run here.
# catches: rules that do not match, come too late, or forget a probe; a tool that waits for udev and udev for a helper.
# vm: -s 2 -m 1024 -n 96M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

[ -x /lib/systemd/systemd-udevd ] || fail "no udevd in the guest: tests/setup.sh vm"
unset DM_DISABLE_UDEV
mkdir -p /run/udev /etc/udev
/lib/systemd/systemd-udevd --daemon || fail "udevd"
on_exit "udevadm control --exit"
must_become 10 test -S /run/udev/control
settle() { udevadm settle --timeout=30 || { ps w; fail "udev does not settle"; }; }

node() { basename "$(readlink -f /dev/mapper/"$1")"; }	# udev makes links, not nodes
# reads_of NAME : that reached the dm device since it is there
reads_of() { awk '{ print $1 }' "/sys/block/$(node "$1")/stat"; }
property() { udevadm info --query=property --name="/dev/mapper/$1" | sed -n "s/^$2=//p"; }

# left_alone NAME : nobody read it, and the database says so to others
left_alone() {
	settle
	equal "reads of $1" "$(reads_of "$1")" 0
	for flag in SUBSYSTEM DISK OTHER; do
		equal "$1: $flag rules" "$(property "$1" DM_UDEV_DISABLE_${flag}_RULES_FLAG)" 1
	done
	equal "$1: for systemd" "$(property "$1" SYSTEMD_READY)" 0
	equal "$1: for desktops" "$(property "$1" UDISKS_IGNORE)" 1
	equal "$1: type" "$(property "$1" ID_FS_TYPE)" ""
}

# touched NAME : all that makes udev look at a device again
touched() {
	must udevadm trigger --action=change --settle "/sys/block/$(node "$1")"
	must udevadm trigger --action=add --settle "/sys/block/$(node "$1")"
}

note "other devices are looked at, and found to be a part of the host"
head -c 65536 /dev/zero >$WORK/b.img
truncate -s 4M $WORK/b.img
printf '\306\205\163\366\116\032\105\312\202\145\365\177\110\272\155\201' |
	dd of=$WORK/b.img bs=1 seek=$((4096 + 24)) conv=notrunc 2>/dev/null
must dd if=$WORK/b.img of="$NVME" bs=1M 2>/dev/null
must dmsetup create other --table "0 8192 linear $NVME 0"
settle
[ "$(reads_of other)" -gt 0 ] || fail "udev reads no dm device at all: this test is worth nothing"
equal "type of the other device" "$(property other ID_FS_TYPE)" bcache
must dmsetup remove other

load_module
must chunkctl import $WORK/b.img --store file://$STORE_DIR --name b --chunk-size 64K >$WORK/said 2>&1
digest_b=$(grep -o 'sha256:[0-9a-f]*' $WORK/said | head -n 1)
sectors_b=8192
format
write_config
note "no helper yet, as at boot"
must chunkctl pool-up $POOL "$cache_device"
up() { timeout 20 chunkctl up "$1" --digest "$digest_b" --size 4M --pool $POOL --store $STORE --config $CONF; }
start=$(now_ms)
must up vm1
at_most "ms until the disk was up" $(($(now_ms) - start)) 10000
case $(dmsetup info -c --noheadings -o uuid vm1) in
CHUNKCACHE-DISK-????????-????-????-????-????????????) ;;
*) dmsetup info vm1; fail "UUID of the disk" ;;
esac
equal "UUID of the pool" "$(dmsetup info -c --noheadings -o uuid $POOL)" "CHUNKCACHE-POOL-$(pool_counter uuid)"
left_alone vm1
left_alone $POOL
equal "link of the disk" "$(readlink -f "/dev/disk/by-id/dm-uuid-$(dmsetup info -c --noheadings -o uuid vm1)")" "/dev/$(node vm1)"
touched vm1
touched $POOL
left_alone vm1
left_alone $POOL
note "by dmsetup, which knows of no flags"
must timeout 20 dmsetup create -r vm2 --table "$(disk_table b)"
left_alone vm2
touched vm2
left_alone vm2
must dmsetup rename vm2 vm3
settle
touched vm3
left_alone vm3
must chunkctl down vm1
must dmsetup remove vm3
must chunkctl pool-down $POOL
must timeout 20 dmsetup create $POOL --table "$(pool_table)"
left_alone $POOL

note "with a helper, and what is put on top by a name that says so"
helper_start
must up vm1
must_become 20 disk_is_loaded vm1
left_alone vm1
must timeout 20 dmsetup create top -u CHUNKCACHE-top --table "0 8192 linear /dev/mapper/vm1 0"
touched top
left_alone top
must dmsetup remove top
touched vm1
left_alone vm1
for set in /sys/fs/bcache/*-*; do
	[ ! -e "$set" ] || fail "bcache took a guest's disk"
done
must chunkctl down vm1
finish
