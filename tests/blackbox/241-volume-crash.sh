#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a volume holds after its helper was killed under load, after a power cut that its cache device survives, and
# after the loss of the host: judged from the log of what was acknowledged.  The power cut is the cache device as it
# was at one moment, under an instance that knows nothing of what came then.
# catches: a flushed write that recovery doesn't bring back, a commit that is no state of the past, a helper that
# forgets what the one before it had not committed.
# vm: -n 256M -t 300
. "${0%/*}/lib.sh"

load_module
store_url=file://$STORE_DIR
half=131072		# sectors
dmsetup create a --table "0 $half linear $NVME 0" || fail "a"
dmsetup create b --table "0 $half linear $NVME $half" || fail "b"

# helper_of NAME : in $pid
helper_of() {
	chunkcached -c /tmp/case/"$1".conf >>/tmp/case/"$1".log 2>&1 &
	pid=$!
	on_exit "kill $pid 2>/dev/null"
	wait_until 90 has_helper "$1" || { tail -n 20 /tmp/case/"$1".log; fail "the helper of $1"; }
}

has_helper() { dmsetup status "$1" | grep -q attached; }

pool_of() {
	must dmsetup create "$1" --table "0 $half chunkcache-pool $2"
	sed "s/^name = .*/name = $1/; s|$WORK/$POOL.sock|/run/chunkcache/$1.sock|" $CONF >/tmp/case/"$1".conf
	helper_of "$1"
}

# committed FILE : what the store has equals it
committed() {
	rm -f $WORK/export
	chunkctl volume export v $WORK/export --store "$store_url" >$WORK/export.log 2>&1 && cmp -s $WORK/export "$1"
}

logs() { tail -n 20 /tmp/case/p?.log; chunkctl volume show v --store "$store_url"; dmsetup status; }

up() { must chunkctl volume up v --pool "$1" --store "$STORE" --config /tmp/case/"$1".conf ${2:+"$2"}; }

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
		{ logs; fail "$1 is not kept"; }
	mv $WORK/base.new $WORK/base
}

killed() { kill -KILL "$1"; must_become 60 gone "$1"; wait "$1" 2>/dev/null; }

# forsaken : the load ends though there is no helper: writes may be held at the dirty limit
forsaken() {
	kill -KILL $load
	must dmsetup wipe_table --noflush v
	must_become 60 gone $load
	wait $load 2>/dev/null
	must_become 30 dmsetup remove v
}

write_config
mkdir -p "$STORE_DIR"
chunkctl format /dev/mapper/a --slot-size 64K --manifest-area 1M --force --dirty-max 24M || fail "format"
pool_of p0 /dev/mapper/a
must chunkctl volume create v --size 8M --chunk-size 64K --store "$store_url"
truncate -s 8M $WORK/base

# The helper is killed under load, twice; then all is there, and comes to the store.
up p0
: >$WORK/log
cc-volcheck write --log $WORK/log --run 1 --ops "$(short 800 20000)" --flush 16 --fua --discard /dev/mapper/v &
load=$!
for after in 2 1; do
	sleep $after
	killed $pid
	helper_of p0
done
wait_for $load 120 || { logs; fail "writes while the helper was killed"; }
judged all
wait_until 60 committed $WORK/base || { logs; fail "in the store, after the helper was killed"; }
note "$(dmsetup status p0)"

# A power cut: the helper is dead, and the device is as it was at one moment.
under_load 2
sleep 3
killed $pid
sleep 0.3
must dmsetup suspend --noflush a
dd if=$NVME of=$NVME bs=1M count=64 skip=0 seek=128 iflag=direct oflag=direct conv=notrunc 2>/dev/null || fail "image"
cp $WORK/log $WORK/log.then
must dmsetup resume a
forsaken
must dmsetup remove p0
dd if=$NVME of=$NVME bs=1M count=64 skip=128 seek=0 iflag=direct oflag=direct conv=notrunc 2>/dev/null || fail "image"
mv $WORK/log.then $WORK/log
pool_of p0 /dev/mapper/a
up p0
judged flushed
recovered=$(grep "recovered up to" /tmp/case/p0.log | tail -n 1)
case $recovered in
*", 0 slots"*) fail "nothing was to be recovered: $recovered" ;;
*) note "$recovered" ;;
esac
wait_until 60 committed $WORK/base || { logs; fail "in the store, after the power cut"; }

# The host and its device are lost.
under_load 3
sleep 4
killed $pid
forsaken
must dmsetup remove p0
dd if=/dev/zero of=/dev/mapper/a bs=1M count=64 oflag=direct 2>/dev/null
chunkctl format /dev/mapper/b --slot-size 64K --manifest-area 1M --force --dirty-max 24M || fail "format"
pool_of p1 /dev/mapper/b
up p1 --take-over
judged prefix
under_load 4
sleep 2
killed $load
must_become 30 cc-volcheck check --log $WORK/log --promise all --base $WORK/base --save $WORK/base.new /dev/mapper/v
must chunkctl volume down v --store "$store_url"
committed $WORK/base.new || { logs; fail "all of it is in the store when it is down"; }
must chunkctl volume verify v --store "$store_url"
equal "slots that no store has" "$(dmsetup status p1 | sed 's/.* log //; s,/.*,,')" 0
kill $pid
wait_for $pid 30
finish
