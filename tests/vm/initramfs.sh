# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The guest's initramfs, made of cpio archives one after the other: a base of
# programs (cached), and one layer per run with the kernel's modules, what the
# project has built, and the test.  Sourced by vm after lib.sh and kernel.

# Real programs that go to /sbin and are found before busybox's of that name.
BASE_PROGRAMS="dmsetup losetup blkdiscard mke2fs e2fsck tune2fs debugfs blockdev blkid wipefs
	kmod ip setpriv unshare nsenter mount umount findmnt prlimit mkfs.xfs
	mkfs.erofs fsck.erofs thin_dump openssl xfs_repair mkfs.btrfs btrfs"
# dm tools and loop need these names beside the program's own.
BASE_LINKS="modprobe:kmod insmod:kmod rmmod:kmod lsmod:kmod depmod:kmod modinfo:kmod
	mkfs.ext4:mke2fs fsck.ext4:e2fsck"

# Modules that tests load, with all they need; a kernel may lack some.
MODULES="dm-mod dm-snapshot dm-thin-pool dm-flakey dm-delay dm-cache dm-cache-smq
	dm-writecache dm-clone dm-multipath dm-round-robin dm-integrity dm-dust dm-log-writes dm-verity dm-zero bcache
	nvme virtio_pci virtio_blk virtio_net null_blk brd loop nbd configfs
	scsi_debug sd_mod ext4 xfs erofs overlay btrfs crc32c libcrc32c crc32c-intel sha256 zram
	dm-crypt xts ecb aes_generic aesni-intel"

base_tree() {
	local root=$1 applet program path pair

	mkdir -p "$root"/{bin,sbin,proc,sys,dev,tmp,run,etc,t,vm,var/tmp,mnt,lib,lib64}
	ln -s . "$root/usr"
	ln -s ../run "$root/var/run"
	cp /bin/busybox "$root/bin/"
	for applet in $(busybox --list); do
		[ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
	done
	rm -f "$root/bin/sh" "$root/bin/bash" "$root/bin/ash"
	add_file "$root" /bin/dash /bin/dash
	add_file "$root" /bin/bash /bin/bash
	# busybox as sh would run its own applets whatever PATH says
	ln -s dash "$root/bin/sh"
	for program in $BASE_PROGRAMS; do
		path=$(command -v "$program") || continue
		add_file "$root" "$path" "/sbin/$program"
	done
	for pair in $BASE_LINKS; do
		ln -s "${pair#*:}" "$root/sbin/${pair%%:*}"
	done
	echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
	echo '127.0.0.1 localhost' >"$root/etc/hosts"
	echo 'hosts: files' >"$root/etc/nsswitch.conf"
	ln -s /proc/mounts "$root/etc/mtab"
	add_udev "$root"
	cp "$VMDIR/init" "$root/init"
}

# add_udev ROOT : udevd with the rules of Debian and of packages that look into block devices; nothing starts
# it but the case that wants it
add_udev() {
	local root=$1 from=$CACHE/udev program

	[ -d "$from" ] || return 0
	add_file "$root" "$from/bin/udevadm" /bin/udevadm
	mkdir -p "$root"/lib/systemd "$root"/lib/udev/rules.d
	ln -s ../../bin/udevadm "$root/lib/systemd/systemd-udevd"
	add_file "$root" "$from/sbin/mdadm" /sbin/mdadm
	for program in probe-bcache bcache-register; do
		add_file "$root" "$from/lib/udev/$program" "/lib/udev/$program"
	done
	cp "$from"/lib/udev/rules.d/*.rules /usr/lib/udev/rules.d/{55-dm,60-persistent-storage-dm,95-dm-notify}.rules \
		"$root/lib/udev/rules.d/"
}

# base_layer : path of the cached archive, made again when a part changed
base_layer() {
	local key out tmp program

	key=$({ cat "$VMDIR/init" "$VMDIR/initramfs.sh" "$VMDIR/lib.sh"
		for program in busybox dash bash $BASE_PROGRAMS; do
			stat -L -c '%n %s %Y' "$(command -v "$program")" 2>/dev/null
		done; ls "$CACHE/udev" 2>/dev/null; } | sha256sum | cut -c1-16)
	out=$CACHE/initramfs/base-$key.cpio
	if [ ! -e "$out" ]; then
		mkdir -p "$CACHE/initramfs"
		rm -f "$CACHE"/initramfs/base-*.cpio
		tmp=$(mktemp -d "$CACHE/initramfs/tmp.XXXXXX")
		base_tree "$tmp/root"
		pack "$tmp/root" >"$tmp/base.cpio"
		mv "$tmp/base.cpio" "$out"
		rm -rf "$tmp"
	fi
	echo "$out"
}

# module_tree : path of a cached directory with the modules, decompressed
module_tree() {
	local key out tmp dir file

	key=$({ echo "$MODULES"; stat -c %Y "$K_IMAGE"; } | sha256sum | cut -c1-8)
	out=$CACHE/initramfs/modules-$K_NAME-$K_RELEASE-$key
	if [ ! -d "$out" ]; then
		mkdir -p "$CACHE/initramfs"
		tmp=$(mktemp -d "$CACHE/initramfs/tmp.XXXXXX")
		dir=$tmp/lib/modules/$K_RELEASE/kernel
		mkdir -p "$dir"
		for file in $(module_files); do
			case $file in
			*.xz) xz -dc "$file" >"$dir/$(basename "${file%.xz}")" ;;
			*)    cp "$file" "$dir/" ;;
			esac
		done
		cp "$K_ROOT/lib/modules/$K_RELEASE"/modules.{builtin,builtin.modinfo,order} \
			"$dir/../"
		chmod 755 "$tmp"
		# another run may have been faster; the content is the same
		mv -T "$tmp" "$out" 2>/dev/null || rm -rf "$tmp"
	fi
	echo "$out"
}

module_files() {
	local module

	for module in $MODULES; do
		modprobe -d "$K_ROOT" -S "$K_RELEASE" --show-depends "$module" 2>/dev/null |
			sed -n 's/^insmod \([^ ]*\).*/\1/p'
	done | sort -u
}

# add_modules ROOT : the kernel's and the project's, indexed together so that
# an alias of ours is found by the kernel's own request_module()
add_modules() {
	local root=$1 ours=$BUILD_DIR/module-$K_LABEL dir ko magic

	dir=$root/lib/modules/$K_RELEASE
	mkdir -p "$root/lib"
	cp -a "$(module_tree)/lib/modules" "$root/lib/"
	for ko in "$ours"/*.ko "${EXTRA_MODULES[@]}"; do
		[ -e "$ko" ] || continue
		magic=$(modinfo -F vermagic "$ko")
		[ "${magic%% *}" = "$K_RELEASE" ] ||
			die "$ko is for kernel ${magic%% *}, not $K_RELEASE"
		mkdir -p "$dir/extra"
		# symbols stay for the log; debug information is ten times the rest
		objcopy --strip-debug "$ko" "$dir/extra/$(basename "$ko")"
	done
	depmod -b "$root" "$K_RELEASE"
}

# add_project ROOT : programs that were built, and the black-box cases
add_project() {
	local root=$1 program programs=()

	mkdir -p "$root/bin" "$root/t"
	for program in "$BUILD_DIR"/*; do
		[ -f "$program" ] && [ -x "$program" ] || continue
		cp "$program" "$root/bin/"
		programs+=("$program")
	done
	[ ${#programs[@]} -eq 0 ] || add_libs "$root" "${programs[@]}"
	[ ! -d "$TOP/tests/blackbox" ] || cp -r "$TOP/tests/blackbox/." "$root/t/"
	mkdir -p "$root/lib/udev/rules.d"
	cp "$TOP"/tools/udev/*.rules "$root/lib/udev/rules.d/"
}
