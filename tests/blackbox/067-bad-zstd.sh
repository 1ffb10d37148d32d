#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Compressed chunks: right ones are served; a frame that is cut off, followed by more, of another size, that expands to
# many times a chunk, or that is none fails its reads with EILSEQ, costs the helper no memory, and hurts no other.
# catches: a frame's own word on its size believed, bytes behind a frame ignored, output beyond the chunk.
# vm: -n 64M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

load_module
image a --seed 67 --size 2M --chunk 64K --holes 1/8
# shellcheck disable=SC2046
must cc-mkimage $(opts a) $WORK/raw
chunkctl import $WORK/raw --name z --compress --chunk-size 64K --store file://$STORE_DIR >$WORK/import 2>&1 ||
	fail "import: $(cat $WORK/import)"
digest_z=$(cat $STORE_DIR/images/z)
sectors_z=$(sectors a)
[ "$digest_z" != "$digest_a" ] || fail "a compressed image has the digest of the raw one"
yes | head -c 16777216 >$WORK/bomb
chunkctl import $WORK/bomb --name bomb --compress --chunk-size 16M --store file://$STORE_DIR >/dev/null 2>&1 ||
	fail "import of the bomb"
bomb=$(find $STORE_DIR/chunks -name '*.zst' -newer $STORE_DIR/images/z)
note "a frame of $(stat -c %s "$bomb") bytes expands to 16 MiB"
# only compressed ones are left to be served
find $STORE_DIR/chunks -type f ! -name '*.zst' -delete
http_store

chunks=
next=0
# break_chunk COMMAND : on $object, the file of the next chunk that is no hole
break_chunk() {
	while object=$(chunk_file a $next).zst; [ ! -f "$object" ]; do
		next=$((next + 1))
		[ $next -lt 32 ] || fail "no chunk left to break"
	done
	chunks="$chunks $next"
	next=$((next + 1))
	cp "$object" "$object.good"
	eval "$1"
}

other=$(chunk_file a 31).zst
break_chunk 'truncate -s $(($(stat -c %s "$object") - 1)) "$object"'
break_chunk 'truncate -s 100 "$object"'
break_chunk ': >"$object"'
break_chunk 'printf x >>"$object"'
break_chunk 'cat "$object.good" >>"$object"'
break_chunk 'cp "$bomb" "$object"'
break_chunk 'cp "$other" "$object"'
break_chunk 'head -c 65536 $WORK/raw >"$object"'
break_chunk 'head -c 4194304 $WORK/bomb >"$object"'

format
pool_up
helper_start
disk_up vm1 z
must_become 20 disk_is_loaded vm1
locked() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/$helper_pid/status; }
verify vm1 a --seq --bs 64K --offset $((next * 65536))
before=$(locked)
for chunk in $chunks; do
	read_errno vm1 EILSEQ --seq --count 1 --offset $((chunk * 65536)) --bs 4K
done
note "the helper's memory: $before KiB before, $(locked) KiB at most since"
at_most "KiB of memory for bad frames" $(($(locked) - before)) 2048
at_most "GETs of a bad frame" "$(gets "$(chunk_id a "${chunks##* }")")" 2
valid=$(slots_valid)
verify vm1 a --bs 4K --offset $((next * 65536))
equal "slots that bad frames took" "$(slots_valid)" "$valid"

note "put right"
for chunk in $chunks; do
	object=$(chunk_file a "$chunk").zst
	mv "$object.good" "$object"
done
last_reads() { cc-io --seq --count 1 --offset $((chunk * 65536)) /dev/mapper/vm1 >/dev/null 2>&1; }
must_become 60 last_reads
verify vm1 a --seq --bs 64K
finish
