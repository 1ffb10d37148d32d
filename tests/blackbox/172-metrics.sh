#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A scrape has the kernel's counters as sysfs has them and the helper's as the store saw them: hits, misses,
# holes, errors, waits, slots, GETs. What waits shows while it waits. sysfs names helper and modes. The log has a
# line for each disk, helper and mode that comes or goes, and none for each read; who waits for events is woken.
# catches: a counter under another's name, in another unit, of another disk; a silent change of mode.
# kernels: 6.1 uml
. "${0%/*}/lib.sh"

port=9438

# get : the answer to GET /metrics; busybox's wget can't
get() {
	timeout 120 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port || exit
		printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n' >&3
		cat <&3" 2>$WORK/get.log
}

# The text is made once a second.
scrape() {
	sleep 1.1
	get >$WORK/metrics && grep -q "^HTTP/1.1 200 OK" $WORK/metrics || fail "no metrics"
}

# metric NAME [LABELS] : of the last scrape, with the pool's name prefixed
metric() { sed -n "s/^dm_chunkcache_$1{pool=\"$POOL\"${2:+,$2}} //p" $WORK/metrics; }
is() { equal "$1 $2" "$(metric "$1" "$2")" "$3"; }

# lines PATTERN : of the kernel's log
lines() { dmesg | grep -c -- "$1"; }

events() { dmsetup info -c --noheadings -o events $POOL; }

# same_as_sysfs DISK : all that both have
same_as_sysfs() {
	local of="disk=\"$1\"" reason

	is disk_reads_total "$of,result=\"hit\"" "$(disk_counter "$1" hits)"
	is disk_reads_total "$of,result=\"miss\"" "$(disk_counter "$1" misses)"
	is disk_reads_total "$of,result=\"coalesced\"" "$(disk_counter "$1" coalesced)"
	is disk_reads_total "$of,result=\"hole\"" "$(disk_counter "$1" holes)"
	is disk_read_bytes_total "$of" $(($(disk_counter "$1" read_sectors) * 512))
	is disk_read_errors_total "$of,reason=\"not_found\"" "$(disk_counter "$1" errors_notfound)"
	for reason in corrupt timeout other; do
		is disk_read_errors_total "$of,reason=\"$reason\"" "$(disk_counter "$1" errors_$reason)"
	done
	is disk_mapped_chunks "$of" "$(disk_counter "$1" mapped)"
	is disk_waiting_reads "$of" "$(disk_counter "$1" waiting)"
	is disk_miss_wait_seconds_count "$of" \
		"$(disk_counter "$1" wait_histogram_us | awk '{ for (i = 1; i <= NF; i++) n += $i; print n }')"
	equal "microseconds waited" "$(metric disk_miss_wait_seconds_sum "$of" |
		awk '{ printf "%.0f", $1 * 1000000 }')" "$(disk_counter "$1" waited_us)"
}

load_module
image a --seed 172 --size 16M --chunk 64K --holes 1/8
image b --seed 173 --size 4M --chunk 64K
http_store
format 64K 200
pool_up
log_has "$POOL: resumed by device-mapper, 200 slots of 64 KiB" || fail "the log says nothing of the pool"
equal "helper_pid without one" "$(pool_counter helper_pid)$(pool_counter helper_age_ms)" 00
extra_pool="metrics_listen = 127.0.0.1:$port"
helper_start
log_has "$POOL: helper attached, pid $helper_pid, session" || fail "the log says nothing of the helper"
equal helper_pid "$(pool_counter helper_pid)" "$helper_pid"
age=$(pool_counter helper_age_ms)
disk_up vm1 a
disk_up vm2 b "2 miss_timeout_ms 60000"
must_become 120 disk_is_loaded vm2
log_has "vm1: disk of pool $POOL; store $STORE, manifest $(digest a), 256 chunks, hard" ||
	fail "the log says nothing of vm1"
equal "modes" "$(disk_counter vm1 mode) $(disk_counter vm2 mode) $(pool_counter mode)" "hard soft normal"
equal "manifests" "$(disk_counter vm1 manifest)$(disk_counter vm2 manifest)" loadedloaded
before=$(lines chunkcache)

# cold, warm, holes; a chunk that is not there
verify vm1 a --seq --bs 64K --length 8M
verify vm1 a --seq --bs 4K --length 1M
verify vm2 b --seq --bs 64K --length 1M
mv "$(chunk_file b 40)" $WORK/gone
read_errno vm2 ENODATA --seq --bs 64K --offset 2560K --length 64K
scrape
is module_up "" 1
is helper_attached "" 1
same_as_sysfs vm1
same_as_sysfs vm2
equal "errors of vm2" "$(disk_counter vm2 errors_notfound)" 1
is disk_chunks 'disk="vm1"' 256
is disk_size_bytes 'disk="vm2"' 4194304
is disk_manifest_refused 'disk="vm1"' 0
is disk_info "disk=\"vm2\",store=\"$STORE\",digest=\"$(digest b | cut -c8-)\"" 1
for state in free filling valid dying bad; do
	is pool_slots "state=\"$state\"" "$(pool_counter slots_$state)"
done
is pool_fills_total "" "$(pool_counter fills)"
is pool_slot_bytes "" 65536
is helper_fetch_errors_total 'result="not_found"' 1
is endpoint_gets_total "store=\"$STORE\"" "$(grep -c "GET /\(chunks\|manifests\)/" $WORK/access.log)"
is endpoint_results_total "store=\"$STORE\",result=\"not_found\"" 1
equal "GETs of disks and others" \
	$(($(metric disk_gets_total 'disk="vm1"') + $(metric disk_gets_total 'disk="vm2"') +
	$(metric unattributed_gets_total ""))) "$(metric endpoint_gets_total "store=\"$STORE\"")"
equal "lines in the log of reads" $(($(lines chunkcache) - before)) 0

# what waits
kill -STOP "$httpd_pid"
start_read vm1 a --seq --bs 64K --offset 8M --length 1M
must_become 60 disk_waits vm1
scrape
is disk_waiting_reads 'disk="vm1"' 1
metric disk_oldest_wait_seconds 'disk="vm1"' | awk '{ exit !($1 > 0 && $1 < 1000) }' || fail "no wait"
kill -CONT "$httpd_pid"
end_read "$read_pid" 120
[ "$(pool_counter helper_age_ms)" -gt "$age" ] || fail "the helper does not grow older"

# modes, and who comes and goes
must dmsetup suspend --noflush --nolockfs $POOL
log_has "$POOL: suspended by device-mapper: hits go on" || fail "the log says nothing of the suspend"
equal "mode" "$(pool_counter mode)" suspended
must dmsetup resume $POOL
equal "mode" "$(pool_counter mode)" normal
equal "resumes" "$(lines "$POOL: resumed by")" 2
n=$(events)
helper_kill
must_become 60 log_has "$POOL: helper is gone without detaching"
equal "events when a helper goes" "$(events)" $((n + 1))
get >/dev/null && fail "metrics of a helper that is dead"
helper_start
scrape
equal "GETs of the new one" "$(metric helper_chunks_fetched_total "")" 0
n=$(events)
must dmsetup suspend --noflush --nolockfs $POOL
helper_stop
log_has "$POOL: helper detached, session" || fail "the log says nothing of the detach"
equal "events while suspended" "$(events)" "$n"
must dmsetup resume $POOL
equal "events when resumed" "$(events)" $((n + 1))
hits=$(disk_counter vm1 hits)
disk_down vm1
dmesg | grep "vm1: disk gone; [0-9]* reads, [0-9]* MiB, hit rate" | grep -q " reads" || fail "no goodbye"
note "vm1 had $hits hits: $(dmesg | grep 'vm1: disk gone' | sed 's/.*gone; //')"
disk_down vm2
finish
