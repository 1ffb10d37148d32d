#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill -9 of the helper at random times under a verifying load, and a restart: no I/O error, no
# wrong byte, all reads end.
# catches: misses lost with the session, slots handed out again while an old write may land,
# entries of the slot table believed that are not true.
# vm: -s 2 -n 64M -t 1200
. "${0%/*}/lib.sh"

# A cache of half the image: fills never stop.
standard "--seed 16 --size 8M --chunk 64K" 64
rounds=$(short 8 50)
: >$WORK/go
start_read vm1 a --bs 4K-128K --depth 24 --seconds 600 --random-seed 3
load=$read_pid
seed=$(od -An -N3 -t u4 /dev/urandom | tr -d ' ')
note "seed $seed"
for round in $(seq "$rounds"); do
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	sleep "$(awk -v s=$seed 'BEGIN { printf "%.3f", 0.05 + s / 2147483648 * 0.8 }')"
	note "round $round: waiting $(disk_waiting vm1), slots $(status_word $POOL 2)"
	gone "$load" && fail "the load ended: $(cat $WORK/read.*)"
	helper_kill
	helper_start
done
kill "$load"
end_read "$load" 60
cat $WORK/read.*
equal "errors" "$(disk_errors vm1)" 0
verify vm1 a --seq --bs 1M
finish
