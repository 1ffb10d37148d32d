#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a pool has of a volume that another host went on with takes up slots that may be dirty: writes of another volume
# wait for them. `explain' does not blame the store for that, but says whose they are; as soon as they are given up
# the writes go on, and none has failed.
# catches: a wait that nobody can explain, writes that wait on when there is room again.
# vm: -n 128M
# kernels: uml
. "${0%/*}/lib.sh"

write_chunks() { dd if=/dev/urandom of=/dev/mapper/"$1" bs=64K count="$2" oflag=direct 2>/dev/null; }
waits() { [ "$(volume_held w)" -ge 1 ] && [ "$(slots_log)" -ge 10 ]; }

load_module
two_hosts 24
POOL=pa
new_pool_of pa a 12
pid_a=$pid
new_pool_of pb b 12
pid_b=$pid
for name in v w; do
	must chunkctl volume create $name --size 4M --chunk-size 64K --store $store_url
done
fork=$(cat $STORE_DIR/volume-names/v)
must up_on pa
must chunkctl volume up w --pool pa --store $STORE --config $WORK/pa.conf
kill -STOP $pid_a
must write_chunks v 7
must dmsetup remove v
must up_on pb --take-over
must chunkctl volume down v --store $store_url
kill -CONT $pid_a
must_become 30 grep -q 'volume v: failed: opened by' $WORK/helper-pa.log

write_chunks w 60 &
writer=$!
must_become 30 waits
# It gets room now and then, and waits again.
explained() {
	chunkctl explain w >$WORK/explained
	tr '\n' ' ' <$WORK/explained | grep -q "What the volume $fork wrote here and no store has ([0-9]* KiB) keeps its slots"
}
wait_until 30 explained || { cat $WORK/explained; fail "nobody says what w waits for"; }
chunkctl volume discard-local v --force --store $STORE --config $WORK/pa.conf || fail "discard-local"
wait_for $writer 60 || fail "writes of w"
equal "write errors" "$(volume_word w 7)" 0
must chunkctl volume down w --store $store_url
equal "slots that no store has" "$(slots_log)" 0
helper_stop $pid_a
helper_stop $pid_b
finish
