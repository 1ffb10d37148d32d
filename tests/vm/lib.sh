# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034
#
# What the scripts of the VM harness share: where things lie, messages, and
# packing of initramfs layers.  Sourced by bash; sets no traps, prints nothing.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
VMDIR=$TOP/tests/vm
CACHE=${CHUNKCACHE_CACHE:-$HOME/.cache/dm-chunkcache}
BUILD_DIR=${CHUNKCACHE_BUILD:-$TOP/build}

# What in a kernel log is a failure, whatever the test itself says.
BAD_LINES='BUG: |WARNING: |KASAN: |KCSAN: |UBSAN: |Oops|general protection fault'
BAD_LINES+='|Kernel panic|invalid opcode|possible (circular|recursive|irq)'
BAD_LINES+='|inconsistent lock state|suspicious RCU usage|DEBUG_LOCKS_WARN_ON'
BAD_LINES+='|INFO: task .* blocked|soft lockup|hard LOCKUP|workqueue lockup'
BAD_LINES+='|rcu.*stall|refcount_t|ODEBUG: |list_(add|del) corruption|leaked'
BAD_LINES+='|kmemleak: .*(new suspected|disabled)|held lock freed|still held!|Bad page'
# The kernel's announcements of itself and of taint are no findings.
GOOD_LINES='kmemleak: Kernel memory leak detector disabled$|rcu:.*stall.*timeout'

say() { echo "$(basename "$0"): $*" >&2; }
die() { say "$@"; exit 126; }

# need COMMAND... : each must be there, else name the way to get it
need() {
	local c missing=

	for c in "$@"; do
		command -v "$c" >/dev/null || missing+=" $c"
	done
	[ -z "$missing" ] || die "not found:$missing (tests/setup.sh vm installs them)"
}

# pack DIR : DIR as a cpio archive on stdout, the same for the same content
pack() {
	(cd "$1" && find . -print0 | LC_ALL=C sort -z |
		cpio -0 -o -H newc -R 0:0 --reproducible --quiet)
}

# add_libs ROOT FILE... : the shared libraries that ELF files need, into ROOT
add_libs() {
	local root=$1 lib

	shift
	{ ldd "$@" 2>/dev/null || true; } | grep -oE '(^|[[:space:]])/[^ :]+ ' | sort -u |
	while read -r lib; do
		[ -e "$root$lib" ] || install -D "$lib" "$root$lib"
	done
}

# add_file ROOT FILE GUESTPATH
add_file() {
	install -D -m "$(stat -L -c %a "$2")" "$2" "$1$3"
	if head -c 4 "$2" | grep -q ELF; then
		add_libs "$1" "$2"
	fi
}
