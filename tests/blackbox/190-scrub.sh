#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Bytes that went wrong on the cache device, without an error, are found by `chunkctl scrub' and by the helper itself
# once in scrub_interval: the slot is dropped, and the next reader gets what the chunk has to be.
# catches: wrong slots that are taken for good or kept, good ones that are dropped, slots that are never looked at.
# short: uml
. "${0%/*}/lib.sh"

NR=200

at() { echo $((slots_start / 4096 + $1 * 16)); }
# rot SLOT : its first page is of other bytes now
rot() {
	dd if=$cache_device bs=4096 skip="$(at "$1")" count=16 iflag=direct of=$WORK/slot 2>/dev/null
	[ -e "$STORE_DIR/chunks/$(sha256sum $WORK/slot | cut -c1-2)/$(sha256sum $WORK/slot | cut -c1-64)" ] ||
		fail "slot $1 holds no chunk"
	head -c 4096 /dev/urandom >$WORK/rot
	must dd if=$WORK/rot of=$cache_device bs=4096 seek="$(at "$1")" oflag=direct conv=notrunc 2>/dev/null
}
scrub_figure() { chunkctl stat --json | sed -n "s/.*\"scrub\":{[^}]*\"$1\":\([0-9]*\).*/\1/p"; }

load_module
image a --seed 190 --size 8M --chunk 64K
image b --seed 191 --size 1M --chunk 64K
http_store
format 64K $NR
pool_up
etc_chunkcache
ln -s $CONF /etc/chunkcache/$POOL.conf
extra_pool="scrub_interval = 0
ram_cache = 0"
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K
valid=$(slots_valid)

chunkctl scrub $POOL >$WORK/scrub || fail "scrub of good slots: $(cat $WORK/scrub)"
grep -q "^$POOL: $valid slots checked, .*; all good" $WORK/scrub || fail "$(cat $WORK/scrub)"
equal "slots after it" "$(slots_valid)" "$valid"

before=$(gets)
rot 3
rot 7
chunkctl scrub $POOL --rate 100M >$WORK/scrub
equal "status of scrub" "$?" 3
grep -q "^$POOL: $valid slots checked, .*; 2 with wrong bytes, dropped" $WORK/scrub || fail "$(cat $WORK/scrub)"
must_become 5 test "$(slots_valid)" -eq $((valid - 2))
verify vm1 a --seq --bs 64K
equal "GETs for them" "$(gets)" $((before + 2))
chunkctl scrub $POOL --json | grep -q "\"checked\":$valid,.*\"wrong\":0,\"bad\":0,\"unread\":0" || fail "after it"

# one that goes on is ended
chunkctl scrub $POOL --rate 64K &
scrub_pid=$!
goes_on() { [ "$(scrub_figure position)" -gt 1 ]; }
must_become 10 goes_on
must chunkctl scrub $POOL --stop
wait $scrub_pid
equal "status of one that was stopped" "$?" 1
at_most "slots that it came to" "$(scrub_figure position)" 100

# while somebody waits for the store nothing is looked at
disk_up vm2 b
must_become 20 disk_is_loaded vm2
http_stop
start_read vm2 b --seq --bs 64K --length 128K
must_become 10 disk_waits vm2
chunkctl scrub $POOL --rate 640K >$WORK/scrub &
scrub_pid=$!
begun() { chunkctl stat --json | grep -q '"asked":true'; }
must_become 10 begun
sleep 2
at_most "slots looked at meanwhile" "$(scrub_figure position)" 1
cc-httpd --root $STORE_DIR --port "$http_port" --log $WORK/access.log >>$WORK/httpd.log 2>&1 &
httpd_pid=$!
end_read "$read_pid" 60
must wait $scrub_pid
disk_down vm2

# by itself, each slot once in the interval
helper_stop
extra_pool="scrub_interval = 8s
ram_cache = 0"
helper_start
equal "wrong before" "$(scrub_figure wrong)" 0
must_become 20 disk_is_loaded vm1
verify vm1 a --seq --bs 64K
rot 11
is_found() { [ "$(scrub_figure wrong)" = 1 ]; }
must_become 30 is_found
verify vm1 a --seq --bs 64K
helper_stop
disk_down vm1
finish
