#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A reader that goes through a cold disk in order waits for few of its chunks: the others are there
# or on their way.  Each chunk is still fetched once, holes never; where the reader stops, no more
# than a window was fetched for nothing.  A reader that jumps about is not fetched ahead for.
# catches: prefetch that does not start, or without end; chunks fetched twice; counts that do not add up.
# short: 6.12
. "${0%/*}/lib.sh"

# count NAME : of what was fetched ahead for vm1
count() {
	cc-ask $WORK/$POOL.sock '{"v":1,"cmd":"disks"}' |
		sed -n "s/.*\"prefetch\":{[^}]*\"$1\":\([0-9]*\).*/\1/p"
}
nothing_pending() { [ "$(count pending)" = 0 ]; }

prefetch='prefetch_window = 8'
echo "path=/chunks/ latency=30" >$WORK/script
http_store --script $WORK/script
standard "--seed 100 --size 16M --chunk 64K --holes 1/8"

# 96 of 256 chunks, then no more
verify vm1 a --seq --bs 4K --depth 1 --length 6M
must_become 20 nothing_pending
touched=$(distinct a --from 0 --to 96)
note "$(gets) GETs for $touched chunks; fetched ahead $(count fetched), used $(count used), late $(count late)"
at_least "GETs" "$(gets)" "$((touched + 1))"
at_most "GETs" "$(gets)" "$((touched + 8))"
at_least "fetched ahead" "$(count fetched)" $((touched * 3 / 4))
at_most "used, late and unread" $(($(count used) + $(count late) + $(count unread))) "$(count fetched)"
at_least "used or late" $(($(count used) + $(count late))) $((touched / 2))
at_least "ms saved" "$(count saved_ms)" 30

# to the end: each chunk once, and not one behind it
verify vm1 a --seq --bs 4K --depth 1 --offset 6M
must_become 20 nothing_pending
equal_gets "$(distinct a)"
at_most "misses of $(distinct a) chunks" "$(disk_misses vm1)" $(($(distinct a) * 3 / 4))

# jumps, on a disk that shares nothing with the first
image b --seed 101 --size 16M --chunk 64K
disk_down vm1
disk_up vm1 b
before=$(gets)
for chunk in 200 20 130 77 240 3 170 101; do
	verify vm1 b --seq --bs 4K --offset $((chunk * 64))K --length 64K
done
must_become 20 nothing_pending
equal "fetched ahead of jumps" "$(count fetched)" 0
equal "GETs of jumps" $(($(gets) - before)) 8
finish
