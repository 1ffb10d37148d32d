#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A device that ends far within the image below its volume: what was written is read, from a log chunk whose number
# in the device's map is that of a chunk of the image, which is cached.
# catches: chunks of the image that are mapped where the log chunks are.
# vm: -n 256M
# kernels: uml
. "${0%/*}/lib.sh"

load_module
two_hosts 120
# Log chunks are counted from the next multiple of 512 on.
image a --seed 244 --size 33M --chunk 64K
new_pool_of p0 a 256
uuid=$(chunkctl volume create v --image "$(digest a)" --store "$store_url") || fail "create"
must chunkctl volume create w --image "$(digest a)" --store "$store_url"
must chunkctl volume up w --pool p0 --store "$STORE" --config $WORK/p0.conf
must timeout 60 dd if=/dev/mapper/w of=$WORK/end bs=1M skip=32 iflag=direct 2>/dev/null
must timeout 60 dd if=/dev/mapper/w of=$WORK/want bs=1M count=2 iflag=direct 2>/dev/null

runs() { [ "$(volume_state v)" = running ]; }
closed() { chunkctl volume show v --json --store "$store_url" | grep -q '"open":false'; }
up() {
	must dmsetup create v --table "0 4096 chunkcache-vol /dev/mapper/p0 $STORE $uuid 0"
	must_become 30 runs
}
same() { timeout 60 dd if=/dev/mapper/v bs=96K iflag=direct 2>/dev/null | cmp - $WORK/want || fail "$1"; }

up
same "as the image has it"
head -c 196608 /dev/urandom >$WORK/data
must dd if=$WORK/data of=/dev/mapper/v bs=64K seek=7 oflag=direct conv=fsync 2>/dev/null
dd if=$WORK/data of=$WORK/want bs=64K seek=7 conv=notrunc 2>/dev/null
same "written"
must dmsetup remove v
must_become 60 closed
up
# Nobody has asked for the log chunk since; what is cached is told at once.
sleep 2
same "when it is up again"
must dmsetup remove v
must chunkctl volume down w --store "$store_url"
helper_stop $pid
finish
