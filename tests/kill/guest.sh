#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A host of the volume v, until it is killed.  guest.sh SHARED RUN first|same|other|zombie: SHARED is a directory of the
# machine outside; it has the store, in `history' what the life before did, in `base' what v held before that.  same: the
# life before had this cache device; other: the volume is taken over; zombie: as same, but it is stopped, goes on
# when another host has the volume, and looks after what only it has.
. "${0%/*}/lib.sh"

run=$2
shared=/tmp/shared
store_dir=/tmp/store
# shellcheck disable=SC2034 # where chunkctl looks
sockets=/run/chunkcache
mkdir -p $shared
must mount -t hostfs none $shared -o "$1"
must mount -t hostfs none $store_dir -o "$1/store"
hostname "host-$run"
load_module

pool_is_new() {
	must chunkctl format "$NVME" --slot-size 64K --manifest-area 1M --dirty-max 4M --force >/dev/null
}

up() { must chunkctl volume up v --pool $POOL --store $STORE --config $CONF "$@"; }
state() { dmsetup status v | awk '{ print $16 }'; }
has_failed() { [ "$(state)" = failed ]; }

# judged FILE PROMISE HISTORY BASE [FOUND]
judged() {
	cc-volcheck check --log "$3" --promise "$2" --base "$4" ${5:+--save "$5"} "$1" >$WORK/judge.log 2>&1 || {
		cat $WORK/judge.log $HELPER_LOG
		fail "$1 does not keep its word: $2"
	}
}

# The serial line outlives this machine: what is written to it is outside at once.
load() {
	cc-volcheck write --log /proc/self/fd/1 --run "$run" --seed "$run" --seconds 900 --threads 2 --flush 8 --parts --fua \
		--discard /dev/mapper/v 2>$WORK/load.log
}

# rescued : what only this host has is a volume of its own, and all that it was told is written is in there
rescued() {
	must_become 120 has_failed
	equal "reasons" "$(grep -c 'volume v: failed' $HELPER_LOG)" 1
	note "$(sed -n 's/.*volume v: failed: /failed: /p' $HELPER_LOG)"
	echo "@over"
	must_become 120 test -e "$shared/zombie-$run"
	must dmsetup remove v
	must chunkctl volume rescue v --as "saved-$run" --store $STORE --config $CONF
	must chunkctl volume verify "saved-$run" --store $store_url
	must chunkctl volume export "saved-$run" $WORK/export --store $store_url
	judged $WORK/export all "$shared/zombie-$run" $WORK/base
	must chunkctl volume discard-local v --store $STORE --config $CONF 2>/dev/null
	helper_stop
	echo "@rescued"
}

case $3 in
first | other) pool_is_new ;;
esac
[ "$3" != first ] || must chunkctl volume create v --size 4M --chunk-size 64K --store $store_url
pool_up
helper_start
case $3 in
first)	up ;;
other)	up --take-over
	judged /dev/mapper/v prefix $shared/history $shared/base $shared/found ;;
*)	up
	judged /dev/mapper/v flushed $shared/history $shared/base $shared/found ;;
esac
if [ "$3" != first ]; then
	sync
	mv $shared/found $shared/base
fi
cp $shared/base $WORK/base
echo "@judged"
load
[ "$3" = zombie ] || { cat $WORK/load.log $HELPER_LOG; fail "the load has ended"; }
rescued
pool_down
must umount $store_dir
must umount $shared
finish
