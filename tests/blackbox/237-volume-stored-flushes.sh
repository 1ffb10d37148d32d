#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# durability store, with the helper: what a flush or FUA covers is in the store when it ends; while the store is away
# it waits, suspends are bounded, and it ends when the store is back. The host is lost under load, and with it all that
# only it had: each flush that was acknowledged is there on another one, each time.
# catches: a flush that ends with a cut, a commit that is told before the store has confirmed it.
# vm: -n 256M
# vm-long: -t 3600
# kernels: uml
. "${0%/*}/lib.sh"

is_running() { [ "$(volume_state v)" = running ]; }

# up X [OPTION...] : on an empty pool of that host
up() {
	local x=$1

	shift
	new_pool_of p"$x" "$x" 64
	must up_on p"$x" --durability store --feature 'suspend_timeout_ms 1500' "$@"
	must_become 60 is_running
}

# lost X : at once, with its cache device; writes that wait end with an error
lost() {
	helper_kill $pid
	kill -KILL $load
	must dmsetup wipe_table --noflush v
	must_become 60 gone $load
	wait $load 2>/dev/null
	must_become 30 dmsetup remove v
	must dmsetup remove p"$1"
	must dd if=/dev/zero of=/dev/mapper/"$1" bs=1M count=24 oflag=direct 2>/dev/null
}

# put BLOCK : with a flush, here and in the file
put() {
	dd if=$WORK/data of=$WORK/base bs=4K count=1 seek="$1" conv=notrunc 2>/dev/null
	dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek="$1" oflag=direct conv=fsync 2>/dev/null
}

waits() { sleep 1; gone $writer && fail "$1: a flush has ended that the store knows nothing of"; }

load_module
two_hosts 24
must chunkctl volume create v --size 2M --chunk-size 64K --store $store_url
truncate -s 2M $WORK/base
dd if=/dev/urandom of=$WORK/data bs=4K count=1 2>/dev/null
up a

note "what is flushed is in the store"
for block in 7 100 8; do
	must put $block
	in_store v $WORK/base || fail "a flush of block $block has ended, and the store has it not"
done
cc-volcheck put /dev/mapper/v 400 8 1 1 fua || fail "FUA"
must cp /dev/mapper/v $WORK/base
in_store v $WORK/base || fail "FUA has ended, and the store has it not"

note "no store"
mv $STORE_DIR $STORE_DIR.away
put 9 &
writer=$!
waits "no store"
start=$(now_ms)
must dmsetup suspend --noflush v
at_most "ms to suspend without a flush" $(($(now_ms) - start)) 3000
must dmsetup resume v
waits "over a suspend"
mv $STORE_DIR.away $STORE_DIR
wait_for $writer 60 || fail "a flush has failed because the store was away"
in_store v $WORK/base || fail "a flush has ended, and the store has it not"

note "the host is lost"
from=a to=b
for run in $(seq "$(short 2 50)"); do
	cc-volcheck write --log $WORK/history.$run --run $run --seed $run --seconds 600 --threads 4 --flush 8 --parts --fua \
		--discard /dev/mapper/v >$WORK/load.log 2>&1 &
	load=$!
	sleep $((1 + run % 3))
	lost $from
	up $to --take-over
	must cc-volcheck check --log $WORK/history.$run --promise flushed --base $WORK/base --save $WORK/base.new /dev/mapper/v
	mv $WORK/base.new $WORK/base
	swap=$from from=$to to=$swap
done
must chunkctl volume down v --store $store_url
in_store v $WORK/base || fail "closed, and the store has something else"
helper_stop $pid
finish
