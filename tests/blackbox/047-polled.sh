#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Polled reads (IORING_SETUP_IOPOLL, RWF_HIPRI) of a disk are served, hit or miss, or refused where the cache
# device does not poll; none hangs, and one whose poller went away pins no epoch.
# catches: REQ_POLLED handed on, so that only its poller could end a hit or a miss.
# vm: -s 2 -m 512 -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 47 --size 4M --chunk 64K --holes 1/8
null_device nullb0 submit_queues=1 poll_queues=1

# polled WHAT [OPTION...] : all right, or all refused
polled() {
	local what=$1

	shift
	# shellcheck disable=SC2046
	cc-io --verify $(opts a) --hipri --timeout 60 "$@" /dev/mapper/vm1 >$WORK/polled 2>&1
	status=$?
	tail -n 1 $WORK/polled
	[ $status = 0 ] || grep -q 'by_errno EOPNOTSUPP=[0-9]*$' $WORK/polled ||
		fail "$what: status $status: $(head -n 1 $WORK/polled)"
}

for device in /dev/nullb0 "$NVME"; do
	cache_device=$device
	format 64K
	pool_up
	helper_start
	disk_up vm1 a
	note "$device, polls: $(cat "/sys/block/${device#/dev/}/queue/io_poll")"
	must_become 20 disk_is_loaded vm1
	for engine in uring pread; do
		drop_pool
		polled "cold, $engine" --seq --bs 64K --depth 4 --engine $engine
		verify vm1 a --seq --bs 64K
		polled "warm, $engine" --count 300 --depth 4 --engine $engine
		[ $status != 0 ] || equal "reads" "$(sed -n 's/.* reads \([0-9]*\) .*/\1/p' $WORK/polled)" 300
	done

	note "a poller that is killed"
	# shellcheck disable=SC2046
	cc-io --hipri --count 100000 --depth 8 /dev/mapper/vm1 >/dev/null 2>&1 &
	poller=$!
	sleep 0.5
	kill -KILL $poller 2>/dev/null
	wait $poller 2>/dev/null
	drop_pool
	none_dying() { [ "$(slots_dying)" = 0 ]; }
	must_become 20 none_dying
	verify vm1 a
	disk_down vm1
	helper_stop
	pool_down
done
finish
