# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Trees of Debian packages, from the archive that the host's apt knows, packed and kept in
# the cache.  Sourced by bash after lib.sh.

# The host's own archive entries, keys and all, if they are Debian's.
archive_entries() {
	apt-get indextargets --format '$(ORIGIN)|$(SOURCESENTRY)' 'Created-By: Packages' |
		sed -n 's/^Debian|\(.*\):[0-9]*$/\1/p' | sort -u
}

# What the host's apt is told of proxies and clocks holds for this archive too.
apt_options() {
	apt-config dump | grep -E '^Acquire::(.*::Proxy|Check-[^ ]*) ' | sed 's/;$//'
}

# bootstrap_tar NAME PACKAGES : where it is kept
bootstrap_tar() { echo "$CACHE/$1-root-$(echo "$2" | sha256sum | cut -c1-12).tar"; }

# bootstrap NAME PACKAGES TMPDIR [OPTION...] : makes it, by mmdebstrap with its OPTIONs; PACKAGES are
# separated by commas.  Says what it does.
bootstrap() {
	local name=$1 packages=$2 tmpdir=$3 codename entries options=() line

	shift 3
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	mapfile -t entries < <(archive_entries)
	[ ${#entries[@]} -gt 0 ] || { echo "apt knows no Debian archive: apt-get update"; return 1; }
	while read -r line; do
		options+=("--aptopt=$line")
	done < <(apt_options)
	mkdir -p "$CACHE" "$tmpdir/mmdebstrap"
	# /dev is no place for files, and its nodes can't be compared
	TMPDIR=$tmpdir/mmdebstrap mmdebstrap --mode=root --variant=minbase --format=tar \
		"${options[@]}" --include="$packages" --skip=output/dev "$@" \
		"$codename" "$tmpdir/root.tar" "${entries[@]}" 2>&1 || return
	mv "$tmpdir/root.tar" "$(bootstrap_tar "$name" "$packages")"
}
