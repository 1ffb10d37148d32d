#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# After clear_stats the counters of a disk add up to the reads made, exactly, and each kind is right
# where it is known which it must be.
# catches: a read counted twice or not at all, clear_stats that loses running counts, read
# sectors of something else, a disk that can't be made because of its name.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

standard "--seed 2 --size 8M --chunk 64K --holes 1/4"
must_become 20 disk_is_loaded vm1
# shellcheck disable=SC2046
holes=$(cc-mkimage $(opts a) --count | sed 's/.*holes \([0-9]*\).*/\1/')

must dmsetup message vm1 0 clear_stats
equal "reads after clear_stats" "$(disk_reads vm1)" 0
verify vm1 a --engine pread --seq --bs 4K --step 64K
equal "misses" "$(disk_misses vm1)" $((128 - holes))
equal "holes" "$(disk_holes vm1)" "$holes"
equal "hits" "$(disk_hits vm1)" 0
equal "sectors" "$(disk_counter vm1 read_sectors)" $((128 * 8))

must dmsetup message vm1 0 clear_stats
verify vm1 a --engine pread --seq --bs 4K --step 64K
equal "hits when warm" "$(disk_hits vm1)" $((128 - holes))
equal "misses when warm" "$(disk_misses vm1)" 0
equal "coalesced when warm" "$(disk_coalesced vm1)" 0

drop_disk vm1
must dmsetup message vm1 0 clear_stats
verify vm1 a --bs 4K --align 4096 --depth 16 --threads 4 --count 1000
equal "hits + misses + coalesced + holes + errors" "$(disk_reads vm1)" 4000
equal "errors" "$(disk_errors vm1)" 0
equal "sectors" "$(disk_counter vm1 read_sectors)" $((4000 * 8))
must dmsetup message $POOL 0 clear_stats
equal "reads after clear_stats of the pool" "$(disk_reads vm1)" 0
equal "fills after clear_stats of the pool" "$(pool_fills)" 0

note "a disk with the name of a file of its pool has counters, too, and the pool its file"
disk_up hits a
must_become 20 disk_is_loaded hits
verify hits a --engine pread --seq --bs 4K --step 64K
dir=hits:$(dmsetup info -c --noheadings --separator : -o major,minor hits)
equal "hits and misses of $dir" "$(($(disk_counter "$dir" hits) + $(disk_counter "$dir" misses)))" $((128 - holes))
equal "hits of the pool" "$(pool_counter hits)" "$(disk_hits hits)"
log_has 'duplicate filename' && fail "its directory was to be made as hits"
finish
