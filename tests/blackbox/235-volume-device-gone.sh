#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The cache device goes under load, as an NVMe that dies: what is written fails, and goes on failing, and no flush is
# acknowledged any more; nothing waits for ever. The volume opens elsewhere, at its last commit.
# catches: a flush that is acknowledged though nothing can be written, a load that hangs, a commit of what was not read.
# vm: -n 256M -t 300
. "${0%/*}/lib.sh"

load_module
half=65536
hosts=
store=file://$STORE_DIR
mkdir -p $STORE_DIR
must dmsetup create a --table "0 $half linear $NVME 0"
must dmsetup create b --table "0 $half linear $NVME $half"

# host X : pool pX on device X, with a helper in $hosts
host() {
	must chunkctl format /dev/mapper/"$1" --slot-size 64K --manifest-area 1M --force --dirty-max 8M >/dev/null
	must dmsetup create p"$1" --table "0 $half chunkcache-pool /dev/mapper/$1"
	cat >$WORK/"$1".conf <<-END
	[pool]
	name = p$1
	control_socket = /run/chunkcache/p$1.sock
	buffers = 2M
	prefetch = no
	[store $STORE]
	url = $store
	END
	chunkcached -c $WORK/"$1".conf >$WORK/"$1".log 2>&1 &
	hosts="$hosts $!"
	on_exit "kill -KILL $! 2>/dev/null"
}

logs() { tail -n 15 $WORK/?.log; dmsetup status; }

runs() { [ "$(volume_state "$1")" = running ]; }

must chunkctl volume create v --size 8M --chunk-size 64K --store $store
uuid=$(cat $STORE_DIR/volume-names/v)
truncate -s 8M $WORK/base
host a
must dmsetup create va --table "0 16384 chunkcache-vol /dev/mapper/pa $STORE $uuid"
must_become 60 runs va
cc-volcheck write --log $WORK/history --run 1 --seconds 600 --threads 4 --flush 8 --parts --fua --discard /dev/mapper/va \
	>$WORK/load.log 2>&1 &
load=$!
committed() { [ "$(ls $STORE_DIR/volumes/*/log | wc -l)" -ge 5 ]; }
must_become 60 committed
exchange a --table "0 $half error"
wait_for $load 60 && { logs; fail "writes to a device that is gone end well"; }
must_fail dd if=/dev/urandom of=/dev/mapper/va bs=4K count=1 oflag=direct conv=fsync 2>/dev/null
note "$(head -n 1 $WORK/load.log)"

host b
must_fail chunkctl volume up v --pool pb --store $STORE --config $WORK/b.conf 2>/dev/null
must chunkctl volume up v --pool pb --store $STORE --config $WORK/b.conf --take-over
wait_until 60 runs v || { logs; fail "it does not open elsewhere"; }
cc-volcheck check --log $WORK/history --promise prefix --base $WORK/base --save $WORK/found /dev/mapper/v || {
	logs
	fail "what is there is no state of the past"
}
must timeout 30 dmsetup remove va
must chunkctl volume down v --store $store
must chunkctl volume verify v --store $store
must chunkctl volume export v $WORK/export --store $store >/dev/null
must cmp $WORK/export $WORK/found
# words
# shellcheck disable=SC2086
kill -KILL $hosts
wait
finish
