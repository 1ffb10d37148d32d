#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Ten thousand distinct misses at once: all are held and end right, memory stays bounded, hits on other
# chunks keep their latency meanwhile.
# catches: a cap that drops bios, quadratic lists, hits queued behind misses.
# vm: -s 2 -m 2048 -n 64M -t 1200
. "${0%/*}/lib.sh"

load_module
n=$(short 10000 100000)
image a --seed 25 --size $((n * 65536 + 65536)) --chunk 64K --dup 1/1
format
pool_up
disk_up vm1 a
slab() { awk '/^Slab:/ { print $2 }' /proc/meminfo; }

note "chunk 0 becomes a hit"
start_read vm1 a --seq --count 1
# shellcheck disable=SC2046
echo "pool /dev/mapper/$POOL
attach
serve 10000 max=1" | nl -q $(opts a) || exit 1
end_read "$read_pid" 10
equal "chunks mapped" "$(disk_mapped vm1)" 1

before=$(slab)
start_read vm1 a --shuffle --step 64K --offset 64K --bs 4K --depth $((n > 16384 ? 16384 : n))
many=$read_pid
held() { disk_waits vm1 $((n > 16384 ? 16384 : n)); }
must_become 120 held
note "slab: $before kB, with $n misses $(slab) kB"
at_most "kB of slab for $n misses" $(($(slab) - before)) $((n * 16))
# shellcheck disable=SC2046
cc-io --verify $(opts a) --json --seq --length 64K --count 2000 --timeout 60 /dev/mapper/vm1 \
	>$WORK/hits || fail "hits while misses wait: $(cat $WORK/hits)"
cat $WORK/hits
at_most "p99 of a hit, us" "$(json p99_us $WORK/hits)" 100000
equal "still held" "$(disk_waiting vm1)" $((n > 16384 ? 16384 : n))

helper_start
end_read "$many" 600
cat $WORK/read.*
equal "errors" "$(disk_errors vm1)" 0
finish
