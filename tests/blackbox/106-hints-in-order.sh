#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# While the helper stands still a guest reads 200 marked chunks: hits, that need nobody.  The kernel keeps the
# first 128 hints, in the order of the reads, and tells how many it had no place for.
# catches: hints in another order, overwritten, or lost without a word; hits that wait for the helper.
# short: 6.12
. "${0%/*}/lib.sh"

record() { cc-ask $WORK/$POOL.sock '{"v":1,"cmd":"record","disk":"vm1"}'; }
field() { record | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
# the chunks, in the order in which they were heard of
touches() { record | sed 's/.*"touches":\[\([^]]*\)\].*/\1/' | tr ',' '\n' | awk 'NR % 2'; }
all_mapped() { [ "$(disk_mapped vm1)" = 256 ]; }
recorded() { [ "$(field recorded)" -ge "$1" ]; }

standard "--seed 106 --size 16M --chunk 64K"
verify vm1 a --seq --bs 64K --depth 8
disk_down vm1
disk_up vm1 a
must_become 20 all_mapped
equal "touches before the first read" "$(field recorded)" 0

kill -STOP "$helper_pid"
verify vm1 a --seq --bs 64K --length $((200 * 64))K
kill -CONT "$helper_pid"
must_become 10 recorded 128
equal "touches" "$(field recorded)" 128
touches >$WORK/touches
seq 0 127 | cmp - $WORK/touches || fail "not in the order of the reads"
equal "misses" "$(disk_misses vm1)" 0
verify vm1 a --seq --bs 64K --offset $((200 * 64))K --length 64K
must_become 10 recorded 129
equal "touches that were lost" "$(field lost)" 72
finish
