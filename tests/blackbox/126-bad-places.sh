#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Some slots can't be read and all others can: with an error that says nothing each of them is quarantined when it
# fails for the second time, though it was filled well; readers see no error. They are tried again when somebody
# says so, by message or by chunkctl, and cache if they are in order by then.
# catches: a bad slot that is filled for ever, one that fails once and is lost, a quarantine without end.
# vm: -n 64M
# short: uml
. "${0%/*}/lib.sh"

modprobe dm-flakey
http_store
load_module
image a --seed 126 --size 6M --chunk 64K
slots=64 bad_first=8 bad=6
all=$(((meta_bytes + slots * 65536) / 512))
at=$(((slots_start + bad_first * 65536) / 512)) len=$((bad * 128))

# the bad slots fail reads only
table() {
	echo "0 $at linear $NVME 0"
	case $1 in
	good) echo "$at $len linear $NVME $at" ;;
	bad) echo "$at $len flakey $NVME $at 0 1 1 error_reads" ;;
	esac
	echo "$((at + len)) $((all - at - len)) linear $NVME $((at + len))"
}

under() {
	table "$1" >$WORK/table
	exchange under $WORK/table 2>/dev/null
}

table good >$WORK/table
must dmsetup create under $WORK/table
cache_device=/dev/mapper/under
format
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K --length 4M
must_become 10 disk_waits_not vm1
under bad || { note "this kernel's dm-flakey fails no reads alone"; finish; }

note "one fails once"
verify vm1 a --seq --bs 16K --offset $((bad_first * 65536)) --count 1
sleep 1
equal "bad slots: none after one failure" "$(slots_bad)" 0
at_least "hits that failed" "$(disk_counter vm1 retried)" 1
note "they are filled again, and fail again"
all_bad() {
	verify vm1 a --seq --bs 64K
	verify vm1 a --count 200
	[ "$(slots_bad)" = $bad ]
}
must_become 60 all_bad
equal "slots" "$(slots_total)" $slots
equal "errors of readers" "$(disk_errors vm1)" 0
retried=$(disk_counter vm1 retried)
drop_pool
for n in 1 2 3; do
	verify vm1 a --seq --bs 64K
	verify vm1 a --seq --bs 16K
done
equal "bad slots, no more" "$(slots_bad)" $bad
equal "hits that failed since" "$(disk_counter vm1 retried)" "$retried"

note "tried again: still bad"
equal "slots to be tried" "$(dmsetup message $POOL 0 retry_bad)" $bad
equal "bad slots" "$(slots_bad)" 0
must_become 60 all_bad
note "in order again"
under good
must chunkctl pool-retry-bad $POOL >$WORK/said
grep -q "$POOL: $bad slots" $WORK/said || { cat $WORK/said; fail "not what was done"; }
all_cached() {
	verify vm1 a --seq --bs 64K
	[ "$(slots_valid)" -ge $((slots - 4)) ]
}
must_become 60 all_cached
verify vm1 a --count 300
equal "bad slots" "$(slots_bad)" 0
equal "errors of readers" "$(disk_errors vm1)" 0
must chunkctl pool-retry-bad $POOL >$WORK/said
grep -q "$POOL: no bad slots" $WORK/said || { cat $WORK/said; fail "not what was done"; }
must_fail chunkctl pool-retry-bad vm1 2>$WORK/said
grep -q 'is no pool' $WORK/said || { cat $WORK/said; fail "a disk is no pool"; }
finish
