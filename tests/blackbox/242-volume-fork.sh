#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two pools, one volume: what the first has written and not committed when the second takes over is a fork. The first
# pool does not open the volume over it, nor commit any of it; it can be had as a new volume, which is right to the
# last flushed byte; and given up, after which the volume opens there with what the second one wrote.
# catches: a zombie whose commits count, a fork that is merged or lost, slots that stay dirty for ever.
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

up() { chunkctl volume up v --pool "$1" --store "$STORE" --config /tmp/case/"$1".conf ${2:+"$2"}; }

# is_export NAME FILE : the store's content of a volume equals the file
is_export() {
	rm -f /tmp/case/export
	chunkctl volume export "$1" /tmp/case/export --store "$store_url" && cmp -s /tmp/case/export "$2"
}

# put AT COUNT FILE : blocks of random data, flushed, also into the file
put() {
	head -c $(($2 * 4096)) /dev/urandom >/tmp/case/data
	timeout 60 dd if=/tmp/case/data of=/dev/mapper/v bs=4K seek="$1" oflag=direct conv=fsync 2>/dev/null || fail "write"
	dd if=/tmp/case/data of="$3" bs=4K seek="$1" conv=notrunc 2>/dev/null
}

# ask REQUEST : of p0's helper
ask() { cc-ask /run/chunkcache/p0.sock "$1"; }
rescued() { ask '{"v":1,"cmd":"volumes"}' | grep -q '"rescue":"done"'; }
nothing_left() { ! ask '{"v":1,"cmd":"volumes"}' | grep -q "$uuid"; }
logs() { tail -n 20 /tmp/case/p0.log /tmp/case/p1.log; ask '{"v":1,"cmd":"volumes"}'; dmsetup status; }

write_config
mkdir -p "$STORE_DIR" /run/chunkcache
pool_of p0 /dev/mapper/a
pid0=$pid
pool_of p1 /dev/mapper/b
pid1=$pid
on_exit "kill -CONT $pid0 2>/dev/null; kill $pid0 $pid1 2>/dev/null"
must chunkctl volume create v --size 8M --chunk-size 64K --store "$store_url"
uuid=$(cat "$STORE_DIR"/volume-names/v)
truncate -s 8M /tmp/case/first
truncate -s 8M /tmp/case/second

must up p0
put 100 200 /tmp/case/first
wait_until 20 is_export v /tmp/case/first || { logs; fail "committed"; }
cp /tmp/case/first /tmp/case/second
kill -STOP $pid0
put 250 100 /tmp/case/first
put 900 40 /tmp/case/first
must dmsetup remove v

must up p1 --take-over
timeout 60 cmp -s /dev/mapper/v /tmp/case/second || { logs; fail "the second has what was committed"; }
put 280 30 /tmp/case/second
must chunkctl volume down v --store "$store_url"
kill -CONT $pid0
wait_until 30 grep -q 'opened by' /tmp/case/p0.log || { logs; fail "the first one finds out"; }
must is_export v /tmp/case/second

must_fail up p0
ask "{\"v\":1,\"cmd\":\"volume-rescue\",\"volume\":\"$uuid\",\"store\":\"$STORE\",\"as\":\"saved\"}"
wait_until 30 rescued || { logs; fail "rescued"; }
must chunkctl volume verify saved --store "$store_url"
must is_export saved /tmp/case/first
must is_export v /tmp/case/second
ask "{\"v\":1,\"cmd\":\"volume-rescue\",\"volume\":\"$uuid\",\"store\":\"$STORE\",\"as\":\"saved\"}"
wait_until 30 grep -q 'there is a volume of that name' /tmp/case/p0.log || { logs; fail "not twice"; }

ask "{\"v\":1,\"cmd\":\"volume-discard\",\"volume\":\"$uuid\"}"
wait_until 30 nothing_left || { logs; fail "discarded"; }
must up p0
timeout 60 cmp -s /dev/mapper/v /tmp/case/second || { logs; fail "opens again with what the second wrote"; }
must chunkctl volume down v --store "$store_url"
kill $pid0 $pid1
finish
