#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkcache-generator on tables good and bad: what it makes, what it refuses and how it says so,
# and that systemd takes what it made.  TAP on stdout.

here=$(cd "$(dirname "$0")" && pwd)
systemd=$(cd "$here/../../tools/systemd" && pwd)
. "$here/check.inc"
export CHUNKTAB=$dir/chunktab CHUNKTAB_LOG=$dir/log
digest=sha256:$(printf '%064d' 7)

# generate TEXT : runs the generator on a table of that text
generate()
{
	rm -rf "$dir/out"
	: >"$dir/log"
	printf "$@" >"$CHUNKTAB"
	sh "$systemd/chunkcache-generator" "$dir/out" "$dir/out" "$dir/out"
}

kind=disk
unit() { cat "$dir/out/chunkcache-$kind@$1.service.d/50-chunktab.conf"; }
has() { unit "$1" | grep -qxF -- "$2"; }
wants() { grep -qxF "$1=chunkcache-$kind@$2.service" "$dir/out/remote-fs.target.d/50-chunktab.conf"; }
no() { ! "$@"; }
silent() { [ ! -s "$dir/log" ]; }

# refused PATTERN LINE : one line in the log, with the number, and the disks around it are made
refused()
{
	generate 'before p s i\n%s\nafter p s i\n' "$2" &&
		[ "$(wc -l <"$dir/log")" -eq 1 ] &&
		grep -qE "^<3>chunkcache-generator: $CHUNKTAB:2: $1" "$dir/log" &&
		wants Requires before && wants Requires after &&
		[ "$(find "$dir/out" -type f | wc -l)" -eq 3 ]
}

# What a line becomes
check "a table" generate '# comment\n\n  # another\nvm1\tcache0  main debian-12\nvm-2 cache0 - i nofail'
check "nothing is said" silent
check "needs its pool" has vm1 Requires=chunkcache-pool@cache0.service
check "wants its helper" has vm1 Wants=chunkcached@cache0.service
check "boot waits for it" has vm1 Before=remote-fs.target
check "boot needs it" wants Requires vm1
check "how it is made" has vm1 \
	"ExecStart=/usr/sbin/chunkctl up vm1 --pool cache0 --store main --image debian-12"
check "the only store; no newline at the end" has vm-2 \
	"ExecStart=/usr/sbin/chunkctl up vm-2 --pool cache0 --image i"
check "nofail: wanted only" wants Wants vm-2
check "nofail: nothing waits" no has vm-2 Before=remote-fs.target

check "options" generate 'a p s %s noauto,size=10G,miss_timeout_ms=30000,pin\nb p s i -\n' "$digest"
check "nothing is said" silent
check "in the order given" has a "ExecStart=/usr/sbin/chunkctl up a --pool p --store s --digest $digest \
--size 10G --feature 'miss_timeout_ms 30000' --feature pin"
check "noauto: not wanted" no wants Requires a
check "no options" has b "ExecStart=/usr/sbin/chunkctl up b --pool p --store s --image i"
check "a disk each" [ "$(find "$dir/out" -name '*@*.d' | wc -l)" -eq 2 ]

# Volumes
kind=volume
check "volumes" generate 'db1 cache0 main -\ndb2 cache0 - - nofail,miss_timeout_ms=30000\ndb3 p s - noauto,pin\n'
check "nothing is said" silent
check "a volume needs its pool" has db1 Requires=chunkcache-pool@cache0.service
check "and comes after its helper, so that it is drained while that runs" has db1 \
	"After=chunkcache-pool@cache0.service chunkcached@cache0.service"
check "boot needs it" wants Requires db1
check "how it is opened" has db1 "ExecStart=/usr/sbin/chunkctl volume up db1 --pool cache0 --store main"
check "the only store, a feature" has db2 \
	"ExecStart=/usr/sbin/chunkctl volume up db2 --pool cache0 --feature 'miss_timeout_ms 30000'"
check "nofail" wants Wants db2
check "noauto" no wants Requires db3
check "nothing is taken over at boot" no grep -r take-over "$dir/out"
kind=disk
check "a volume has its size" refused 'size=: expected with a digest only' 'x p s - size=1G'
check "also behind another option" refused 'size=: expected with a digest only' 'x p s - pin,size=1G'
check "one name, be it a disk or a volume" refused "name 'before': is in a line above" 'before p s -'

# What is refused
check "too few fields" refused 'expected name, pool, .*got 3 fields' 'x p s'
check "too many fields" refused 'expected name, pool, .*got 6 fields' 'x p s i - more'
check "twice" refused "name 'before': is in a line above" 'before p s i'
check "a bad name" refused "name 'a/b': expected" 'a/b p s i'
check "a name like an option" refused "name '-x': expected" '-x p s i'
check "a name with a specifier" refused "name 'x%n': expected" 'x%n p s i'
check "a glob is no list of files" refused "name '\*': expected" '* p s i'
check "nothing is run" refused "name '.*': expected" '$(reboot) p s i'
check "a long name" refused "name '0*': expected" "$(printf '%0128d' 0) p s i"
check "a bad pool" refused "pool 'p;q': expected" 'x p;q s i'
check "a bad store" refused "store 's3://b': expected" 'x p s3://b i'
check "a bad image" refused "image 'i\"': expected" 'x p s i"'
check "a short digest" refused 'image .*: expected 64 lower-case' 'x p s sha256:12ab'
check "an unknown option" refused "option 'frob': not known" 'x p s i nofail,frob'
check "an empty option" refused "option '': not known" 'x p s i nofail,,noauto'
check "a bad number" refused 'max_misses=0: expected a number' 'x p s i max_misses=0'
check "a bad size" refused 'size=10GB: expected a size' "x p s $digest size=10GB"
check "a size of an image" refused 'size=: expected with a digest' 'x p s i size=1G'

check "escapes of a terminal, which are not shown" refused 'line: expected printable ASCII$' "$(printf 'x p s \033[2J')"
check "the same in UTF-8" refused 'line: expected printable ASCII$' "$(printf 'x p s \302\2332J')"

# As the other files are read
check "an editor's marks" generate '\357\273\277vm1 p s i\r\n\r\n\t# comment\r\n  vm2 p s i nofail\r\n'
check "are passed over" silent
check "the first line" wants Requires vm1
check "the last one, indented" wants Wants vm2
check "a NUL byte" generate 'before p s i\nx\0y p s i\n#\0\nafter p s i\n'
check "is told, but in comments" [ "$(wc -l <"$dir/log")" -eq 1 ]
check "with its line" grep -q "chunktab:2: line: expected text, there is a NUL byte in it" "$dir/log"
check "and hides no line" wants Requires after
check "nor makes one" no wants Requires xy

check "an empty table" generate ''
rm "$CHUNKTAB"
check "no table" sh "$systemd/chunkcache-generator" "$dir/none"
check "makes nothing" [ ! -e "$dir/none" ]

# What systemd says of it
verify()
{
	local f

	generate 'vm1 p s i miss_timeout_ms=5\nvm2 p - %s size=1G,nofail\n' "$digest" || return
	for f in "$systemd"/*.service "$dir"/out/*@*/*; do
		sed -E 's|/usr/sbin/chunk[a-z]+|/bin/true|' "$f" >"$dir/unit" || return
		if [ "$f" = "${f#"$dir"}" ]; then f=$dir/out/${f##*/}; fi
		cat "$dir/unit" >"$f" || return
	done
	SYSTEMD_UNIT_PATH="$dir/out:" systemd-analyze verify --man=no \
		chunkcache-disk@vm1.service chunkcache-disk@vm2.service >"$dir/said" 2>&1
	cat "$dir/said"
	[ ! -s "$dir/said" ]
}

# tests/setup.sh vm installs systemd-analyze
check "systemd takes it" verify
end
