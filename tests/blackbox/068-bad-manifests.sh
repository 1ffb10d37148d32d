#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A manifest that is truncated, of another magic, version or size, too large, or not what its
# digest says is refused with a reason; the disk's reads fail with EIO at once and others go on.
# catches: a header field believed unchecked, a manifest used before its digest was compared.
# vm: -n 64M
# short: 6.12
. "${0%/*}/lib.sh"

load_module
image a --seed 68 --size 1M --chunk 64K
sectors=$(sectors a)
good=$STORE_DIR/manifests/$(digest a | cut -d: -f2)
format
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq

# refused WHAT DIGEST : a disk with this manifest
refused() {
	must dmsetup create -r bad --table "0 $sectors chunkcache /dev/mapper/$POOL $STORE $2"
	wait_until 30 disk_is_refused bad || fail "not refused: $1: $(dmsetup status bad)"
	start=$(now_ms)
	read_errno bad EIO --seq --count 1
	at_most "ms until EIO: $1" $(($(now_ms) - start)) 10000
	log_has "bad.*refused" || note "no word of it in the kernel's log"
	must dmsetup remove bad
	note "$1: $(dmesg | grep -i manifest | tail -n 1)"
}

# changed WHAT OFFSET HEX : the good one with other bytes, under its own digest
changed() {
	cp "$good" $WORK/manifest
	printf '%s' "$3" | xxd -r -p | dd of=$WORK/manifest bs=1 seek="$2" conv=notrunc 2>/dev/null
	manifest_put $WORK/manifest
	refused "$1" "$digest"
}

cut_to() {
	head -c "$2" "$good" >$WORK/manifest
	manifest_put $WORK/manifest
	refused "$1" "$digest"
}

cut_to "empty" 0
cut_to "half a header" 20
cut_to "a header only" 40
cut_to "one ID short" $(($(stat -c %s "$good") - 32))
cut_to "one byte short" $(($(stat -c %s "$good") - 1))
cp "$good" $WORK/manifest
printf x >>$WORK/manifest
manifest_put $WORK/manifest
refused "one byte more" "$digest"
changed "magic" 0 58
changed "version 2" 8 "$(le 4 2)"
changed "version 0" 8 "$(le 4 0)"
changed "chunk of 32 KiB" 12 "$(le 4 15)"
changed "chunk of 32 MiB" 12 "$(le 4 25)"
changed "chunk of 2^255" 12 ff000000
changed "chunk unlike the pool's slot" 12 "$(le 4 17)"
changed "image of no bytes" 16 "$(le 8 0)"
changed "image not in sectors" 16 "$(le 8 1048575)"
changed "image of one chunk more" 16 "$(le 8 $((1048576 + 65536)))"
changed "2^40 chunks" 16 "$(le 8 72057594037927936)"
changed "2^64 - 512 bytes" 16 00feffffffffffff
changed "encoding 7" 24 "$(le 4 7)"
changed "reserved field" 28 01000000

note "content that is not what the digest says"
cp "$good" $WORK/manifest
printf x >>$WORK/manifest
wrong=1111111111111111111111111111111111111111111111111111111111111111
cp "$good" $STORE_DIR/manifests/$wrong
refused "other content" sha256:$wrong
verify vm1 a --seq
equal "errors of the good disk" "$(disk_errors vm1)" 0
finish
