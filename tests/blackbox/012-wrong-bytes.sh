#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A store that lies: an object with other bytes, too short or too long is fetched again, then the read
# fails with EILSEQ; no wrong byte ever reaches a reader, the cache or another disk.
# catches: bytes served or cached before they were hashed, an object's length believed.
# vm: -n 64M
# short: 6.12
. "${0%/*}/lib.sh"

http_store
load_module
image a --seed 12 --size 2M --chunk 64K
good=$WORK/good
flip() { printf '\252' | dd of="$(chunk_file a "$1")" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
cp "$(chunk_file a 5)" $good
flip 5 1000
flip 6 0
flip 7 65535
truncate -s 65024 "$(chunk_file a 8)"
truncate -s 66048 "$(chunk_file a 9)"
: >"$(chunk_file a 10)"
cp "$(chunk_file a 12)" "$(chunk_file a 11)"
format
pool_up
helper_start
disk_up vm1 a
disk_up vm2 a
for chunk in 5 6 7 8 9 10 11; do
	read_errno vm1 EILSEQ --seq --count 1 --offset $((chunk * 65536)) --bs 64K
done
at_least "GETs of a wrong object" "$(gets "$(chunk_id a 5)")" 2
read_errno vm2 EILSEQ --seq --count 1 --offset $((5 * 65536)) --bs 512
at_least "errors counted" "$(disk_counter vm1 errors_corrupt)" 7
verify vm1 a --length $((5 * 65536)) --seq
verify vm1 a --offset $((12 * 65536)) --seq
verify vm2 a --seq --bs 4K-128K --allow-errors
equal "chunks in the cache" "$(slots_valid)" 25

note "the object is put right"
cp $good "$(chunk_file a 5)"
chunk_5_reads() { cc-io --seq --count 1 --offset $((5 * 65536)) /dev/mapper/vm1 >/dev/null 2>&1; }
must_become 60 chunk_5_reads
verify vm1 a --seq --count 1 --offset $((5 * 65536)) --bs 64K
finish
