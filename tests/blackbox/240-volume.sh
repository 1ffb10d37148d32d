#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A volume from its creation to another pool: what is written reads back, and is in the store within seconds; after
# `volume down' another pool opens it and has all; after the death of that one's helper and pool, without warning,
# the first one takes over and has what was committed.
# catches: a write that no commit takes, a volume that opens as something else, an owner that nobody can replace.
# vm: -n 512M -t 300
. "${0%/*}/lib.sh"

load_module
two_hosts 240

# in_device : what the device has equals the file
in_device() { dd if=/dev/mapper/v bs=64K iflag=direct 2>/dev/null | cmp -s - $WORK/want; }

new_pool_of p0 a 256
pid0=$pid
new_pool_of p1 b 256
pid1=$pid
must chunkctl volume create v --size 8M --chunk-size 64K --store "$store_url"
truncate -s 8M $WORK/want

must up_on p0
head -c 3000000 /dev/urandom >$WORK/data
for at in 0 5 70 300; do
	timeout 60 dd if=$WORK/data of=/dev/mapper/v bs=4K seek=$at oflag=direct conv=fsync count=$((at + 40)) 2>/dev/null ||
		fail "write at $at"
	dd if=$WORK/data of=$WORK/want bs=4K seek=$at conv=notrunc count=$((at + 40)) 2>/dev/null
done
timeout 20 blkdiscard -o 40960 -l 81920 /dev/mapper/v || fail "discard"
dd if=/dev/zero of=$WORK/want bs=4K seek=10 count=20 conv=notrunc 2>/dev/null
in_device || fail "it reads back"
wait_until 20 in_store v $WORK/want || fail "committed within seconds"
must_fail up_on p1
must chunkctl volume down v --store "$store_url"
grep -q closed $WORK/helper-p0.log || fail "closed"

must up_on p1
in_device || fail "another pool has it all"
dd if=$WORK/data of=/dev/mapper/v bs=4K seek=900 oflag=direct conv=fsync count=100 2>/dev/null
dd if=$WORK/data of=$WORK/want bs=4K seek=900 conv=notrunc count=100 2>/dev/null
wait_until 20 in_store v $WORK/want || fail "committed by the other"
helper_kill $pid1
must dmsetup remove v
must dmsetup remove p1
dd if=/dev/zero of=/dev/mapper/b bs=1M count=16 2>/dev/null
must_fail up_on p0
must up_on p0 --take-over
in_device || fail "taken over, with what was committed"
must chunkctl volume verify v --store "$store_url"
must chunkctl volume down v --store "$store_url"
helper_stop $pid0
finish
