#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest: a sequential reader of a cold disk against curl, over the same store with 30 ms to
# the first byte and RATE bytes per second for each GET; lines "sequential NAME VALUE" for `run`.
# Arguments: CONNECTIONS RATE ROUNDS.
. /t/lib.sh

connections=$1 rate=$2 rounds=$3
echo "latency=30 rate=$rate" >$WORK/rules
http_store --script $WORK/rules
image a --seed 1 --size 384M --chunk 1M
extra_store="connections = $connections"
prefetch="prefetch = yes"
buffers=				# as many as by default
find $STORE_DIR/chunks -type f | sed "s|$STORE_DIR/||" |
	awk -v url="$store_url" '{ printf "url = %s/%s\noutput = /dev/null\n", url, $0 }' >$WORK/list

# idle and all ticks so far, of all CPUs
ticks() { awk '/^cpu / { print $5 + $6, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat; }

for _ in $(seq "$rounds"); do
	start=$(now_ms)
	must /t/curl -s --fail --parallel --parallel-immediate --parallel-max "$connections" -K $WORK/list
	end=$(now_ms)
	echo "sequential curl_ms $((end - start))"

	format 1M
	pool_up
	helper_start
	disk_up vm1 a
	must_become 120 disk_is_loaded vm1
	before=$(ticks)
	start=$(now_ms)
	must dd if=/dev/mapper/vm1 of=/dev/null bs=128K
	end=$(now_ms)
	echo "sequential dd_ms $((end - start))"
	# BEFORE and AFTER are two words each
	# shellcheck disable=SC2046,SC2086
	set -- $before $(ticks)
	echo "sequential idle_percent $((100 * ($3 - $1) / ($4 - $2)))"
	must dmsetup remove vm1
	helper_stop
	must dmsetup remove $POOL
done
finish
