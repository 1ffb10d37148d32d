#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A store that answers at random with 5xx, throttling and resets, has not one object, and never answers for another:
# every other read ends well and waits for none of these two.
# catches: one bad chunk that holds up others, an error class passed to the wrong reader, retries that never end.
# vm: -n 64M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

load_module
image a --seed 24 --size 8M --chunk 64K
missing=$(chunk_id a 17)
stuck=$(chunk_id a 40)
cat >$WORK/rules <<END
path=$missing status=404
path=$stuck fault=stall
path=/chunks/ prob=0.15 status=500
path=/chunks/ prob=0.05 status=503 code=SlowDown
path=/chunks/ prob=0.10 fault=reset
path=/chunks/ prob=0.05 fault=short-body
END
http_store --script $WORK/rules --seed 24
extra_store="first_byte_timeout = 2s
total_timeout = 10s"
format
pool_up
helper_start
disk_up vm1 a
must_become 20 disk_is_loaded vm1
start_read vm1 a --seq --count 1 --bs 4K --offset $((40 * 65536))
stuck_read=$read_pid
start=$(now_ms)
read_errno vm1 ENODATA --seq --count 1 --offset $((17 * 65536))
verify vm1 a --seq --bs 64K --length $((17 * 65536)) --depth 16
verify vm1 a --seq --bs 64K --offset $((18 * 65536)) --length $((22 * 65536)) --depth 16
verify vm1 a --seq --bs 64K --offset $((41 * 65536)) --depth 16
note "$(($(now_ms) - start)) ms for 126 chunks, $(gets) GETs"
at_most "ms for all but one chunk" $(($(now_ms) - start)) 60000
at_most "GETs" "$(gets)" 300
at_most "GETs of the missing object" "$(gets "$missing")" 2
gone "$stuck_read" && fail "the read that must wait has ended: $(cat "$WORK/read-by.$stuck_read")"
equal "errors" "$(disk_errors vm1)" "$(disk_counter vm1 errors_notfound)"

note "the store comes to its senses"
: >$WORK/rules
kill -HUP "$httpd_pid"
end_read "$stuck_read" 60
verify vm1 a --seq --bs 64K --offset $((18 * 65536))
finish
