#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The store is away while a volume is written to, for much longer than anything times out, then there is no helper for
# as long: no write fails, what was flushed is flushed; at the dirty limit writes wait. Then all goes on, and all of it
# gets into the store.
# catches: an error in place of a wait, a retry that gives up or waits for ever, a limit that nothing gets below again.
# vm: -i -n 128M
# vm-long: -t 3600
# kernels: 6.1
. "${0%/*}/lib.sh"

away=$(short 12 600)		# seconds
size=$(short 4M 16M)

is_held() { [ "$(volume_held v)" -ge 1 ]; }
is_running() { [ "$(volume_state v)" = running ]; }
few_dirty() { [ "$(slots_log)" -le 2 ]; }
is_stored() {
	rm -f $WORK/export
	chunkctl volume export v $WORK/export --store $store_url >/dev/null && cmp -s $WORK/export $WORK/base
}

# load RUN : in the background; more than may be dirty
load() {
	cc-volcheck write --log $WORK/history --run "$1" --seed "$1" --ops "$(short 200 1200)" --threads 3 --flush 32 --parts \
		--fua --discard /dev/mapper/v >$WORK/load.log 2>&1 &
	load=$!
}

# waits_for WHAT : for as long as it is away
waits_for() {
	must_become 120 is_held
	sleep "$away"
	gone $load && fail "the load has ended without $1: $(cat $WORK/load.log)"
	is_held || fail "nothing waits for $1"
	at_most "dirty slots" "$(slots_log)" "$dirty_max"
	equal "state without $1" "$(volume_state v)" running
	must timeout 10 dd if=/dev/mapper/v of=/dev/null bs=64K count=16 iflag=direct 2>/dev/null
	at_least "us throttled without $1" "$(volume_word v 9)" $((away * 900000))
}

# goes_on WHAT : it is back
goes_on() {
	wait_for $load 300 || { cat $WORK/load.log; tail $HELPER_LOG; fail "writes, after $1 was away"; }
	must cc-volcheck check --log $WORK/history --promise all --base $WORK/base --save $WORK/base.new /dev/mapper/v
	mv $WORK/base.new $WORK/base
	must_become 120 few_dirty
	must_become 30 is_stored
	equal "write errors" "$(volume_word v 7)" 0
}

load_module
sockets=/run/chunkcache
mkdir -p $sockets
dirty_max=$(short 12 24)
format 64K "" $dirty_max
pool_up
must chunkctl volume create v --size "$size" --chunk-size 64K --store $store_url
truncate -s "$size" $WORK/base
helper_start
must chunkctl volume up v --pool $POOL --store $STORE --config $CONF
must_become 60 is_running

note "no store"
mv $STORE_DIR $STORE_DIR.away
load 1
waits_for "a store"
mv $STORE_DIR.away $STORE_DIR
goes_on "the store"
lines=$(grep -c 'volume v: ' $HELPER_LOG)
note "$lines lines: $(grep -m1 'volume v: commit' $HELPER_LOG)"
at_most "lines about it" "$lines" 30

note "no helper"
helper_kill
load 2
waits_for "a helper"
helper_start
goes_on "the helper"

must chunkctl volume down v --config $CONF
must chunkctl volume verify v --store $store_url
finish
