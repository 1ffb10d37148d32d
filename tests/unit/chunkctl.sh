#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl against files: format, import, images, verify, export, rm on a file:// store, what it
# refuses and how it says so.  Runs the chunkctl of $BUILD, with its sanitizers; needs neither root
# nor device-mapper.  TAP on stdout.

export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
here=$(cd "$(dirname "$0")" && pwd)
BUILD=${BUILD:-$here/../../build/asan}
ctl=$(realpath -m "$BUILD")/chunkctl
[ -x "$ctl" ] || { echo "Bail out! $ctl is not built"; exit 1; }

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
tests=0 failed=0

# ok STATUS TEXT: one TAP line
ok()
{
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $2"
		sed 's/^/# out: /' out
		sed 's/^/# err: /' err
	fi
}

# run STATUS TEXT ARGUMENT...: chunkctl must end with that status; its output is in out and err
run()
{
	local want=$1 text=$2 status
	shift 2
	"$ctl" "$@" >out 2>err </dev/null
	status=$?
	[ $status -eq "$want" ]
	ok $? "$text (status $status)"
}

# refuse STATUS PATTERN ARGUMENT...: as run, and stderr's first line must match; nothing on stdout
refuse()
{
	local want=$1 pattern=$2 status
	shift 2
	"$ctl" "$@" >out 2>err </dev/null
	status=$?
	[ $status -eq "$want" ] && [ ! -s out ] && head -n 1 err | grep -qE -- "$pattern"
	ok $? "refused: $* -> $pattern"
}

check() { local text=$1; shift; "$@"; ok $? "$text"; }
# field NAME: a number of the JSON object in out
field() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" out; }
chunks() { find "$1/chunks" -type f ! -name '.tmp-*' | wc -l; }
random() { head -c "$1" /dev/urandom; }

# ---- usage ----
run 0 "help" --help
check "help lists exit codes" grep -q "Exit status: 0 done" out
for command in format import export images verify rm gc pool-up pool-resize pool-down up down stat top \
	map explain cost; do
	run 0 "help of $command" $command --help
	check "its usage line" grep -q "^Usage: chunkctl $command" out
	check "fits into 80 columns" [ -z "$(awk 'length > 80' out)" ]
done
refuse 2 "'frob': no such command" frob
refuse 2 "expected one IMAGE, got 0" import
refuse 2 "--bogus: no such option" verify --bogus
refuse 2 "--name: needs an argument" import --name
refuse 2 "--json=1: takes no argument" images --json=1
refuse 2 "expected at most one" stat a b
refuse 2 "expected one DISK, got 0" explain
refuse 2 "'a/b': expected a name" explain a/b
refuse 2 "--json and --svg exclude each other" map d --json --svg x
refuse 2 "expected no argument, got 1" top x
refuse 2 "--delay: expected seconds from 0.2 to 3600, got '0.1'" top -d 0.1
refuse 2 "--delay: expected seconds" top -d 1s
refuse 2 "--iterations: expected a number from 1 to" top -n 0
refuse 2 "--sort: expected misses, hits" top -s size
refuse 2 "--price-gib: expected a price such as 0.0004, got '-1'" cost --price-gib -1
refuse 2 "--currency: expected 1 to 8 characters" cost --currency ''

# ---- format ----
truncate -s 64M pool
run 0 "format a file" format pool --json --uuid 01234567-89ab-cdef-0123-456789abcdef
slots=$(field slots) offset=$(field slots_offset)
check "slots fill the device" [ $((offset + slots * 1048576)) -le $((64 << 20)) -a "$slots" -ge 50 ]
check "slots are aligned" [ $((offset % 1048576)) -eq 0 ]
check "the file stays sparse" [ "$(du -k pool | cut -f1)" -le 64 ]
check "superblock A" [ "$(head -c 8 pool)" = dmchunkc ]
check "superblock B" [ "$(tail -c +65537 pool | head -c 8)" = dmchunkc ]
check "UUID as asked" [ "$(od -An -tx1 -j16 -N16 pool | tr -d ' \n')" = 0123456789abcdef0123456789abcdef ]
sum=$(sha256sum pool)
refuse 1 "pool: is a pool already \(uuid 01234567-89ab-cdef-0123-456789abcdef\)" format pool
check "a refusal changes nothing" [ "$(sha256sum pool)" = "$sum" ]
refuse 2 "--slot-size: expected a power of two from 64K to 16M, got '3M'" format pool --slot-size 3M
refuse 2 "--slot-size: expected a power of two from 64K to 16M, got '32K'" format pool --slot-size 32K
refuse 2 "--slot-size: expected a power of two from 64K to 16M, got '32M'" format pool --slot-size 32M
refuse 2 "--slot-size: expected a size" format pool --slot-size banana
refuse 2 "--uuid: expected a UUID" format pool --uuid 01234567
refuse 2 "--uuid: expected a UUID" format pool --uuid 00000000-0000-0000-0000-000000000000
refuse 2 "expected one DEVICE, got 2" format pool pool
refuse 1 "gone: No such file" format gone
refuse 1 "/dev/null: expected a block device or a regular file" format /dev/null
refuse 1 "pool: .*" format pool --force --manifest-area 1G
# Leave copy B and damage A: still nothing to overwrite silently.
printf 'X' | dd of=pool bs=1 seek=200 conv=notrunc status=none
printf 'X' | dd of=pool bs=1 seek=65800 conv=notrunc status=none
refuse 1 "looks like a pool .*--force" format pool
run 0 "format by force" format pool --force --slot-size 64K
check "new UUID" [ "$(od -An -tx1 -j16 -N16 pool | tr -d ' \n')" != 0123456789abcdef0123456789abcdef ]
truncate -s 1M tiny
refuse 1 "tiny: .*too small" format tiny
truncate -s 16M swap
mkswap swap >/dev/null 2>&1
sum=$(sha256sum swap)
refuse 1 "swap: has a signature of type swap; --force overwrites it" format swap
check "a refusal changes nothing" [ "$(sha256sum swap)" = "$sum" ]
run 0 "format over a signature by force" format swap --force
check "the old signature is gone" [ -z "$(blkid -p -o value -s TYPE swap)" ]
# One that lies behind all that a format writes: a RAID superblock (md 1.0) 8 KiB before the end
truncate -s 16M raid
printf '\374\116\053\251\1' | dd of=raid bs=1 seek=16769024 conv=notrunc status=none
printf '\360\177' | dd of=raid bs=1 seek=16769168 conv=notrunc status=none
refuse 1 "raid: has a signature of type linux_raid_member" format raid
run 0 "format over it by force" format raid --force --no-discard
check "it is gone as well" [ -z "$(blkid -p -o value -s TYPE raid)" ]
truncate -s 16M parts
printf '\0\0\0\0\203\0\0\0\1\0\0\0\377\3\0\0' | dd of=parts bs=1 seek=446 conv=notrunc status=none
printf '\125\252' | dd of=parts bs=1 seek=510 conv=notrunc status=none
refuse 1 "parts: has a partition table of type dos" format parts

# ---- import ----
# 12 chunks of 1 MiB: data, hole, 3 x the same, zeros that are stored, data, odd tail
mkdir s
store=file://$dir/s
random 1048576 >a
random 1048576 >b
truncate -s 3M image
dd if=a of=image bs=1M conv=notrunc status=none
for i in 3 4 5; do dd if=b of=image bs=1M seek=$i conv=notrunc status=none; done
dd if=/dev/zero of=image bs=1M seek=6 count=2 conv=notrunc status=none
dd if=a of=image bs=1M seek=8 conv=notrunc status=none
truncate -s 11M image
random 1000 >>image
run 0 "import" import image --name one --store "$store" --json
check "12 chunks" [ "$(field chunks)" -eq 12 ]
check "6 holes: 2 + 2 of zeros + 2" [ "$(field holes)" -eq 6 ]
check "3 duplicates" [ "$(field duplicates)" -eq 3 ]
check "3 uploaded" [ "$(field uploaded)" -eq 3 -a "$(field uploaded_bytes)" -eq 3145728 ]
check "no progress bar off a terminal" [ "$(grep -c "$(printf '\r')" err)" -eq 0 ]
check "size is rounded up to 512" [ "$(field image_bytes)" -eq $((11 * 1048576 + 1024)) ]
check "3 objects" [ "$(chunks s)" -eq 3 ]
id=$(sha256sum a | cut -c1-64)
check "raw chunks are the bytes" cmp -s a "s/chunks/${id:0:2}/$id"
digest=$(cat s/images/one)
check "the manifest has the digest's SHA-256" \
	[ "sha256:$(sha256sum "s/manifests/${digest#sha256:}" | cut -c1-64)" = "$digest" ]
before=$(ls -i "s/chunks/${id:0:2}/$id")
run 0 "import again" import image --name one --store "$store"
check "does not write a chunk again" [ "$(ls -i "s/chunks/${id:0:2}/$id")" = "$before" ]
check "prints the digest" [ "$(cat out)" = "$digest" ]
check "uploads nothing" grep -qE "^  uploaded  *0  *0.0%" err
check "and says what was there" grep -qE "^  in the store before  *3  *25.0%  *3 MiB" err
run 0 "list" images --store "$store"
check "the list has it" grep -q "^one  *11.0 MiB .*$digest" out
run 0 "list as JSON" images --store "$store" --json
check "JSON" grep -qE '^\[\{"name":"one","digest":"sha256:[0-9a-f]{64}","image_bytes":11535360,' out
run 0 "verify" verify one --store "$store"
check "all good" grep -q "12 chunks, 6 holes, 3 distinct: 0 bad, 0 not checked" out
run 0 "verify by digest" verify "$digest" --store "$store"
cp image padded
truncate -s 11535360 padded
run 0 "export" export one back --store "$store"
check "export is the image" cmp -s back padded
check "export is sparse" [ "$(du -k back | cut -f1)" -le 7000 ]
"$ctl" export one - --store "$store" 2>err | cmp -s - padded
ok $? "export to a pipe"
refuse 1 "back: File exists" export one back --store "$store"

run 0 "import compressed" import image --name z --compress=1 --chunk-size 64K --store "$store"
check "as zstd frames" [ -n "$(find s/chunks -name '*.zst')" ]
run 0 "verify compressed" verify z --store "$store"
run 0 "export compressed" export z zback --store "$store"
check "the same bytes" cmp -s zback padded

# ---- names and refusals ----
random 100000 >other
before=$(find s -type f | sort)
refuse 1 "one: is another image already \(sha256:[0-9a-f]{64}\); --replace" \
	import other --name one --store "$store"
check "a refused import uploads nothing" [ "$(find s -type f | sort)" = "$before" ]
run 0 "replace" import other --name one --replace --store "$store"
check "the name moved" [ "$(cat s/images/one)" != "$digest" ]
run 0 "the old manifest stays" verify "$digest" --store "$store"
refuse 2 "--name: expected 1 to 128 of" import other --name .x --store "$store"
refuse 2 "--name: expected 1 to 128 of" import other --name a/b --store "$store"
refuse 2 "--name: expected 1 to 128 of" import other --name "$(printf '%129s' '' | tr ' ' x)" --store "$store"
refuse 2 "--name is needed" import other --store "$store"
refuse 2 "--chunk-size: expected a power of two" import other --name n --chunk-size 100000 --store "$store"
refuse 2 "--jobs: expected a number from 1 to 256, got '0'" import other --name n --jobs 0 --store "$store"
refuse 2 "--compress: expected a number from 1 to 19, got '99'" import other --name n --compress=99 --store "$store"
: >empty
refuse 1 "empty: is empty" import empty --name n --store "$store"
refuse 1 "expected a file, a block device or a pipe" import "$dir" --name n --store "$store"
refuse 1 "gone: No such file" import gone --name n --store "$store"
refuse 1 "the store's directory|No such file" import other --name n --store "file://$dir/nowhere"
refuse 1 "--store: .+" images --store ftp://x/y
refuse 1 "nope: no such image in the store" verify nope --store "$store"
refuse 2 "expected sha256: and 64 lower-case hex digits" verify sha256:12 --store "$store"
refuse 1 "nope: no such image in the store" rm nope --store "$store"
check "no name came of all that" [ ! -e s/images/n ]
run 0 "rm" rm one --store "$store"
check "the name is gone, the manifest is not" [ ! -e s/images/one -a -e "s/manifests/${digest#sha256:}" ]

# ---- stores by name ----
printf '[pool]\nname = p\n[store main]\nurl = %s\n' "$store" >p.conf
run 0 "store by name" images --store main --config p.conf
check "the same list" grep -q "^z " out
run 0 "the only store needs no name" images --config p.conf
refuse 1 "--store other: not a URL, and no section \[store other\] in p.conf" images --store other --config p.conf
refuse 2 "--endpoint and the like go with a URL" images --store main --config p.conf --region x
printf '[store two]\nurl = file:///x\n' >>p.conf
refuse 2 "--store is needed" images --config p.conf
printf '[store three]\nbogus = 1\n' >>p.conf
refuse 1 "p.conf:[0-9]+: .*bogus" images --store main --config p.conf

# ---- damage ----
run 0 "import for damage" import image --name d --store "$store"
object=s/chunks/${id:0:2}/$id
printf XXXXXXXX | dd of="$object" bs=1 seek=1000 conv=notrunc status=none
run 3 "a wrong byte is found" verify d --store "$store"
check "and named" grep -qE "chunk 0 \(and 1 more\): .*$id" err
check "the others are good" grep -q "3 distinct: 1 bad, 0 not checked" out
refuse 3 "chunk 0: " export d nofile --store "$store"
check "a failed export leaves no file" [ ! -e nofile ]
truncate -s 1000 "$object"
run 3 "a short chunk is found" verify d --store "$store"
run 0 "import heals a chunk of the wrong size" import image --name d --store "$store"
run 0 "verify again" verify d --store "$store"
rm "$object"
run 3 "a missing chunk is found" verify d --store "$store" --json
check "JSON names it" grep -qE "\"bad\":1,.*\"chunk\":0,\"uses\":2,\"id\":\"$id\"" out
run 0 "import heals a missing chunk" import image --name d --store "$store"
check "by itself" grep -qE "^  uploaded  *1 " err
run 0 "verify again" verify d --store "$store"
zst=$(find s/chunks -name '*.zst' | sort | head -n 1)
cp "$zst" keep
printf 'tail' >>"$zst"
run 3 "trailing bytes behind a zstd frame are found" verify z --store "$store"
head -c 100 keep >"$zst"
run 3 "a truncated zstd frame is found" verify z --store "$store"
cp keep "$zst"
echo garbage >s/images/bad
refuse 3 "bad: images/bad: expected one line" verify bad --store "$store"
run 3 "a list with a damaged name" images --store "$store"
check "shows the good ones" grep -q "^z " out
manifest=s/manifests/${digest#sha256:}
printf 'X' | dd of="$manifest" bs=1 seek=40 conv=notrunc status=none
refuse 3 "d: manifests/" verify d --store "$store"
rm "$manifest"
refuse 3 "d: .*manifests/" verify d --store "$store"
rm -f s/images/bad s/images/d

# ---- interrupted import ----
random $((300 * 65536)) >large
attempt=0
while :; do
	rm -rf k
	mkdir k
	"$ctl" import large --name k --jobs 2 --chunk-size 64K --store "file://$dir/k" >out 2>err &
	pid=$!
	while kill -0 $pid 2>/dev/null && { [ ! -d k/chunks ] || [ "$(chunks k)" -lt 10 ]; }; do :; done
	kill -9 $pid 2>/dev/null
	wait $pid 2>/dev/null
	[ ! -d k/images ] && break
	attempt=$((attempt + 1))
	[ $attempt -lt 10 ] || break
done
check "killed on the way" [ ! -e k/images/k -a ! -d k/manifests ]
there=$(chunks k)
refuse 1 "k: no such image" verify k --store "file://$dir/k"
run 0 "import after kill -9" import large --name k --chunk-size 64K --store "file://$dir/k" --json
check "uploads only what was missing ($there of 300 were there)" \
	[ "$(field present)" -eq "$there" -a "$(field uploaded)" -eq $((300 - there)) -a "$there" -lt 300 ]
run 0 "verify after kill -9" verify k --store "file://$dir/k"

# ---- streams and other formats ----
mkdir f
formats=file://$dir/f
"$ctl" import - --name stream --chunk-size 64K --store "$formats" <image >out 2>err
ok $? "import from standard input"
run 0 "import the same from the file" import image --name file --chunk-size 64K --store "$formats"
check "both are one image" cmp -s f/images/stream f/images/file
cat image | "$ctl" import /dev/stdin --name pipe --chunk-size 64K --store "$formats" >out 2>err
ok $? "import from a pipe"
check "the same" cmp -s f/images/pipe f/images/file
"$ctl" import - --name stream --store "$formats" <image >out 2>err
check "a taken name is not overwritten by a stream" [ $? -eq 1 ]
check "and nothing was read" grep -q "stream: is an image already; a stream can't be read twice" err
"$ctl" import - --name e --store "$formats" </dev/null >out 2>err
check "an empty stream is refused" [ $? -eq 1 ]
check "by name" grep -q "standard input: is empty" err
refuse 2 "--format qcow2: expected a file" import - --name x --format qcow2 --store "$formats"
refuse 2 "--format: expected raw, qcow2" import image --name x --format ../x --store "$formats"
if command -v qemu-img >/dev/null; then
	qemu-img convert -q -O qcow2 padded image.qcow2
	refuse 1 "image.qcow2: looks like qcow2; say --format qcow2, or --format raw" \
		import image.qcow2 --name q --store "$formats"
	run 0 "import qcow2" import image.qcow2 --format qcow2 --name q --chunk-size 64K --tmp . \
		--store "$formats"
	check "the same image" cmp -s f/images/q f/images/file
	check "no copy is left" [ -z "$(ls chunkctl-* 2>/dev/null)" ]
	run 0 "import it as bytes" import image.qcow2 --format raw --name bytes --store "$formats"
	qemu-img convert -q -O vmdk padded image.vmdk
	run 0 "import vmdk" import image.vmdk --format vmdk --name v --chunk-size 64K --tmp . \
		--store "$formats"
	check "the same image" cmp -s f/images/v f/images/file
	qemu-img create -q -f qcow2 -F raw -b "$dir/padded" thief.qcow2
	refuse 1 "thief.qcow2: refers to another file \($dir/padded\)" \
		import thief.qcow2 --format qcow2 --name t --tmp . --store "$formats"
	check "nothing of it was imported" [ ! -e f/images/t ]
	refuse 1 "qemu-img info failed|Could not open|not in" \
		import image --format qcow2 --name t --tmp . --store "$formats"
	check "no copy is left" [ -z "$(ls chunkctl-* 2>/dev/null)" ]
else
	tests=$((tests + 1))
	echo "ok $tests - other formats # SKIP qemu-img is not installed"
fi

# ---- gc ----
mkdir g
gc=file://$dir/g
random 1048576 >g1
cat g1 a >g12
run 0 "two images" import g12 --name two --chunk-size 64K --store "$gc"
run 0 "that share chunks" import g1 --name one --chunk-size 64K --compress --store "$gc"
run 0 "one of them raw" import a --name raw --chunk-size 64K --store "$gc"
before=$(chunks g)
run 0 "gc removes nothing that is used" gc --grace 0s --store "$gc"
check "nothing" [ "$(chunks g)" -eq "$before" -a "$before" -eq 48 ]
two=$(cat g/images/two)
run 0 "rm" rm two --store "$gc"
run 0 "gc spares what is young" gc --store "$gc" --json
check "all of it" [ "$(chunks g)" -eq 48 ]
run 0 "gc of what would be" gc --grace 0s --dry-run --list --store "$gc"
check "removes nothing" [ "$(chunks g)" -eq 48 -a -e "g/manifests/${two#sha256:}" ]
check "and names it" [ "$(wc -l <out)" -eq 17 -a "$(grep -c ^manifests/ out)" -eq 1 ]
run 0 "gc keeps what it is told to" gc --grace 0s --keep "$two" --store "$gc"
check "all of it" [ "$(chunks g)" -eq 48 ]
echo foreign >g/chunks/README
touch -d "2 hours ago" g/chunks/*/* g/manifests/*
run 0 "gc" gc --grace 1h --store "$gc"
check "the raw chunks of one went, its frames did not" [ "$(chunks g)" -eq 33 ]
check "nor did what is not ours" [ -e g/chunks/README ]
check "the manifest went" [ ! -e "g/manifests/${two#sha256:}" ]
run 0 "the others are whole" verify one --store "$gc"
run 0 "the others are whole" verify raw --store "$gc"
check "no lease is left" [ -z "$(ls g/leases)" ]
echo garbage >g/images/bad
before=$(find g -type f | sort)
run 3 "gc with a damaged image" gc --grace 0s --store "$gc"
check "removes nothing" [ "$(find g -type f | sort)" = "$before" ]
rm g/images/bad
refuse 2 "--grace: expected a time such as 90s" gc --grace 24 --store "$gc"
refuse 2 "--grace: expected" gc --grace -1s --store "$gc"
refuse 2 "--keep: expected sha256:" gc --keep x --store "$gc"
refuse 2 "expected no argument" gc x --store "$gc"

# gc and imports: each sees the other
touch g/leases/import-0123456789abcdef
refuse 1 "an import is running on this store" gc --grace 0s --store "$gc"
touch -d "20 minutes ago" g/leases/import-0123456789abcdef
run 0 "the lease of an import that died counts no more" gc --grace 0s --store "$gc"
touch g/leases/gc-0123456789abcdef
refuse 1 "another gc is running" gc --grace 0s --store "$gc"
"$ctl" import g12 --name two --chunk-size 64K --store "$gc" >out 2>err &
pid=$!
while kill -0 $pid 2>/dev/null && ! grep -q "waiting for a gc" err; do :; done
check "an import waits for a gc" kill -0 $pid
rm g/leases/gc-0123456789abcdef
wait $pid
ok $? "and goes on after it"
# Imports of what was just removed, while gc removes it: after each, the image is whole.
rounds=0 broken=0
while [ $rounds -lt 12 ]; do
	rounds=$((rounds + 1))
	"$ctl" rm two --store "$gc" >/dev/null 2>&1
	"$ctl" gc --grace 0s --store "$gc" --jobs 2 >/dev/null 2>&1 &
	pid=$!
	"$ctl" import g12 --name two --chunk-size 64K --store "$gc" >out 2>err || broken=$((broken + 1))
	wait $pid
	"$ctl" verify two --store "$gc" >out 2>err || broken=$((broken + 1))
done
check "imports while gc runs are whole ($rounds rounds)" [ $broken -eq 0 ]

# ---- disks and pools: what is wrong before the kernel is asked ----
refuse 2 "'a/b': expected a name" up a/b --image x --pool p
refuse 2 "which pool\?" up vm1 --image x
refuse 2 "expected either an image or a digest" up vm1 --image x --digest "$digest" --pool p
refuse 2 "digest 'sha256:zz'" up vm1 --digest sha256:zz --pool p
refuse 2 "size: expected a multiple of 512" up vm1 --digest "$digest" --size 1000 --pool p
refuse 2 "size: expected a multiple of 512, and with a digest only" up vm1 --image x --size 1024 --pool p
refuse 1 "nodisk.conf: No such file" up vm1 --from-config="$dir/nodisk.conf"
printf '[disk]\npool = p\ncolour = red\n' >disk.conf
refuse 1 "disk.conf:3: colour: expected pool, store" up vm1 --from-config="$dir/disk.conf"
printf '[disk]\npool = p\nsize = many\n' >disk.conf
refuse 1 "disk.conf:3: size: expected a size" up vm1 --from-config="$dir/disk.conf"
printf '[disks]\npool = p\n' >disk.conf
refuse 1 "disk.conf:2: disks: expected the section" up vm1 --from-config="$dir/disk.conf"
printf '[disk]\npool = p\npool = q\n' >disk.conf
refuse 1 "disk.conf:3: pool: is given twice" up vm1 --from-config="$dir/disk.conf"
refuse 1 "pool: expected a block device" pool-up p pool
refuse 2 "expected POOL and DEVICE" pool-up p
refuse 2 "'-': expected a name|no such option" down -- -

# ---- units ----
if command -v systemd-analyze >/dev/null; then
	mkdir units
	# Only the paths of our programs are not what they will be.
	for unit in "$here"/../../tools/systemd/*.service; do
		sed "s,/usr/sbin/chunkc[a-z]*,/bin/true," "$unit" >"units/$(basename "$unit")"
	done
	SYSTEMD_UNIT_PATH=$dir/units: systemd-analyze verify units/chunkcached@p.service \
		units/chunkcache-pool@p.service units/chunkcache-disk@d.service >out 2>err
	ok $? "systemd-analyze verify"
	check "without a word" [ ! -s err ]
else
	tests=$((tests + 1))
	echo "ok $tests - units # SKIP systemd-analyze is not installed"
fi

echo "1..$tests"
[ $failed -eq 0 ]
