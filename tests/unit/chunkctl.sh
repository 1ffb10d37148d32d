#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl against files: format, import, images, verify, export, rm on a file:// store, what it
# refuses and how it says so.  Runs the chunkctl of $BUILD, with its sanitizers; needs neither root
# nor device-mapper.  TAP on stdout.

. "$(dirname "$0")/chunkctl.inc"

# ---- usage ----
run 0 "help" --help
check "help lists exit codes" grep -q "Exit status: 0 done" out
for command in format journal import export images verify rm gc pool-up pool-resize pool-move pool-retry-bad scrub pool-down up down stat top \
	map explain cost prefetch cached warm record version; do
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
refuse 2 "--every: expected seconds from 0.2 to 3600, got '0'" stat --every 0
refuse 2 "--rate: expected more than 0" scrub p --rate 0
refuse 2 "--lines: expected with --every" stat --lines 3
refuse 2 "expected one DISK or VOLUME, got 0" explain
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
check "head and tail are left alone" [ "$offset" -ge 8388608 -a $((offset + slots * 1048576)) -le $((62 << 20)) ]
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
random $((32 << 20)) >junk
run 0 "format what is full" format junk
zeros() { [ -z "$(dd if=junk bs=4096 skip="$1" count="$2" status=none | tr -d '\0')" ]; }
check "the first 8 MiB are zero but for superblocks" zeros 17 2031
check "the last 2 MiB are zero" zeros 7680 512
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

# ---- format: the journal ----
truncate -s 256M jpool
run 0 "format makes a journal" format jpool --json
check "for an eighth of the slots" [ "$(field dirty_max_slots)" -ge 27 -a "$(field dirty_max_slots)" -le 31 ]
check "of 2 MiB" [ "$(field journal_bytes)" -ge 2097152 ]
check "behind the table, in front of the slots" \
	[ "$(field journal_offset)" -ge $(($(field table_offset) + $(field table_bytes))) -a \
	$(($(field journal_offset) + $(field journal_bytes))) -le "$(field slots_offset)" ]
run 0 "it says how much" format jpool --force --dirty-max 64M
check "in words" grep -q 'journal 2.1 MiB for up to 64 MiB that no store has' out
refuse 1 "jpool: dirty limit: expected 2097152 bytes up to half of the slots" format jpool --force --dirty-max 200M
refuse 2 "--dirty-max: expected a size greater than 0, or --no-journal" format jpool --dirty-max 0
refuse 2 "--dirty-max says what the journal has to hold" format jpool --dirty-max 1M --no-journal
truncate -s 16M small
run 0 "a small pool has none" format small --json
check "and that is said" grep -q 'small: no journal, so the pool takes no volumes: 4 slots' err
check "none" [ "$(field journal_bytes)" -eq 0 ]
refuse 1 "small: 4 slots of 1048576 bytes are too few for a journal" format small --force --dirty-max 2M

# ---- journal ----
truncate -s 256M full
run 0 "a pool for volumes" format full --uuid 01234567-89ab-cdef-0123-456789abcdef
page() { "${ctl%/*}/cc-page" full "$@"; }
run 0 "an empty journal" journal full
check "that is said" grep -q 'journal is empty' out
page 1 1 0 1 volume:1:17:3:18 open:1:5:1:3.0.0 write:1:100:8:3.0.0 write:1:200:2:3.0.8
page 2 1 1 1 committed:1:0:0:3.0.8 volume:2:99:1:98 open:2:9:1:1.0.0 write:2:0:4:1.0.0
run 0 "volumes in it" journal full --json
check "of both what no store has" grep -q '"dirty_bytes": *8192.*"dirty_bytes": *16384' out
check "in their slots" grep -q '"slots": *\[5\].*"slots": *\[9\]' out
run 0 "in words" journal full
check "how far the store is" grep -q 'term 3: 8.* KiB that no store has, in 1 log chunks.*up to block 8 of log chunk 3.0' out
refuse 1 "full: is a pool already .*has 24 KiB of 2 volumes that no store has; --force formats it anew, and that is lost" \
	format full
page 3 1 2 1 write:3:0:1:1.1.0
refuse 1 "full: journal: page 3: nobody says which volume has handle 3" journal full
refuse 1 "full: is a pool already .*of which nobody knows how much" format full
page 3 1 2 1
page 4 1 3 1 cut:1:0:0:3.0.10
page 5 2 4 1 cut:1:0:0:3.0.10
journal=$(od -An -tu8 -j104 -N8 full)
dd if=/dev/zero of=full bs=8192 count=1 conv=notrunc status=none seek=$((journal / 8192 + 4))
refuse 1 "full: journal: page 4 is not there or damaged" journal full
run 0 "format by force" format full --force
check "and what is lost is said" grep -q 'full: lost: what its volumes had not committed yet' err
run 0 "what was there" journal full
check "is gone" grep -q 'journal is empty' out
refuse 1 "swap: the pool has no journal, so it has no volumes" journal swap
refuse 1 "tiny: no pool here" journal tiny

# ---- format --upgrade ----
run 0 "a pool without a journal" format jpool --force --no-journal --json
offset=$(field slots_offset) table=$(field table_offset) nr=$(field slots)
check "it has none" [ "$(field journal_bytes)" -eq 0 ]
random 8192 >entries
dd if=entries of=jpool bs=4096 seek=$((table / 4096)) conv=notrunc status=none
random 1048576 >content
for i in 0 100; do
	dd if=content of=jpool bs=1M seek=$((offset / 1048576 + i)) conv=notrunc status=none
done
refuse 2 "--slot-size is for a new pool" format jpool --upgrade --slot-size 64K
refuse 2 "--upgrade makes a journal" format jpool --upgrade --no-journal
refuse 1 "jpool: dirty limit: expected" format jpool --upgrade --dirty-max 1G
truncate -s 64M none
refuse 1 "none: no pool here" format none --upgrade
run 0 "upgrade" format jpool --upgrade --json
moved=$((($(field slots_offset) - offset) / 1048576))
check "slots made room, and that is said" [ "$moved" -ge 1 ] && grep -q "takes $moved slots, $moved MiB" err
check "no more than it takes" [ $((moved << 20)) -le "$(field journal_bytes)" ]
check "as many slots less" [ "$(field slots)" -eq $((nr - moved)) ]
check "the table is where it was" [ "$(field table_offset)" -eq "$table" ]
dd if=jpool bs=64 skip=$((table / 64)) count=$((128 - moved)) status=none >now
tail -c +$((moved * 64 + 1)) entries >want
check "its entries moved with their slots" cmp -s now want
dd if=jpool bs=64 skip=$((table / 64 + nr - moved)) count=$moved status=none >now
check "the last ones say nothing" [ -z "$(tr -d '\0' <now)" ]
dd if=jpool bs=1M skip=$((offset / 1048576 + 100)) count=1 status=none >now
check "what is cached stays" cmp -s now content
journal=$(field journal_offset)
dd if=jpool bs=4096 skip=$((journal / 4096)) count=$(($(field journal_bytes) / 4096)) status=none >now
check "the journal is zeros" [ -s now -a -z "$(tr -d '\0' <now)" ]
refuse 1 "jpool: has a journal already" format jpool --upgrade

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
refuse 3 "chunk [08]: " export d nofile --store "$store"
check "a failed export leaves no file of that name" [ ! -e nofile ]
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
printf XXXXXXXX | dd of="$manifest" bs=1 seek=40 conv=notrunc status=none
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
printf '[disk]\npool = p\nmin_slots = 0\n' >disk.conf
refuse 1 "disk.conf:3: min_slots: expected a number of slots" up vm1 --from-config="$dir/disk.conf"
printf '[disk]\npool = p\npin = all\n' >disk.conf
refuse 1 "disk.conf:3: pin: expected yes or no" up vm1 --from-config="$dir/disk.conf"
printf '[disk]\npool = p\nimage = x\nmin_slots = 4\npin = yes\n' >disk.conf
refuse 2 "expected either --pin or --min-slots" up vm1 --from-config="$dir/disk.conf"
refuse 2 "--min-slots: expected a number from 1 to 536870911" up vm1 --image x --pool p --min-slots 0
refuse 2 "expected either --pin or --min-slots" up vm1 --image x --pool p --min-slots 1 --pin
printf '[disks]\npool = p\n' >disk.conf
refuse 1 "disk.conf:1: .disks.: expected the section" up vm1 --from-config="$dir/disk.conf"
printf '[disk]\npool = p\npool = q\n' >disk.conf
refuse 1 "disk.conf:3: pool: is given twice" up vm1 --from-config="$dir/disk.conf"
for key in "size = 10G" "min_slots = 5" "pin = no" "record = auto"; do
	printf '[disk]\n%s\n%s\n' "$key" "$key" >disk.conf
	refuse 1 "disk.conf:3: ${key%% *}: is given twice" up vm1 --from-config="$dir/disk.conf"
done
# As the pool's file is read: nothing of it is cut or passed over.
printf '[disk]\nfeatures = %s\npool = p\ncolour = red\n' "$(printf '%0400d' 0)" >disk.conf
refuse 1 "disk.conf:4: colour: expected pool" up vm1 --from-config="$dir/disk.conf"
printf '\xef\xbb\xbf\t[disk]\r\n  pool = p\r\n\tcolour = red\r\n' >disk.conf
refuse 1 "disk.conf:3: colour: expected pool" up vm1 --from-config="$dir/disk.conf"
printf '[disk]\npool = p\n  more\n' >disk.conf
refuse 1 "disk.conf:3: line: expected .section., key = value" up vm1 --from-config="$dir/disk.conf"
printf '[disk]\npool = p\0q\n' >disk.conf
refuse 1 "disk.conf:2: line: expected text, there is a NUL byte" up vm1 --from-config="$dir/disk.conf"
printf '[disk]\npool = \033[2J\n' >disk.conf
refuse 1 "disk.conf:2: line: expected text in UTF-8" up vm1 --from-config="$dir/disk.conf"
refuse 1 "pool: expected a block device" pool-up p pool
refuse 2 "expected POOL and DEVICE" pool-up p
refuse 2 "--wait: expected" pool-up p pool --wait soon
refuse 1 "later: No such file" pool-up p later --wait 1
(sleep 0.5; touch later) &
refuse 1 "later: expected a block device" pool-up p later --wait 60
wait
refuse 2 "'-': expected a name|no such option" down -- -

end
