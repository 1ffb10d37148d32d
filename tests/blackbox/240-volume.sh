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
store_url=file://$STORE_DIR
dmsetup create a --table "0 491520 linear $NVME 0" || fail "a"
dmsetup create b --table "0 491520 linear $NVME 491520" || fail "b"

# pool_of NAME DEVICE : formatted, up, with a helper; its process is in $pid
pool_of() {
	must chunkctl format "$2" --slot-size 64K --manifest-area 1M --force --dirty-max 16M
	must dmsetup create "$1" --table "0 $(device_sectors "$2") chunkcache-pool $2"
	# Where chunkctl looks for the helper of a pool.
	sed "s/^name = .*/name = $1/; s|$WORK/$POOL.sock|/run/chunkcache/$1.sock|" $CONF >/tmp/case/"$1".conf
	chunkcached -c /tmp/case/"$1".conf >>/tmp/case/"$1".log 2>&1 &
	pid=$!
	wait_until 90 has_helper "$1" || { tail -n 20 /tmp/case/"$1".log; fail "the helper of $1"; }
}

has_helper() { dmsetup status "$1" | grep -q attached; }

# committed : what the store has equals the file
committed() {
	rm -f /tmp/case/export
	chunkctl volume export v /tmp/case/export --store "$store_url" && cmp -s /tmp/case/export /tmp/case/want
}

# in_device : what the device has equals the file
in_device() { dd if=/dev/mapper/v bs=64K iflag=direct 2>/dev/null | cmp -s - /tmp/case/want; }

logs() { tail -n 20 /tmp/case/p0.log /tmp/case/p1.log; chunkctl volume show v --store "$store_url"; dmsetup status; }

write_config
mkdir -p "$STORE_DIR" /run/chunkcache
pool_of p0 /dev/mapper/a
pid0=$pid
pool_of p1 /dev/mapper/b
pid1=$pid
on_exit "kill $pid0 $pid1 2>/dev/null"
must chunkctl volume create v --size 8M --chunk-size 64K --store "$store_url"
truncate -s 8M /tmp/case/want

must chunkctl volume up v --pool p0 --store "$STORE" --config /tmp/case/p0.conf
head -c 3000000 /dev/urandom >/tmp/case/data
for at in 0 5 70 300; do
	timeout 60 dd if=/tmp/case/data of=/dev/mapper/v bs=4K seek=$at oflag=direct conv=fsync count=$((at + 40)) 2>/dev/null ||
		{ logs; fail "write at $at"; }
	dd if=/tmp/case/data of=/tmp/case/want bs=4K seek=$at conv=notrunc count=$((at + 40)) 2>/dev/null
done
timeout 20 blkdiscard -o 40960 -l 81920 /dev/mapper/v || fail "discard"
dd if=/dev/zero of=/tmp/case/want bs=4K seek=10 count=20 conv=notrunc 2>/dev/null
in_device || { logs; fail "it reads back"; }
wait_until 20 committed || { logs; fail "committed within seconds"; }
must_fail chunkctl volume up v --pool p1 --store "$STORE" --config /tmp/case/p1.conf
must chunkctl volume down v --store "$store_url"
grep -q closed /tmp/case/p0.log || { logs; fail "closed"; }

must chunkctl volume up v --pool p1 --store "$STORE" --config /tmp/case/p1.conf
in_device || { logs; fail "another pool has it all"; }
dd if=/tmp/case/data of=/dev/mapper/v bs=4K seek=900 oflag=direct conv=fsync count=100 2>/dev/null
dd if=/tmp/case/data of=/tmp/case/want bs=4K seek=900 conv=notrunc count=100 2>/dev/null
wait_until 20 committed || { logs; fail "committed by the other"; }
kill -KILL $pid1
wait $pid1 2>/dev/null
must dmsetup remove v
must dmsetup remove p1
dd if=/dev/zero of=/dev/mapper/b bs=1M count=16 2>/dev/null
must_fail chunkctl volume up v --pool p0 --store "$STORE" --config /tmp/case/p0.conf
must chunkctl volume up v --pool p0 --store "$STORE" --config /tmp/case/p0.conf --take-over
in_device || { logs; fail "taken over, with what was committed"; }
must chunkctl volume verify v --store "$store_url"
must chunkctl volume down v --store "$store_url"
kill $pid0
finish
