#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What one start read is recorded, merged into the store, and there before the next start on another pool
# asks for it: that one misses nothing, and nothing is fetched that it does not read.  A start that finds
# all in the cache is recorded as well.  record=auto makes a trace for an image that has none.
# catches: touches not recorded, in another order, or only of misses; a trace not replayed, or chunks fetched that
# no start reads.
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

disks() { cc-ask $WORK/$POOL.sock '{"v":1,"cmd":"disks"}'; }
# ahead NAME | traced NAME : of what was fetched ahead for vm1, of its boot trace
ahead() { disks | sed -n "s/.*\"prefetch\":{[^}]*\"$1\":\([0-9]*\).*/\1/p"; }
traced() { disks | sed -n "s/.*\"replay\":{[^}]*\"$1\":\"*\([a-z0-9]*\).*/\1/p"; }
has_no_trace() { [ "$(traced state)" = none ]; }
replayed() { [ "$(traced state)" = given ] && [ "$(ahead pending)" = 0 ]; }
touches() {
	cc-ask $WORK/$POOL.sock '{"v":1,"cmd":"record","disk":"vm1"}' |
		sed 's/.*"touches":\[\([^]]*\)\].*/\1/' | tr ',' '\n' | awk 'NR % 2' | tr '\n' ' '
}
all_are_heard_of() { [ "$(touches)" = "$(echo "$order" | tr '\n' ' ')" ]; }
# The same 30 chunks at each start, in no order that anybody could guess.
start_guest() {
	for chunk in $order; do
		verify vm1 a --seq --bs 64K --offset $((chunk * 64))K --length 64K
	done
}
store_trace() { must chunkctl record vm1 --store file://$STORE_DIR "$@" >$WORK/said; cat $WORK/said; }

replay='replay = yes'
http_store
standard "--seed 102 --size 16M --chunk 64K"
etc_chunkcache disks
ln -s $CONF /etc/chunkcache/$POOL.conf
order=$(awk 'BEGIN { for (i = 0; i < 30; i++) print (i * 37 + 11) % 256 }')
must_become 20 disk_is_loaded vm1
must_become 20 has_no_trace
must_fail chunkctl record vm1 --store file://$STORE_DIR

start_guest
equal_gets 30
must_become 5 all_are_heard_of
store_trace
grep -q '^30 chunks in .* of 1 runs in the trace 30 chunks' $WORK/said || fail "what record says"

# another pool
disk_down vm1
drop_pool
helper_stop
pool_down
format
pool_up
helper_start
disk_up vm1 a
must_become 30 replayed
equal "runs of the trace" "$(traced runs)" 1
equal "fetched ahead" "$(ahead fetched)" 30
equal_gets 60
start_guest
must_become 5 all_are_heard_of
equal "misses of the second start" "$(disk_misses vm1)" 0
equal "used" "$(ahead used)" 30
equal "read as the trace says" "$(traced matched)" 30
equal "read otherwise" "$(traced strayed)" 0
at_least "ms saved" "$(ahead saved_ms)" 1
equal_gets 60
must chunkctl stat vm1 >$WORK/said
grep -q "ahead: 30 fetched, 30 used, 0 late, 0 evicted unread" $WORK/said || { cat $WORK/said; fail "stat"; }

# the same pool, all of it cached
disk_down vm1
disk_up vm1 a
must_become 30 replayed
equal "given of what is there" "$(traced given)" 0
start_guest
equal_gets 60
must_become 5 all_are_heard_of
store_trace
grep -q 'of 2 runs in the trace 30 chunks' $WORK/said || fail "two runs"

# by itself
trace=$STORE_DIR/traces/$(digest a | cut -d: -f2)
before=$(sha256sum "$trace")
must chunkctl record vm1 --auto --for 1 --store file://$STORE_DIR
printf '[disk]\npool = %s\nrecord = auto\n' $POOL >/etc/chunkcache/disks/vm1.conf
must chunkctl record vm1 --auto --for 1 --store file://$STORE_DIR
equal "a trace that was there" "$(sha256sum "$trace")" "$before"
rm "$trace"
sed -i 's/auto/no/' /etc/chunkcache/disks/vm1.conf
must chunkctl record vm1 --auto --for 1 --store file://$STORE_DIR
[ ! -e "$trace" ] || fail "recorded without being told to"
sed -i 's/= no/= auto/' /etc/chunkcache/disks/vm1.conf
must chunkctl record vm1 --auto --for 5 --store file://$STORE_DIR
[ -s "$trace" ] || fail "record=auto made no trace"

# what was read before this helper came is not known
helper_stop
helper_start
must_become 20 disk_is_loaded vm1
must_fail chunkctl record vm1 --store file://$STORE_DIR
finish
