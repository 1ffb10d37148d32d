#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# setup.sh [GROUP...]: installs with apt what building and testing need on
# Debian 12 and is not there yet; says what before it does.  Groups: build vm
# kernels debug lint s3 demo deb fetch bench model fuzz; default build vm kernels.  No server of a
# package is started, no kernel is installed (`kernels` unpacks images and headers into
# ${CHUNKCACHE_CACHE:-~/.cache/dm-chunkcache}, `lint` promtool, whose package would run a server
# at the next boot, `vm` what guests have of udev).  Does nothing when nothing is missing.

set -eu
tests=$(cd "$(dirname "$0")" && pwd)
policy=/usr/sbin/policy-rc.d
policy_mark='# chunkcache tests/setup.sh: start no server while it installs'

say() { echo "setup: $*" >&2; }
die() { say "$@"; exit 1; }

packages() {
	case $1 in
	build)   echo gcc libc6-dev make pkg-config libmnl-dev libcurl4-openssl-dev \
			libssl-dev liburing-dev libzstd-dev libjansson-dev \
			libdevmapper-dev libblkid-dev libelf1 pahole ;;
	vm)      echo qemu-system-x86 qemu-utils busybox-static binutils cpio kmod dmsetup xz-utils bash dash \
			util-linux mount e2fsprogs iproute2 procps xfsprogs erofs-utils \
			thin-provisioning-tools systemd btrfs-progs ;;
	kernels) echo gcc-12 kmod libelf1 pahole ;;
	debug)   echo linux-source-6.12 make gcc flex bison bc libelf-dev libssl-dev \
			xz-utils rsync kmod perl patch ;;
	lint)    echo sparse cppcheck clang-format perl python3 python3-docutils \
			python3-jsonschema python3-yaml python3-prometheus-client systemd mandoc \
			git patch shellcheck cpio linux-source-6.12 xz-utils ;;
	s3)      echo ceph-mon ceph-osd radosgw ceph-common curl ;;
	demo)    echo mmdebstrap e2fsprogs ;;
	deb)     echo dpkg-dev debhelper dh-dkms lintian xz-utils ;;
	fetch)   echo nginx-light curl openssl valgrind ;;
	model)   echo spin gcc libc6-dev ;;
	fuzz)    echo clang libclang-rt-14-dev ;;
	bench)   echo nbdkit nbd-client thin-provisioning-tools bcache-tools python3 ;;
	*)       die "$1: not a group; they are build vm kernels debug lint s3 demo deb fetch bench model fuzz" ;;
	esac
}

purpose() {
	case $1 in
	build)   echo "to build the module, the helper and the tools" ;;
	vm)      echo "to boot test kernels in qemu" ;;
	kernels) echo "to build the module for Debian's 6.12 and 6.1" ;;
	debug)   echo "to build kernels with KASAN, lockdep and the like" ;;
	lint)    echo "to check sources and manuals" ;;
	s3)      echo "to run an S3 server on the loopback" ;;
	fetch)   echo "to measure the fetch engine against a web server" ;;
	demo)    echo "to make a root file system out of Debian packages" ;;
	deb)     echo "to make Debian packages and look at them" ;;
	model)   echo "to search the models of volumes" ;;
	fuzz)    echo "to build fuzzers" ;;
	bench)   echo "to measure other block caches beside this one" ;;
	esac
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# missing GROUP : prints what is not installed
missing() {
	local package

	for package in $(packages "$1"); do
		installed "$package" || echo "$package"
	done
}

# While packages are set up, their scripts are told to start nothing.  A policy
# of ours that an earlier, killed run left is not the host's own.
forbid_servers() {
	if [ -e "$policy" ] && ! grep -qs "$policy_mark" "$policy"; then
		mv "$policy" "$policy.chunkcache"
	fi
	printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
	chmod 755 "$policy"
}

restore_policy() {
	rm -f "$policy"
	[ ! -e "$policy.chunkcache" ] || mv "$policy.chunkcache" "$policy"
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 "$@"
}

# The package lists may be absent or older than the archive: one retry, and only what
# the retry says is worth reading.
install_packages() {
	[ "$(id -u)" = 0 ] || die "must be root to install: $*"
	mkdir -p /run/lock
	exec 9>/run/lock/chunkcache-setup
	flock 9
	trap restore_policy EXIT
	trap 'exit 130' INT TERM HUP
	forbid_servers
	apt_get install "$@" >/dev/null 2>&1 || {
		say "updating the package lists"
		apt_get update
		apt_get install "$@" >/dev/null || die "apt-get could not install: $*"
	}
	restore_policy
	trap - EXIT INT TERM HUP
	exec 9>&-
}

# The package lists may be of an archive that has moved on.
fetch_kernels() {
	local name

	for name in 6.12 6.1; do
		"$tests/vm/kernel" "$name" >/dev/null || {
			say "updating the package lists"
			apt_get update
			"$tests/vm/kernel" "$name" >/dev/null || die "no kernel $name"
		}
	done
}

# unpack DIRECTORY PACKAGE... : packages that must not be installed, as they are
unpack() {
	local dir=$1 package

	shift
	for package; do
		(cd "$dir" && { apt-get -qq download "$package" 2>/dev/null ||
			{ apt_get update && apt-get -qq download "$package"; }; } &&
			dpkg-deb -x ./"$package"_*.deb .) || die "no package $package"
	done
	rm -f "$dir"/*.deb
}

cache=${CHUNKCACHE_CACHE:-$HOME/.cache/dm-chunkcache}

# One program out of a package that also has a server.
fetch_promtool() {
	local dir

	[ ! -x "$cache/promtool" ] || return 0
	say "unpacking promtool (to check metrics and alerts)"
	mkdir -p "$cache"
	dir=$(mktemp -d)
	unpack "$dir" prometheus
	mv "$dir/usr/bin/promtool" "$cache/promtool"
	rm -rf "$dir"
}

# For guests: installed, udevd and mdadm would look at the disks of the host that runs tests.
fetch_udev() {
	local dir

	[ ! -d "$cache/udev" ] || return 0
	say "unpacking udev, mdadm and bcache-tools (for test kernels)"
	mkdir -p "$cache"
	dir=$(mktemp -d "$cache/udev.XXXXXX")
	unpack "$dir" udev mdadm bcache-tools
	chmod 755 "$dir"
	mv -T "$dir" "$cache/udev" 2>/dev/null || rm -rf "$dir"	# another run may have been faster
}

command -v apt-get >/dev/null || die "made for Debian 12: there is no apt-get"
[ $# -gt 0 ] || set -- build vm kernels

all=()
for group; do
	packages "$group" >/dev/null
	mapfile -t lacking < <(missing "$group")
	[ ${#lacking[@]} -gt 0 ] || continue
	say "installing ${lacking[*]} ($(purpose "$group"))"
	all+=("${lacking[@]}")
done
[ ${#all[@]} -eq 0 ] || install_packages "${all[@]}"
for group; do
	[ "$group" != kernels ] || fetch_kernels
	[ "$group" != lint ] || fetch_promtool
	[ "$group" != vm ] || fetch_udev
done
