#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl's sources of images and its gc: streams, other formats, what is garbage and what is not, imports
# while gc runs.  TAP on stdout.

. "$(dirname "$0")/chunkctl.inc"

random 1048576 >a
truncate -s 3M image
dd if=a of=image bs=1M conv=notrunc status=none
dd if=a of=image bs=1M seek=8 conv=notrunc status=none
random 1000 >>image
cp image padded
truncate -s $(((9 * 2048 + 2) * 512)) padded

# One line on stderr, of nothing but text
not_obeyed() { [ "$(wc -l <err)" -eq 1 ] && ! grep -qaP '[\x00-\x09\x0b-\x1f\x7f-\xff]' err; }

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
truncate -s 2T large
refuse 1 "large: is too large for chunks this small" import large --name l --chunk-size 64K --store "$formats"
check "and no image is made that no helper takes" [ ! -e f/images/l ]
rm large
mkdir broken
touch broken/chunks
mkfifo slow
{ head -c 65536 a; exec sleep 60; } >slow &
producer=$!
timeout 30 "$ctl" import - --name b --chunk-size 64K --store "file://$dir/broken" <slow >out 2>err
check "a store that fails ends an import whose stream stands still" [ $? -eq 1 ]
kill $producer
check "and it is said" grep -q "Not a directory" err
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
	printf '%s\n' '# Disk DescriptorFile' version=1 CID=1 parentCID=ffffffff \
		'createType="monolithicFlat"' "RW $((9 * 2048)) FLAT \"$dir/padded\" 0" >thief.vmdk
	refuse 1 "thief.vmdk: refers to another file \($dir/padded\)" \
		import thief.vmdk --format vmdk --name t --tmp . --store "$formats"
	# Whoever wrote the image writes another one once it is checked: a copy is what is converted.
	mkdir bin
	printf '%s\n' '#!/bin/sh' '[ "$1" != convert ] || cp other.qcow2 exchanged.qcow2' \
		"exec $(command -v qemu-img) \"\$@\"" >bin/qemu-img
	chmod 755 bin/qemu-img
	qemu-img create -q -f qcow2 -F raw -b "$dir/a" other.qcow2
	cp image.qcow2 exchanged.qcow2
	PATH=$dir/bin:$PATH run 0 "import what is exchanged meanwhile" import exchanged.qcow2 --format qcow2 \
		--name x --chunk-size 64K --tmp . --store "$formats"
	check "it was exchanged" cmp -s exchanged.qcow2 other.qcow2
	check "the image that was checked" cmp -s f/images/x f/images/file
	# Names that an image has are not obeyed by the terminal, whoever tells of them.
	qemu-img create -q -f qcow2 -u -b "$(printf 'x\033[2J\302\233m\ny')" -F raw escape.qcow2 1M
	refuse 1 "refers to another file \(x.\[2J..m.y\)" \
		import escape.qcow2 --format qcow2 --name e --tmp . --store "$formats"
	check "in one line of text" not_obeyed
	sed "s|$dir/padded|$(printf 'gone\033]0;title\a')|" thief.vmdk >escape.vmdk
	refuse 1 "qemu-img info failed: .*gone.\]0;title" \
		import escape.vmdk --format vmdk --name e --tmp . --store "$formats"
	check "nor are they by way of qemu-img" not_obeyed
	check "nothing of it was imported" [ ! -e f/images/t ]
	refuse 1 "qemu-img info failed|Could not open|not in" \
		import image --format qcow2 --name t --tmp . --store "$formats"
	check "no copy is left" [ -z "$(ls chunkctl-* 2>/dev/null)" ]
else
	check "qemu-img is there, for other formats (tests/setup.sh vm installs it)" false
fi


# ---- what is no raw image, whichever way it comes ----
head -c 200000 a >plain
gzip -k plain
xz -0k plain
bzip2 -k plain
tar cf plain.tar plain
{ printf '\120\052\115\030\4\0\0\0abcd\050\265\057\375'; cat plain; } >plain.zst
printf 'LUKS\272\276' | cat - plain >plain.luks
printf '<!DOCTYPE html>' | cat - plain >plain.html
{ cat plain; truncate -s 352 /dev/stdout; } >plain.vhd 2>/dev/null
printf conectix | dd of=plain.vhd bs=1 seek=200192 conv=notrunc status=none
truncate -s 200704 plain.vhd
for packed in gz xz bz2 tar zst luks html vhd; do
	refuse 1 "plain.$packed: looks like .*--format raw if it is not" \
		import plain.$packed --name packed --store "$formats"
	"$ctl" import - --name packed --store "$formats" <plain.$packed >out 2>err
	check "from standard input" [ $? -eq 1 -a "$(grep -c 'looks like' err)" = 1 ]
	cat plain.$packed | "$ctl" import /dev/stdin --name packed --chunk-size 64K --store "$formats" >out 2>err
	check "from a pipe, of several chunks" [ $? -eq 1 -a "$(grep -c 'looks like' err)" = 1 ]
done
check "none of them has a name" [ ! -e f/images/packed ]
run 0 "as bytes" import plain.gz --format raw --name bytes --replace --store "$formats"
"$ctl" import - --format raw --name bytes --replace --store "$formats" <plain.gz >out 2>err
ok $? "also from a stream"

# ---- producers that fail, files that change ----
run 0 "what a command writes" import --from-command 'gzip -dc plain.gz' --name command --store "$formats"
run 0 "the same from the file" import plain --name direct --store "$formats"
check "is what is in the file" cmp -s f/images/command f/images/direct
for command in 'cat plain; exit 3' 'false | cat plain' 'cat plain; kill -9 $$' 'head -c 100000 plain; gzip -dc gone.gz 2>/dev/null'; do
	refuse 1 "--from-command '.*': failed: (exit status|signal)" \
		import --from-command "$command" --name failed --store "$formats"
done
refuse 2 "expected no IMAGE besides" import plain --from-command true --name failed --store "$formats"
refuse 1 "--from-command|true: is empty" import --from-command true --name failed --store "$formats"
head -c 100000 plain | "$ctl" import - --size 200000 --name failed --store "$formats" >out 2>err
check "a stream that is too short" [ $? -eq 1 ]
check "is told of" grep -q "standard input: has 100000 bytes, --size says 200000" err
refuse 1 "plain: has 200000 bytes, --size says 65536" import plain --size 64K --name failed --store "$formats"
run 0 "of the right size" import plain --size 200000 --name sized --store "$formats"
# enough of it that a busy host's writer gets its turn meanwhile
cat a a a a a a a a a a a a a a a a image >grows
while :; do printf x >>grows; done &
writer=$!
refuse 1 "grows: (its size has changed|was written to) meanwhile" import grows --name failed --store "$formats"
kill $writer
wait $writer 2>/dev/null
while :; do printf x | dd of=image.w bs=1 seek=100 conv=notrunc status=none; done &
writer=$!
until [ -s image.w ]; do :; done
truncate -s 3M image.w
refuse 1 "image.w: (its size has changed|was written to) meanwhile" import image.w --name failed --store "$formats"
kill $writer
wait $writer 2>/dev/null
check "none of them has a name" [ ! -e f/images/failed ]

# ---- signals ----
mkdir i
interrupted=file://$dir/i
mkfifo feed
for signal in INT TERM HUP; do
	{ cat plain; exec sleep 60; } >feed &
	feeder=$!
	setsid -w env --default-signal=INT "$ctl" import - --name i --chunk-size 64K --store "$interrupted" \
		<feed >out 2>err &
	until [ "$(find i/chunks -type f 2>/dev/null | wc -l)" -ge 3 ]; do :; done
	pid=$(pgrep -f "import - --name i --chunk-size 64K" | tail -n 1)
	kill -$signal "$pid"
	while kill -0 "$pid" 2>/dev/null; do :; done
	check "SIG$signal gives the lease back" [ -z "$(ls i/leases)" ]
	check "and leaves no file" [ -z "$(find i -name '.tmp-*')" -a ! -e i/images/i ]
	kill $feeder
	wait
	rm -rf i/chunks
done
"$ctl" import --from-command 'sleep 71.5 & cat plain; sleep 72.5' --name i --store "$interrupted" >out 2>err &
pid=$!
until pgrep -f "^sleep 72.5" >/dev/null; do :; done
kill $pid
wait $pid
check "it ends by the signal" [ $? -eq 143 ]
check "and with it what it has started" [ -z "$(pgrep -f '^sleep 7[12].5')" ]

# ---- gc ----
mkdir g
gc=file://$dir/g
mkdir g/traces
random 1048576 >g1
cat g1 a >g12
run 0 "two images" import g12 --name two --chunk-size 64K --store "$gc"
run 0 "that share chunks" import g1 --name one --chunk-size 64K --compress --store "$gc"
run 0 "one of them raw" import a --name raw --chunk-size 64K --store "$gc"
before=$(chunks g)
run 0 "gc removes nothing that is used" gc --grace 0s --store "$gc"
check "nothing" [ "$(chunks g)" -eq "$before" -a "$before" -eq 48 ]
two=$(cat g/images/two)
one=$(cat g/images/one)
touch "g/traces/${one#sha256:}" "g/traces/${two#sha256:}" g/traces/README
run 0 "rm" rm two --store "$gc"
run 0 "gc spares what is young" gc --store "$gc" --json
check "all of it" [ "$(chunks g)" -eq 48 ]
run 0 "gc of what would be" gc --grace 0s --dry-run --list --store "$gc"
check "removes nothing" [ "$(chunks g)" -eq 48 -a -e "g/manifests/${two#sha256:}" ]
check "and names it" [ "$(wc -l <out)" -eq 18 -a "$(grep -c ^manifests/ out)" -eq 1 ]
check "its boot trace too" grep -q "^traces/${two#sha256:}" out
run 0 "gc keeps what it is told to" gc --grace 0s --keep "$two" --store "$gc"
check "all of it" [ "$(chunks g)" -eq 48 ]
echo foreign >g/chunks/README
touch -d "2 hours ago" g/chunks/*/* g/manifests/* g/traces/*
run 0 "gc" gc --grace 1h --store "$gc"
check "the raw chunks of one went, its frames did not" [ "$(chunks g)" -eq 33 ]
check "nor did what is not ours" [ -e g/chunks/README ]
check "the manifest went" [ ! -e "g/manifests/${two#sha256:}" ]
check "and its boot trace" [ ! -e "g/traces/${two#sha256:}" ]
check "but no other" [ -e "g/traces/${one#sha256:}" -a -e g/traces/README ]
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

# a manifest that nothing names yet keeps its chunks as long as it is spared for its age, however old they are
run 0 "an image" import a --name fresh --chunk-size 128K --store "$gc"
before=$(chunks g)
rm g/images/fresh
touch -d "2 hours ago" g/chunks/*/*
run 0 "gc" gc --grace 1h --store "$gc"
check "takes none of its chunks" [ "$(chunks g)" -eq "$before" ]
touch -d "2 hours ago" g/manifests/*
run 0 "gc" gc --grace 1h --store "$gc"
check "until it goes as well" [ "$(chunks g)" -eq $((before - 8)) ]

# what those left that were killed
touch "g/chunks/.tmp-0123456789abcdef" "g/leases/.tmp-1" g/leases/README
touch "g/leases/gc-0000000000000001" "g/leases/name-0000000000000001-0000000000000002"
touch -d "1 hour ago" g/leases/* g/leases/.tmp-1
run 0 "gc" gc --grace 0s --store "$gc" --json
check "takes leases of the dead, and files of puts" \
	[ -z "$(find g/leases -name '[gn]*')" -a ! -e g/leases/.tmp-1 -a "$(jsonfield leftovers removed)" = 3 ]
check "nor what is not ours" [ -e g/leases/README ]
check "and nothing of somebody who may be at work" [ -e g/chunks/.tmp-0123456789abcdef ]
rm g/chunks/.tmp-* g/leases/README

# without the right to write
chmod -R a-w g
before=$(find g -type f | sort)
unprivileged "mount -t tmpfs none /sys/module && mount --bind $dir/g $dir/g && mount -o remount,bind,ro $dir/g" \
	gc --grace 0s --dry-run --list --store "$gc"
check "gc that would only say what is garbage" [ $? -eq 0 ]
check "says it" grep -q "not removed" err
chmod -R u+w g
check "and has changed nothing" [ "$(find g -type f | sort)" = "$before" ]

# what disks of this host use is not known
hide="mount -t tmpfs none /sys/module"
unprivileged "$hide" gc --grace 0s --dry-run --store "$gc"
check "gc without the module" [ $? -eq 0 ]
unprivileged "$hide && mkdir /sys/module/dm_chunkcache" gc --grace 0s --dry-run --store "$gc"
check "gc with disks that it can't list gives up" [ $? -eq 1 ]
check "and says why" grep -q "^chunkctl gc: which disks of this host use the store is not known: " err

# gc and imports: each sees the other
touch g/leases/import-0123456789abcdef
refuse 1 "an import is running on this store" gc --grace 0s --store "$gc"
touch -d "20 minutes ago" g/leases/import-0123456789abcdef
run 0 "the lease of an import that died counts no more" gc --grace 0s --store "$gc"
# Of many dead ones; the live one is the first or the last that the listing shows.
for lease in {1000..1299}; do
	touch -d "1 day ago" "g/leases/import-000000000000$lease"
done
for which in head tail; do
	live=g/leases/$(find g/leases -name 'import-0*' -printf '%f\n' | $which -n 1)
	touch "$live"
	refuse 1 "an import is running on this store" gc --grace 0s --store "$gc"
	touch -d "1 day ago" "$live"
done
rm -f g/leases/import-*
touch g/leases/gc-0123456789abcdef
refuse 1 "another gc is running" gc --grace 0s --store "$gc"
"$ctl" import g12 --name two --chunk-size 64K --store "$gc" >out 2>err &
pid=$!
while kill -0 $pid 2>/dev/null && ! grep -q "waiting for a gc" err; do :; done
check "an import waits for a gc" kill -0 $pid
rm g/leases/gc-0123456789abcdef
wait $pid
ok $? "and goes on after it"
# and two imports of one name, in the moment when they give it
hash=$(printf three | sha256sum | cut -c1-16)
touch "g/leases/name-$hash-0123456789abcdef"
"$ctl" import a --name three --chunk-size 64K --store "$gc" >out 2>err &
pid=$!
while kill -0 $pid 2>/dev/null && ! grep -q "waiting for another import" err; do :; done
check "an import waits for another that gives the same name" kill -0 $pid
check "and has not given it" [ ! -e g/images/three ]
run 0 "one of another name does not" import a --name four --chunk-size 64K --store "$gc"
cp g/images/two g/images/three
rm "g/leases/name-$hash-0123456789abcdef"
wait $pid
check "then it finds the name taken" [ $? -eq 1 ]
check "and leaves it" cmp -s g/images/two g/images/three
rm g/images/three g/images/four
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

# ---- symbolic links in a store ----
mkdir l elsewhere
links=file://$dir/l
run 0 "an image" import g1 --name one --chunk-size 64K --store "$links"
run 0 "and one to be removed" import a --name gone --chunk-size 64K --store "$links"
for part in images manifests chunks; do
	mv l/$part elsewhere
	ln -s ../elsewhere/$part l/$part
done
run 0 "images of a store whose directories are links" images --store "$links"
check "all of them" [ "$(grep -cE '^(one|gone) ' out)" -eq 2 ]
run 0 "gc" gc --grace 0s --store "$links"
check "removes nothing that is used" [ "$(chunks elsewhere)" -eq 32 ]
run 0 "verify" verify one --store "$links"
run 0 "rm" rm gone --store "$links"
for link in images/two chunks/zz; do
	ln -s "$dir/elsewhere" l/$link
	refuse 1 "list .*/$link: a symbolic link" gc --grace 0s --store "$links"
	check "and removes nothing" [ "$(chunks elsewhere)" -eq 32 ]
	rm l/$link
done
run 0 "gc without such links" gc --grace 0s --store "$links"
check "removes what is of no use" [ "$(chunks elsewhere)" -eq 16 ]
run 0 "and nothing else" verify one --store "$links"

end
