#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The cache device goes under load, as an NVMe that dies: what is written fails, and goes on failing, and no flush is
# acknowledged any more; nothing waits for ever. The volume opens elsewhere, at its last commit.
# catches: a flush that is acknowledged though nothing can be written, a load that hangs, a commit of what was not read.
# vm: -n 256M -t 300
. "${0%/*}/lib.sh"

load_module
two_hosts 32

runs() { [ "$(volume_state "$1")" = running ]; }

new_pool_of p0 a 128
pid0=$pid
must chunkctl volume create v --size 8M --chunk-size 64K --store "$store_url"
uuid=$(cat $STORE_DIR/volume-names/v)
truncate -s 8M $WORK/base
must dmsetup create va --table "0 16384 chunkcache-vol /dev/mapper/p0 $STORE $uuid"
must_become 60 runs va
cc-volcheck write --log $WORK/history --run 1 --seconds 600 --threads 4 --flush 8 --parts --fua --discard /dev/mapper/va \
	>$WORK/load.log 2>&1 &
load=$!
committed() { [ "$(ls $STORE_DIR/volumes/*/log | wc -l)" -ge 5 ]; }
must_become 60 committed
exchange a --table "0 $(device_sectors /dev/mapper/a) error"
wait_for $load 60 && fail "writes to a device that is gone end well"
must_fail dd if=/dev/urandom of=/dev/mapper/va bs=4K count=1 oflag=direct conv=fsync 2>/dev/null
note "$(head -n 1 $WORK/load.log)"

new_pool_of p1 b 128
must_fail up_on p1 2>/dev/null
must up_on p1 --take-over
wait_until 60 runs v || fail "it does not open elsewhere"
cc-volcheck check --log $WORK/history --promise prefix --base $WORK/base --save $WORK/found /dev/mapper/v ||
	fail "what is there is no state of the past"
must timeout 30 dmsetup remove va
must chunkctl volume down v --store "$store_url"
must chunkctl volume verify v --store "$store_url"
must chunkctl volume export v $WORK/export --store "$store_url" >/dev/null
must cmp $WORK/export $WORK/found
helper_kill $pid0
helper_stop $pid
finish
