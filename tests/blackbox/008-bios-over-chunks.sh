#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A read over 2, 3 and 17 chunks, some mapped, some not, is right in each byte; a chunk that
# cannot be had fails the reads that need it and no other.
# catches: a split at the wrong sector, a bio that ends with its first part, an error that
# spreads to neighbours.
# vm: -n 128M
. "${0%/*}/lib.sh"

standard "--seed 8 --size 8M --chunk 64K --holes 1/9"
for chunks in 2 3 17; do
	drop_disk vm1
	# every third chunk becomes a hit
	verify vm1 a --seq --bs 512 --step 192K
	verify vm1 a --seq --offset $((65536 - 512 * 5)) --step 192K \
		--bs $((chunks * 65536 - 65536 + 1024)) --vec 5
	verify vm1 a --bs $(((chunks - 1) * 65536 + 1024)) --count 40
done

image b --seed 80 --size 8M --chunk 64K
bad=40
rm "$(chunk_file b $bad)"
disk_up vm2 b
read_errno vm2 ENODATA --count 1 --seq --offset $((bad * 65536)) --bs 512
cc-io --allow-errors --json --seq --count 1 --offset $(((bad - 8) * 65536)) --bs 1088K \
	/dev/mapper/vm2 >$WORK/out || fail "a read over the bad chunk: $(cat $WORK/out)"
grep -q '"ENODATA":1' $WORK/out || fail "a read over the bad chunk: $(cat $WORK/out)"
verify vm2 b --length $((bad * 65536)) --bs 4K-1M --count 100
verify vm2 b --offset $(((bad + 1) * 65536)) --bs 4K-1M --count 100
finish
