#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make install and make uninstall, into directories of their own, with stand-ins for the programs:
# nothing is built.  TAP on stdout.

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
. "$here/check.inc"
mkdir "$dir/build"
printf '#!/bin/sh\n' | tee "$dir/build/chunkcached" >"$dir/build/chunkctl"

# run TARGET ARGUMENT... : make, which takes the programs as they are
run()
{
	env -u MAKEFLAGS -u MAKELEVEL make -s -C "$top" BUILD="$dir/build" -o "$dir/build/chunkcached" \
		-o "$dir/build/chunkctl" "$@"
}

has() { [ "$(stat -c %a "$dir/$1")" = "$2" ]; }
names() { (cd "$dir/$1" && find . ! -type d | sort); }
empty() { [ -z "$(names "$1")" ] || { names "$1"; return 1; }; }
same() { [ "$(names a)" = "$(names b | sed 's|/opt/cc/|/usr/|')" ]; }
# Units and generator call the programs where they were put, and nothing else.
calls() { ! grep -rhE '^[^#]*/chunk(cached|ctl)( |$)' "$dir/$1/lib/systemd" | grep -v "$2/chunk"; }

check "install to /usr" run install prefix=/usr DESTDIR="$dir/a"
check "chunkcached" has a/usr/sbin/chunkcached 755
check "chunkctl" has a/usr/sbin/chunkctl 755
for unit in "$top"/tools/systemd/*.service; do
	check "${unit##*/}" has "a/usr/lib/systemd/system/${unit##*/}" 644
done
check "generator" has a/usr/lib/systemd/system-generators/chunkcache-generator 755
for page in "$top"/Documentation/man/*.[1-9]; do
	check "${page##*/}" has "a/usr/share/man/man${page##*.}/${page##*/}" 644
done
check "udev rules" has a/usr/lib/udev/rules.d/11-dm-chunkcache.rules 644
check "completion" has a/usr/share/bash-completion/completions/chunkctl 644
check "alerts" has a/usr/share/dm-chunkcache/monitoring/alerts.yml 644
check "dashboard" has a/usr/share/dm-chunkcache/monitoring/dashboard.json 644
check "header" has a/usr/include/linux/dm-chunkcache.h 644
check "directory of disks" has a/etc/chunkcache/disks 755
check "directory of volumes" has a/etc/chunkcache/volumes 755
check "units call /usr/sbin" calls a/usr /usr/sbin
check "once more over it" run install prefix=/usr DESTDIR="$dir/a"

check "install to /opt/cc" run install prefix=/opt/cc DESTDIR="$dir/b"
check "the same files" same
check "units call /opt/cc/sbin" calls b/opt/cc /opt/cc/sbin

touch "$dir/a/etc/chunkcache/cache0.conf"
check "uninstall" run uninstall prefix=/usr DESTDIR="$dir/a"
check "nothing is left in /usr" empty a/usr
check "the configuration is" test -e "$dir/a/etc/chunkcache/cache0.conf"

end
