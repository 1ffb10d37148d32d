#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a volume holds after its helper was killed under load, after a power cut that its cache device survives, and
# after the loss of the host: judged from the log of what was acknowledged.  The power cut is the cache device as it
# was at one moment, under an instance that knows nothing of what came then.
# catches: a flushed write that recovery doesn't bring back, a commit that is no state of the past, a helper that
# forgets what the one before it had not committed.
# vm: -n 256M -t 300
# short: uml
. "${0%/*}/lib.sh"

load_module
two_hosts 64

# under_load RUN : in the background; the process is in $load
under_load() {
	: >$WORK/log
	cc-volcheck write --log $WORK/log --run "$1" --seconds 600 --threads 2 --flush 8 --fua --discard --seed "$1" \
		/dev/mapper/v >$WORK/load.log 2>&1 &
	load=$!
	on_exit "kill $load 2>/dev/null"
}

# judged PROMISE : what v holds becomes the base of the next run
judged() {
	cc-volcheck check --log $WORK/log --promise "$1" --base $WORK/base --save $WORK/base.new /dev/mapper/v ||
		fail "$1 is not kept"
	mv $WORK/base.new $WORK/base
}

# forsaken : the load ends though there is no helper: writes may be held at the dirty limit
forsaken() {
	kill -KILL $load
	must dmsetup wipe_table --noflush v
	must_become 60 gone $load
	wait $load 2>/dev/null
	must_become 30 dmsetup remove v
}

new_pool_of p0 a 384
must chunkctl volume create v --size 8M --chunk-size 64K --store "$store_url"
truncate -s 8M $WORK/base

# The helper is killed under load, twice; then all is there, and comes to the store.
must up_on p0
: >$WORK/log
cc-volcheck write --log $WORK/log --run 1 --ops "$(short 800 20000)" --flush 16 --fua --discard /dev/mapper/v &
load=$!
for after in 2 1; do
	sleep $after
	helper_kill $pid
	helper_of p0
done
wait_for $load 120 || fail "writes while the helper was killed"
judged all
wait_until 60 in_store v $WORK/base || fail "in the store, after the helper was killed"
note "$(dmsetup status p0)"

# A power cut: the helper is dead, and the device is as it was at one moment.
under_load 2
sleep 3
helper_kill $pid
sleep 0.3
must dmsetup suspend --noflush a
dd if=$NVME of=$NVME bs=1M count=64 skip=0 seek=128 iflag=direct oflag=direct conv=notrunc 2>/dev/null || fail "image"
cp $WORK/log $WORK/log.then
must dmsetup resume a
forsaken
must dmsetup remove p0
dd if=$NVME of=$NVME bs=1M count=64 skip=128 seek=0 iflag=direct oflag=direct conv=notrunc 2>/dev/null || fail "image"
mv $WORK/log.then $WORK/log
pool_of p0 a
must up_on p0
judged flushed
recovered=$(grep "recovered up to" $WORK/helper-p0.log | tail -n 1)
case $recovered in
*", 0 slots"*) fail "nothing was to be recovered: $recovered" ;;
*) note "$recovered" ;;
esac
wait_until 60 in_store v $WORK/base || fail "in the store, after the power cut"

# The host and its device are lost.
under_load 3
sleep 4
helper_kill $pid
forsaken
must dmsetup remove p0
dd if=/dev/zero of=/dev/mapper/a bs=1M count=64 oflag=direct 2>/dev/null
new_pool_of p1 b 384
must up_on p1 --take-over
judged prefix
under_load 4
sleep 2
kill -KILL $load
wait $load 2>/dev/null
judged all
must chunkctl volume down v --store "$store_url"
in_store v $WORK/base || fail "all of it is in the store when it is down"
must chunkctl volume verify v --store "$store_url"
equal "slots that no store has" "$(dmsetup status p1 | sed 's/.* log //; s,/.*,,')" 0
helper_stop $pid
finish
