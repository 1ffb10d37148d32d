#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whatever a store does once (errors, throttling, resets, stalls, bodies and headers that lie) costs a second GET and
# no reader an error; what it does each time ends as an error that says what, and in time.
# catches: an answer taken for what it is not, a wait without end, an error for what a second try would have healed.
# vm: -n 64M
# kernels: 6.12 6.1 uml
# short: uml
. "${0%/*}/lib.sh"

load_module
image a --seed 62 --size 4M --chunk 64K
: >$WORK/rules
http_store --script $WORK/rules
extra_store="first_byte_timeout = 1s
stall_timeout = 1s
total_timeout = 10s
backoff = 20"
format
pool_up
helper_start
disk_up vm1 a
must_become 20 disk_is_loaded vm1

rules() {
	kill -HUP "$httpd_pid"
	sleep 0.2
}

chunk=0
# once FAULT... : for the first GET of the next chunk
once() {
	echo "path=$(chunk_id a $chunk) count=1 $*" >>$WORK/rules
	chunk=$((chunk + 1))
}

note "trouble that passes"
once status=500
once status=502
once status=504
once status=503 code=SlowDown
once status=503 retry-after=1
once status=429 retry-after=1
once status=400 code=RequestTimeout
once status=408
once fault=reset
once fault=reset-body
once fault=stall
once fault=stall-headers
once fault=stall-body
once fault=short-body
once fault=wrong-length
once fault=wrong-range
once fault=truncate
once fault=long-body
once fault=wrong-bytes
single=$chunk
once fault=chunked
once fault=no-length
once fault=gzip
once latency=300
once rate=200000
rules
i=0
while [ $i -lt $chunk ]; do
	verify vm1 a --seq --count 1 --bs 4K --offset $((i * 65536)) >$WORK/out || {
		cat $WORK/out
		fail "$(sed -n "$((i + 1))p" $WORK/rules)"
	}
	n=$(gets "$(chunk_id a $i)")
	[ $i -ge $single ] || at_least "GETs: $(sed -n "$((i + 1))s/.*count=1//p" $WORK/rules)" "$n" 2
	at_most "GETs: $(sed -n "$((i + 1))s/.*count=1//p" $WORK/rules)" "$n" 3
	i=$((i + 1))
done
equal "errors of readers" "$(disk_errors vm1)" 0
equal "slots filled" "$(slots_valid)" $chunk

# always ERRNO PATTERN RULE... : each GET of the next chunk; the log says PATTERN
always() {
	local errno=$1 pattern=$2

	shift 2
	echo "path=$(chunk_id a $chunk) $*" >$WORK/rules
	rules
	: >$HELPER_LOG
	start=$(now_ms)
	read_errno soft "$errno" --seq --count 1 --bs 4K --offset $((chunk * 65536))
	at_most "ms until $errno: $*" $(($(now_ms) - start)) 9000
	# a store that fails several times is left alone for a while
	wait_until 20 grep -q -e "$pattern" $HELPER_LOG || {
		cat $HELPER_LOG
		fail "$*: no word of \"$pattern\""
	}
	note "$*: $(grep -m 1 -e "$pattern" $HELPER_LOG)"
	chunk=$((chunk + 1))
}

note "trouble that does not"
disk_up soft a "2 miss_timeout_ms 2500"
must_become 20 disk_is_loaded soft
always ENODATA "no such object" status=404
always EILSEQ "wrong bytes" fault=wrong-bytes
always EILSEQ "wrong bytes: 32768 of them" fault=truncate
always EILSEQ "more than the 65536" fault=long-body
always ETIMEDOUT "HTTP 500" status=500
always ETIMEDOUT "HTTP 206" fault=wrong-range
always ETIMEDOUT "no answer within" fault=stall
always ETIMEDOUT "no byte within" fault=stall-body
always ETIMEDOUT "redirect to .* refused" status=302 location=http://elsewhere.example/x
: >$WORK/rules
rules
verify vm1 a --seq --bs 64K
equal "errors of the patient" "$(disk_errors vm1)" 0
finish
