#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What iostat and dm's @stats tell of a disk: each read once, be it a hit, a hole, released by a fill or
# answered with data; and the time it took, with what it waited for the helper.
# catches: reads that are not accounted, or only from when they were sent on.
# vm: -n 64M
# short: 6.12
. "${0%/*}/lib.sh"

load_module
image a --seed 55 --size 2M --chunk 64K --holes 1/4
format 64K 16
pool_up
disk_up vm1 a
stat=/sys/dev/block/$(dmsetup info -c --noheadings -o major,minor vm1 | tr -d ' ')/stat
must dmsetup message vm1 0 @stats_create - /1 >/dev/null
# "reads sectors ms", of each source
iostat_says() { awk '{ print $1, $3, $4 }' "$stat"; }
stats_says() { dmsetup message vm1 0 @stats_print 0 | awk '{ print $2, $4, $5 }'; }

note "32 reads wait for 2 s"
i=0
while [ $i -lt 32 ]; do
	start_read vm1 a --seq --count 1 --bs 4K --offset $((i * 65536))
	pids="${pids:-} $read_pid"
	i=$((i + 1))
done
must_become 20 disk_waits vm1 32
sleep 2
helper_start
for pid in $pids; do
	end_read "$pid" 60
done
for source in iostat stats; do
	# words
	# shellcheck disable=SC2046
	set -- $(${source}_says)
	note "$source: $1 reads, $2 sectors, $3 ms"
	equal "reads of $source" "$1" 32
	equal "sectors of $source" "$2" 256
	at_least "ms of $source" "$3" 64000
done
before=$(iostat_says | cut -d' ' -f1)
verify vm1 a --seq --bs 64K
verify vm1 a --seq --bs 64K
equal "reads of 2 rounds" $(($(iostat_says | cut -d' ' -f1) - before)) 64
equal "what the target counted" "$(disk_reads vm1)" 96
equal "reads in flight" "$(awk '{ print $9 }' "$stat")" 0
finish
