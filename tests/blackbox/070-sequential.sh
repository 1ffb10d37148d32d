#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A reader that goes through a cold disk in order, one read at a time, keeps the store's connections busy: with 300 ms
# to the first byte it is at least four times as quick as with one GET after the other.  How near it comes to curl
# with as many connections is a figure of bench-fetch.
# catches: a window that does not grow, prefetch that waits for the reader.
# vm: -n 64M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

chunks=128 latency=300
prefetch='prefetch_window = 16'
extra_store="connections = 16"
echo "path=/chunks/ latency=$latency" >$WORK/script
http_store --script $WORK/script
standard "--seed 70 --size 8M --chunk 64K"
must_become 20 disk_is_loaded vm1

start=$(now_ms)
verify vm1 a --seq --bs 16K --depth 1
took=$(($(now_ms) - start))
note "$took ms; one GET after the other: $((chunks * latency)) ms"
equal_gets $chunks
at_most "ms of the sequential read" $took $((chunks * latency / 4))
finish
