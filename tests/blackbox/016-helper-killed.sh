#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# kill -9 of the helper at random times under a verifying load, at least 16 reads waiting, and a
# restart: no I/O error, no wrong byte, all reads end.  It goes on until each state of a miss and of a
# slot was there at a kill at least three times.
# catches: misses lost with the session, slots handed out again while an old write may land,
# entries of the slot table believed that are not true.
# vm: -s 2 -n 96M -t 1800
. "${0%/*}/lib.sh"

rounds=$(short 8 50)
most=$((rounds + 12))
load_module
image a --seed 16 --size 32M --chunk 64K
echo "latency=20" >$WORK/script
http_store --script $WORK/script
format 64K 128
slow_under=$cache_device slow_sectors=$(device_sectors "$cache_device")
slow_device
pool_up
helper_start
disk_up vm1 a

# Slow reads keep the slots that are evicted under them DYING, slow writes theirs FILLING.
slow_down 30 60
start_read vm1 a --bs 4K-16K --depth 64 --seconds 1200 --random-seed 3
load=$read_pid
misses=/sys/kernel/debug/dm-chunkcache/$POOL/misses
states="new sent free filling valid dying"
for s in $states; do eval "seen_$s=0"; done

# count STATE NUMBER
count() { [ "$2" -eq 0 ] || eval "seen_$1=\$((seen_$1 + 1))"; }

sample() {
	local new sent free filling valid dying

	# shellcheck disable=SC2046
	set -- $(awk '{ n[$3]++ } END { print n["new"] + 0, n["sent"] + 0 }' $misses) \
		$(status_word $POOL 2 | tr / ' ')
	new=$1 sent=$2 free=$3 filling=$4 valid=$5 dying=$6
	note "round $round: waiting $(disk_waiting vm1), misses new $new sent $sent, slots" \
		"free $free filling $filling valid $valid dying $dying"
	for s in $states; do eval "count $s \$$s"; done
}

# enough : each state was seen
enough() {
	for s in $states; do
		eval "[ \$seen_$s -ge 3 ]" || return
	done
}

seed=$(od -An -N3 -t u4 /dev/urandom | tr -d ' ')
note "seed $seed"
round=0
until [ $round -ge $most ] || { [ $round -ge "$rounds" ] && enough; }; do
	round=$((round + 1))
	seed=$(((seed * 1103515245 + 12345) % 2147483648))
	sleep "$(awk -v s=$seed 'BEGIN { printf "%.3f", 0.2 + s / 2147483648 * 2 }')"
	gone "$load" && fail "the load ended: $(cat $WORK/read.*)"
	must_become 60 disk_waits vm1 16
	sample
	helper_kill
	# Now and then the misses are left alone for a while.
	[ $((round % 3)) -ne 0 ] || { sleep 0.2; sample; }
	helper_start
done
slow_down 0 0
kill "$load"
end_read "$load" 120
cat $WORK/read.*
equal "errors" "$(disk_errors vm1)" 0
for s in $states; do
	eval "n=\$seen_$s"
	note "$s: in $n samples around $round kills"
	at_least "samples with something $s" "$n" 3
done
verify vm1 a --seq --bs 1M
finish
