#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Polled reads that miss are served like others, at the edge of a chunk and inside of it: a plain read of
# io_uring's never sees EAGAIN, which nobody asked for.
# catches: REQ_NOWAIT left on a bio whose REQ_POLLED was cleared.
# vm: -s 2 -m 512 -n 64M
# kernels: 6.12 6.1 debug
. "${0%/*}/lib.sh"

load_module
image a --seed 123 --size 4M --chunk 64K --holes 1/8
null_device nullb0 submit_queues=1 poll_queues=1
cache_device=/dev/nullb0
format
pool_up
helper_start
disk_up vm1 a
must_become 20 disk_is_loaded vm1
note "polls: $(cat /sys/block/nullb0/queue/io_poll)"

# polled WHAT OPTION... : nothing is cached before
polled() {
	local what=$1

	shift
	drop_pool
	drop_disk vm1
	# shellcheck disable=SC2046
	cc-io --verify $(opts a) --hipri --timeout 60 "$@" /dev/mapper/vm1 >$WORK/polled 2>&1 ||
		grep -q 'by_errno EOPNOTSUPP=[0-9]*$' $WORK/polled || { cat $WORK/polled; fail "$what"; }
	tail -n 1 $WORK/polled
}

polled "edges" --seq --bs 4K --step 64K --depth 4
polled "inside" --seq --bs 4K --step 64K --offset 8K --depth 4
polled "inside, one at a time" --seq --bs 4K --step 64K --offset 8K
polled "over edges" --seq --bs 16K --step 64K --offset 56K --depth 4 --length 3M
polled "anywhere" --count 300 --depth 8
equal "errors" "$(disk_errors vm1)" 0
note "who asks for it gets EAGAIN as before"
drop_pool
drop_disk vm1
cc-io --nowait --json --seq --bs 4K --step 64K --offset 8K --engine pread --timeout 60 /dev/mapper/vm1 >$WORK/cold ||
	fail "NOWAIT: $(cat $WORK/cold)"
at_least "EAGAIN" "$(json eagain $WORK/cold)" 40
finish
