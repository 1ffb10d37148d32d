#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two pools, one volume: what the first has written and not committed when the second takes over is a fork. The first
# pool does not open the volume over it, nor commit any of it; it can be had as a new volume, which is right to the
# last flushed byte; and given up, after which the volume opens there with what the second one wrote.
# catches: a zombie whose commits count, a fork that is merged or lost, slots that stay dirty for ever.
# vm: -n 512M -t 300
# short: uml
. "${0%/*}/lib.sh"

load_module
two_hosts 240

# put AT COUNT FILE : blocks of random data, flushed, also into the file
put() {
	head -c $(($2 * 4096)) /dev/urandom >$WORK/data
	timeout 60 dd if=$WORK/data of=/dev/mapper/v bs=4K seek="$1" oflag=direct conv=fsync 2>/dev/null || fail "write"
	dd if=$WORK/data of="$3" bs=4K seek="$1" conv=notrunc 2>/dev/null
}

# ask REQUEST : of p0's helper
ask() { cc-ask /run/chunkcache/p0.sock "$1"; }
nothing_left() { ! ask '{"v":1,"cmd":"volumes"}' | grep -q "$uuid"; }

new_pool_of p0 a 256
pid0=$pid
new_pool_of p1 b 256
pid1=$pid
must chunkctl volume create v --size 8M --chunk-size 64K --store "$store_url"
uuid=$(cat "$STORE_DIR"/volume-names/v)
truncate -s 8M $WORK/first
truncate -s 8M $WORK/second

must up_on p0
put 100 200 $WORK/first
wait_until 20 in_store v $WORK/first || fail "committed"
cp $WORK/first $WORK/second
kill -STOP $pid0
put 250 100 $WORK/first
put 900 40 $WORK/first
must dmsetup remove v

must up_on p1 --take-over --json >$WORK/said
must grep -q '"open":true,"taken_over":true}$' $WORK/said
timeout 60 cmp -s /dev/mapper/v $WORK/second || fail "the second has what was committed"
put 280 30 $WORK/second
must chunkctl volume down v --store "$store_url"
kill -CONT $pid0
wait_until 30 grep -q 'opened by' $WORK/helper-p0.log || fail "the first one finds out"
must in_store v $WORK/second

must_fail up_on p0
here="--store $STORE --config $WORK/p0.conf"
# What a rescue needs is kept.
sleep 1.1
must chunkctl gc --grace 0s --store "$store_url"
# words
# shellcheck disable=SC2086
must timeout 60 chunkctl volume rescue v --as saved --json $here >$WORK/said
must grep -qx '{"name":"v","as":"saved","pool":"p0"}' $WORK/said
must chunkctl volume verify saved --store "$store_url"
must in_store saved $WORK/first
must in_store v $WORK/second
# shellcheck disable=SC2086
must_fail timeout 60 chunkctl volume rescue v --as saved $here
must grep -q 'there is a volume of that name' $WORK/helper-p0.log

# shellcheck disable=SC2086
must timeout 60 chunkctl volume discard-local v --json $here >$WORK/said
must grep -qE '^\{"name":"v","pool":"p0","dirty_bytes":[1-9][0-9]*\}$' $WORK/said
wait_until 30 nothing_left || fail "discarded"
must up_on p0 --json >$WORK/said
must grep -qE '^\{"name":"v","uuid":"'"$uuid"'","pool":"p0","store":"'$STORE'","open":true,"taken_over":false\}$' $WORK/said
timeout 60 cmp -s /dev/mapper/v $WORK/second || fail "opens again with what the second wrote"
must chunkctl volume down v --store "$store_url"
helper_stop $pid0
helper_stop $pid1
finish
