#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An image that ends inside a chunk, and a manifest that has that chunk in its middle: what follows the image's end
# is zeros, never what the slot held before.
# catches: a last chunk written or answered short, a slot that is not written in full.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image p --seed 79 --size $((4 * 65536 + 512 * 3)) --chunk 64K
last=$(chunk_id p 4)
crafted q $((5 * 65536)) "$last" "$(chunk_id p 1)" "$last" "$(chunk_id p 2)" "$last"
for id in "$last" "$(chunk_id p 1)" "$last" "$(chunk_id p 2)" "$last"; do
	cat "$STORE_DIR/chunks/$(echo "$id" | cut -c1-2)/$id"
done >$WORK/expected
equal "bytes of the expected disk" "$(stat -c %s $WORK/expected)" $((5 * 65536))

head -c 65536 /dev/zero | tr '\0' '\356' >$WORK/secret
i=0
while dd if=$WORK/secret of="$NVME" bs=64K seek=$i conv=notrunc 2>/dev/null && [ $i -lt 1023 ]; do
	i=$((i + 1))
done
must chunkctl format "$cache_device" --slot-size 64K --manifest-area 1M --no-discard --force \
	>$WORK/format.log 2>&1
pool_up
helper_start
disk_up vm1 p
disk_up vm2 q
verify vm1 p --seq --bs 512 --offset $((4 * 65536))
verify vm1 p --seq --bs 1M
for pass in cold warm; do
	must dd if=/dev/mapper/vm2 of=$WORK/got bs=4096 iflag=direct 2>/dev/null
	cmp $WORK/expected $WORK/got || fail "$pass: other bytes"
	LC_ALL=C tr -d '\000-\355\357-\377' <$WORK/got >$WORK/leak
	expected=$(LC_ALL=C tr -d '\000-\355\357-\377' <$WORK/expected | wc -c)
	equal "bytes of the former content, $pass" "$(stat -c %s $WORK/leak)" "$expected"
done

note "the same through MISS_DATA: no slot is free"
disk_down vm1
disk_down vm2
helper_stop
pool_down
format 64K 1
pool_up
helper_start
disk_up vm1 p
disk_up vm2 q
start_read vm1 p --bs 512-256K --depth 4 --count 50
must dd if=/dev/mapper/vm2 of=$WORK/got bs=1M iflag=direct 2>/dev/null
cmp $WORK/expected $WORK/got || fail "small pool: other bytes"
end_read "$read_pid" 60
finish
