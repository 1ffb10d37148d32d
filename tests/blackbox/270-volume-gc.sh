#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a volume does not need any more leaves the store: what is written and discarded costs next to nothing once it
# is down; and beside a guest that writes all the time gc deletes old commits and packs, with no grace time at all,
# while nothing that is read is missing, also for a helper that is started anew.
# catches: objects of volumes that only grow, a gc that takes what somebody has, log chunks that are numbered anew.
# vm: -n 512M -t 300
# short: uml
. "${0%/*}/lib.sh"

load_module
two_hosts 240

extra_store="commit_interval = 100ms"
new_pool_of p0 a 512
must chunkctl volume create v --size 48M --chunk-size 64K --store "$store_url"
uuid=$(cat "$STORE_DIR"/volume-names/v)
of_v=$STORE_DIR/volumes/$uuid

stored() { find "$of_v" -type f -exec stat -c %s {} + | awk '{ n += $1 } END { print n + 0 }'; }
collect() { must chunkctl gc --grace 0s --store "$store_url"; }
commits() { chunkctl volume show v --json --store "$store_url" >$WORK/shown && json last_commit $WORK/shown; }
clean() { chunkctl volume show v --json --store "$store_url" >$WORK/shown && [ "$(json dirty_bytes $WORK/shown)" = 0 ]; }
# put AT COUNT : blocks of random data, also into the file
put() {
	head -c $(($2 * 4096)) /dev/urandom >$WORK/data
	timeout 60 dd if=$WORK/data of=/dev/mapper/v bs=64K oflag=direct,seek_bytes seek=$(($1 * 4096)) conv=fsync 2>/dev/null ||
		fail "write"
	dd if=$WORK/data of=$WORK/want bs=64K oflag=seek_bytes seek=$(($1 * 4096)) conv=notrunc 2>/dev/null
}

truncate -s 48M $WORK/want
must up_on p0
put 0 4096
wait_until 60 clean || fail "committed"
[ "$(stored)" -gt 16700000 ] || fail "the store has it"
# what was put in the second of the last commit might be for one that is still to come
sleep 1.1
must timeout 60 blkdiscard /dev/mapper/v
truncate -s 0 $WORK/want
truncate -s 48M $WORK/want
must chunkctl volume down v --store "$store_url"
sleep 1.1
collect
[ "$(stored)" -lt 200000 ] || fail "$(stored) bytes are left of nothing"
must in_store v $WORK/want

# What was there before the term, half of it dead soon
must up_on p0
put 1000 1000
put 7000 100
must chunkctl volume down v --store "$store_url"
must up_on p0
put 1500 550
# Two checkpoints of 128 commits each: what was dead at the first is not in the second.
before=$(commits)
n=0
head -c 2097152 /dev/urandom >$WORK/many
while :; do
	dd if=$WORK/many of=/dev/mapper/v bs=64K count=1 skip=$((n % 32)) seek=$((500 + n % 10)) oflag=direct conv=fsync 2>/dev/null ||
		fail "write"
	n=$((n + 1))
	[ $((n % 100)) != 0 ] || collect
	[ $((n % 20)) != 0 ] || [ "$(commits)" -lt $((before + 262)) ] || break
	[ $n -lt 3000 ] || fail "commits are made"
done
put 8000 160
wait_until 60 clean || fail "committed"
sleep 1.1
collect
[ "$(find "$of_v/log" -type f | wc -l)" -lt 200 ] || fail "the log only grows"
# 7.4 MB are live; of what was written to the same place again and again about half has died since the first checkpoint.
[ "$(stored)" -lt $((8000000 + n * 65536 * 3 / 4)) ] || fail "$(stored) bytes are left after $n writes"
kill -KILL $pid
helper_of p0
pid0=$pid
must chunkctl volume verify v --store "$store_url"
timeout 60 cmp /dev/mapper/v $WORK/want || fail "it reads as before"
put 50 10
must chunkctl volume down v --store "$store_url"
collect
must in_store v $WORK/want

# On a host that has none of it in its cache
new_pool_of p1 b 512
must up_on p1
timeout 60 cmp /dev/mapper/v $WORK/want || fail "it reads the same elsewhere"
must chunkctl volume down v --store "$store_url"
helper_stop $pid0
helper_stop $pid
finish
