#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Clones of a volume that is at work: each begins as the snapshot was, and what one of them or the volume writes is in no
# other; on a host that has none of it in its cache they read what the volume put; a clone of a clone does; and when the
# volume, the snapshot and the clone between are gone, and gc has been there, it still does.
# catches: bytes that are looked for in the wrong volume, places that come twice, a gc or rm that takes what clones have.
# vm: -n 512M -t 300
# short: uml
. "${0%/*}/lib.sh"

load_module
two_hosts 240

extra_store="commit_interval = 100ms"
new_pool_of p0 a 512
pid0=$pid
must chunkctl volume create v --size 32M --chunk-size 64K --store "$store_url"

# up NAME POOL | down NAME
up() { must chunkctl volume up "$1" --pool "$2" --store "$STORE" --config "$WORK/$2.conf"; }
down() { must chunkctl volume down "$1" --store "$STORE" --config $WORK/p0.conf; }
clone() { must chunkctl volume create "$1" --from "$2" --store "$store_url"; }
snapshot() { must chunkctl snapshot create "$1" "$2" --store "$STORE" --config $WORK/p0.conf; }
# put NAME AT COUNT FILE : blocks of random data, also into the file
put() {
	head -c $(($3 * 4096)) /dev/urandom >$WORK/data
	timeout 60 dd if=$WORK/data of=/dev/mapper/$1 bs=64K oflag=direct,seek_bytes seek=$(($2 * 4096)) 2>/dev/null ||
		fail "write to $1"
	dd if=$WORK/data of="$4" bs=64K oflag=seek_bytes seek=$(($2 * 4096)) conv=notrunc 2>/dev/null
}
# reads NAME FILE
reads() { timeout 60 cmp "/dev/mapper/$1" "$2" || fail "$1 is not what it should be"; }

truncate -s 32M $WORK/v
must up_on p0
put v 0 2000 $WORK/v
snapshot v s
cp $WORK/v $WORK/c
cp $WORK/v $WORK/d
put v 100 500 $WORK/v
clone c v@s
clone d v@s
up c p0
reads c $WORK/c
reads v $WORK/v
put c 50 700 $WORK/c
put v 1000 300 $WORK/v
must timeout 60 blkdiscard -o 4194304 -l 1048576 /dev/mapper/c
dd if=/dev/zero of=$WORK/c bs=1M seek=4 count=1 conv=notrunc 2>/dev/null
reads c $WORK/c
reads v $WORK/v
snapshot c s
cp $WORK/c $WORK/e
put c 0 100 $WORK/c
clone e c@s
must chunkctl volume verify e --store "$store_url"

# What was written to a clone outlives its helper.
kill -KILL $pid0
helper_of p0
pid0=$pid
reads c $WORK/c
down c
down v
must in_store c $WORK/c
must in_store v $WORK/v

# On another host, cold; then without all that it was made from
new_pool_of p1 b 512
up e p1
reads e $WORK/e
put e 10 200 $WORK/e
down e
must chunkctl snapshot rm v s --store "$store_url"
must chunkctl volume rm v --store "$store_url"
must chunkctl volume rm c --force --store "$store_url"
find "$STORE_DIR" -type f -exec touch -d '2000-01-01 00:00' {} +
must chunkctl gc --grace 1h --store "$store_url"
up e p1
reads e $WORK/e
down e
for name in d e; do
	must chunkctl volume verify $name --store "$store_url"
	must in_store $name $WORK/$name
done
helper_stop $pid
helper_stop $pid0
finish
