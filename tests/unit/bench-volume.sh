#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The verdict of make bench-volume on what a run left: each figure at its limit is reached, each beyond it is missed, by
# name and by exit status, and so is what was not measured or rests on nothing.  TAP on stdout.

top=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
tests=0 failed=0

# ok CONDITION_STATUS WHAT
ok() {
	tests=$((tests + 1))
	[ "$1" = 0 ] && { echo "ok $tests - $2"; return; }
	failed=1
	echo "not ok $tests - $2"
	sed 's/^/# /' "$dir/log"
}

# Everything exactly at its limit.
fixture() {
	cat >"$dir/insns.out" <<-END
	time dm-linear pwrite1 7000.0 7001.0 7002.0
	time volume pwrite1 7450.0 7451.0 7452.0
	time dm-linear uwrite1 8000 8000 8000
	time volume uwrite1 8450 8450 8450
	time dm-linear uwrite32 7100 7100 7100
	time volume uwrite32 7550 7550 7550
	time dm-linear fsync1 7900 7900 7900
	time volume fsync1 14999 14999 14999
	time dm-thin fsync1 15000 15000 15000
	time qcow2 fsync1 150000 150000 150000
	time disk pread1 5900 5900 5900
	time clean pread1 5915 5915 5915
	time volume pread1 5980 5980 5980
	count write_errors 0
	count misses 0
	skipped dm_clone this kernel has no module dm-clone
	END
	cat >"$dir/device.out" <<-END
	device volume writes_per_write 1.0100 1.0200 1.0300
	device volume writes_per_fsync 2.0100 2.0100 2.0100
	device volume bytes_ratio_seq 1.0100 1.0100 1.0100
	count write_errors 0
	END
	cat >"$dir/store.out" <<-END
	store bytes_ratio 1.0200
	store bytes some
	store puts_over_ideal 1.0500
	store puts some
	END
	cat >"$dir/helper.out" <<-END
	recovery ms 900.0
	recovery ms 1000.0
	recovery ms 1001.0
	open ms 3000.0
	store bytes_per_s 200000000
	upload bytes_per_s 180000000
	lag commits 20
	lag p99_s 2.500
	END
}

judge() {
	"$top/tests/bench/volume/run" --judge "$dir" >"$dir/log" 2>&1
}

missed() { grep -o '"missed":\[[^]]*' "$dir/bench-volume.json" | sed 's/.*\[//'; }

fixture
judge
ok $? "all at their limits"
[ "$(missed)" = "" ]
ok $? "none is missed"

# beyond FIGURE FILE SED : it alone is missed
beyond() {
	fixture
	sed -i "$3" "$dir/$2.out"
	! judge
	ok $? "$1: exit status"
	[ "$(missed)" = "\"$1\"" ]
	ok $? "$1: it alone is missed, $(missed)"
}

beyond write_insns_over_linear_pwrite insns '/volume pwrite1/s/ 745[12]/ 7453/g'
beyond write_insns_over_linear_uring1 insns '/volume uwrite1/s/8450/8451/g'
beyond write_insns_over_linear_uring32 insns '/volume uwrite32/s/7550/7551/g'
beyond read_insns_over_disk_clean insns '/clean/s/5915/5916/g'
beyond read_insns_over_disk_written insns '/volume pread1/s/5980/5981/g'
beyond fsync_insns_over_linear insns '/volume fsync1/s/14999/15000/g'
beyond device_writes_per_write device '/per_write/s/1.0200/1.0201/'
beyond device_writes_per_fsync device 's/2.0100/2.0101/g'
beyond device_bytes_ratio_seq device '/seq/s/1.0100/1.0101/g'
beyond store_bytes_ratio store 's/1.0200/1.0201/'
beyond puts_over_ideal store 's/1.0500/1.0501/'
beyond device_writes_per_write device '/per_write/d'
beyond recovery_ms_1m_records helper 's/ 1000.0/ 1000.1/'
beyond open_ms helper 's/3000.0/3000.1/'
beyond upload_vs_curl helper 's/180000000/179000000/'
beyond commit_lag_p99_s helper 's/2.500/2.501/'
beyond upload_vs_curl helper '/^store/d'

fixture
rm "$dir/store.out"
! judge
ok $? "a part that did not run"
fixture
rm "$dir/helper.out"
! judge
ok $? "nothing of the helper"
fixture
sed -i 's/misses 0/misses 1/' "$dir/insns.out"
! judge
ok $? "reads that were no hits"
echo "1..$tests"
exit $failed
