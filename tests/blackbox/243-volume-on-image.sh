#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A volume on an image, and larger: what was never written reads as the image has it, over the edges of chunks, too,
# and as zeros behind its end; what is written, in part of a block or over an edge, and what is discarded is as it
# should be, here and from the store on another host. A second volume on the image gets no chunk of it twice, and has
# nothing of what the first one wrote. When pool and helper come again the chunks are still there.
# catches: a read that goes on into the slot beside; parts of blocks over something else than the image; a discard
# that shows the image again.
# vm: -n 256M
# kernels: 6.12 uml
# short: uml
. "${0%/*}/lib.sh"

load_module
two_hosts 120

# same NAME FILE : by reads that begin and end within chunks
same() {
	dd if="/dev/mapper/$1" bs=96K iflag=direct of=$WORK/read 2>/dev/null &
	must_become 60 gone $!
	cmp $WORK/read "$2" || fail "$1 is not as it should be"
	dd if="/dev/mapper/$1" bs=160K iflag=fullblock 2>/dev/null | cmp - "$2" || fail "$1, by the page cache"
}

# put OFFSET BYTES : random data there, in the file, too
put() {
	head -c "$2" /dev/urandom >$WORK/data
	timeout 60 dd if=$WORK/data of=/dev/mapper/v bs="$2" count=1 seek="$1" oflag=direct,seek_bytes conv=fsync 2>/dev/null ||
		fail "write of $2 bytes at $1"
	dd if=$WORK/data of=$WORK/want bs="$2" seek="$1" oflag=seek_bytes conv=notrunc 2>/dev/null
}

# cut OFFSET BYTES
cut() {
	timeout 20 blkdiscard -o "$1" -l "$2" /dev/mapper/v || fail "discard of $2 bytes at $1"
	dd if=/dev/zero of=$WORK/want bs="$2" count=1 seek="$1" oflag=seek_bytes conv=notrunc 2>/dev/null
}


# fetched POOL : chunks of images, by its helper
fetched() { cc-ask /run/chunkcache/$1.sock '{"v":1,"cmd":"stat"}' | sed 's/.*"chunks_fetched": *\([0-9]*\).*/\1/'; }

image a --seed 243 --size 4M --chunk 64K
must chunkctl export "$(digest a)" $WORK/image --store "$store_url" >/dev/null
truncate -s 6M $WORK/image
cp $WORK/image $WORK/want
new_pool_of p0 a 256
pid0=$pid
new_pool_of p1 b 256
uuid=$(chunkctl volume create v --image "$(digest a)" --size 6M --store "$store_url") || fail "create"
must chunkctl volume create w --image "$(digest a)" --size 6M --store "$store_url"

note "as the image has it"
must up_on p0
same v $WORK/image

note "whose image has to pay"
cc-ask /run/chunkcache/p0.sock '{"v":1,"cmd":"costs"}' >$WORK/costs
paid=$(sed -n "s/.*\"disk\":\"v\",[^}]*\"digest\":\"$(digest a | sed 's/sha256://')\",[^}]*\"gets\":\([0-9]*\).*/\1/p" $WORK/costs)
at_least "GETs of v" "${paid:-0}" 40

note "written"
put 65024 1024
put $((20 * 65536 - 4096)) 8192
put $((40 * 65536 - 512)) 131072
put $((4194304 - 4096)) 8192
put 5000192 512
cut $((10 * 65536)) 131072
cut $((30 * 65536 + 4096)) 4096
cut $((4194304 - 8192)) 4096
same v $WORK/want
wait_until 30 in_store v $WORK/want || fail "committed"

note "with a new table, and what was cached gone"
must dmsetup reload v --table "0 12288 chunkcache-vol /dev/mapper/p0 $STORE $uuid 0"
must dmsetup suspend v
must dmsetup resume v
must dmsetup message p0 0 drop
same v $WORK/want

note "another one on the same image"
before=$(fetched p0)
at_least "chunks that were fetched" "$before" 40
must chunkctl volume up w --pool p0 --store "$STORE" --config $WORK/p0.conf
same w $WORK/image
equal "chunks that were fetched" "$(fetched p0)" "$before"
must chunkctl volume down w --store "$store_url"

note "on another host"
must chunkctl volume down v --store "$store_url"
must up_on p1
same v $WORK/want
put $((50 * 65536 + 1536)) 1024
same v $WORK/want
must chunkctl volume down v --store "$store_url"
must in_store v $WORK/want
must chunkctl volume verify v --store "$store_url"

note "when pool and helper come again"
helper_stop $pid
must dmsetup remove p1
pool_of p1 b
must up_on p1
same v $WORK/want
equal "chunks that were fetched" "$(fetched p1)" 0
must chunkctl volume down v --store "$store_url"
helper_stop $pid
helper_stop $pid0
finish
