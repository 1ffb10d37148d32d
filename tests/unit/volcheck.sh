#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The judge of what a disk holds after a crash: each kind of wrong state is found and named, each state that a disk
# with a volatile cache may show passes.  TAP on stdout.

here=$(cd "$(dirname "$0")" && pwd)
BUILD=${BUILD:-$here/../../build/asan}
volcheck=$(realpath -m "$BUILD")/cc-volcheck
[ -x "$volcheck" ] || { echo "Bail out! $volcheck is not built"; exit 1; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
tests=0 failed=0

ok()
{
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $2"
		sed 's/^/# /' said
	fi
}

# device SECTOR COUNT OPERATION... : a device of 8 blocks that holds these, else zeros
device()
{
	rm -f disk
	truncate -s 32K disk
	while [ $# -ge 3 ]; do
		"$volcheck" put disk "$1" "$2" 7 "$3" || exit 1
		shift 3
	done
}

# history EVENT... : a log; events are a line of it without the times, which are the line's number times 10
history()
{
	local event ms=0

	echo "run 7 64"
	for event; do
		ms=$((ms + 10))
		echo "$event $ms"
	done
} >log

judge() { "$volcheck" check --log log "$@" disk >said 2>&1; }

# allowed TEXT PROMISE [OPTION...] : and nothing is said of it
allowed()
{
	local text=$1

	judge --promise "${@:2}" && ! grep -q ^wrong said
	ok $? "allowed: $text (${*:2})"
}

# wrong TEXT PATTERN PROMISE [OPTION...]
wrong()
{
	local text=$1 pattern=$2 status

	judge --promise "${@:3}"
	status=$?
	[ $status -eq 1 ] && grep -qE "^wrong: .*$pattern" said && grep -q '^not allowed$' said
	ok $? "found: $text (${*:3})"
}

# ---- a flush ----
flushed=('i 1 w 8 8' 'a 1 0' 'i 2 s 0 0' 'a 2 0')
history "${flushed[@]}"
device 8 8 1
allowed "what was flushed is there" flushed
device
wrong "a flushed write is missing" 'sector 8 \(block 1\): what was there before the run; write 1 .* is missing: a flush' flushed
allowed "the same after loss of the host" prefix
device 8 7 1
wrong "one sector of a flushed write is missing" 'sector 15 ' flushed
history "${flushed[@]:0:3}"
device
allowed "the flush was not acknowledged" flushed
history 'i 1 w 8 8' 'i 2 s 0 0' 'a 1 0' 'a 2 0'
allowed "the write ended behind the flush's start" flushed
wrong "the same where nothing may be missing" 'nothing may be missing' all
history "${flushed[@]}" 'i 3 w 8 8'
device 8 8 3
allowed "a later write is in its place, acknowledged or not" flushed
history 'i 1 w 8 8' 'a 1 0' 'i 2 w 8 8' 'a 2 0' 'i 3 s 0 0' 'a 3 0'
device 8 8 1
wrong "a flushed write lost to an older one" 'write 1 .*; write 2 .* is missing' flushed
history 'i 1 w 8 8' 'i 2 w 8 8' 'a 2 0' 'a 1 0' 'i 3 s 0 0' 'a 3 0'
device 8 8 1
allowed "of two at a time the first won" flushed
device 8 4 1 12 4 2
allowed "of two at a time each won somewhere" flushed
history 'i 1 w 8 8' 'i 2 w 10 1' 'a 2 0' 'a 1 0' 'i 3 s 0 0' 'a 3 0'
device 10 1 2
wrong "the whole block lost to a part of it" 'sector 8 .*write 1 .* is missing' flushed

# ---- FUA ----
history 'i 1 f 8 8' 'a 1 0' 'i 2 w 16 8' 'a 2 0'
device 8 8 1
allowed "FUA makes its own write durable, no other" flushed
device 16 8 2
wrong "a write with FUA is missing" 'FUA write 1 .* is missing' flushed
device
wrong "it was the only one" 'FUA write 1 .* is missing: it had FUA' flushed

# ---- order ----
history 'i 1 w 8 8' 'a 1 0' 'i 2 w 16 8' 'a 2 0' 'i 3 w 24 8'
device 8 8 1 16 8 2
allowed "the last is missing" prefix
device 8 8 1
allowed "the last two are missing" prefix
device
allowed "all are missing" prefix
device 16 8 2
wrong "a hole: write 2 without the one before" 'write 1 .*: something that is there was issued after that' prefix
device 8 8 1 24 8 3
wrong "a hole: a write that was under way without the one before" 'write 2 ' prefix
wrong "the same on the same NVMe" 'write 2 ' flushed
history 'i 1 w 8 8' 'i 2 w 16 8' 'a 1 0' 'a 2 0'
device 16 8 2
allowed "the second of two at a time" prefix
history 'i 1 w 8 8' 'a 1 5' 'i 2 w 16 8' 'a 2 0'
allowed "the first had failed" prefix
device 8 8 1 16 8 2
allowed "the first had failed and is there" prefix

# ---- zeros ----
for kind in d z; do
	history 'i 1 w 8 8' 'a 1 0' "i 2 $kind 8 8" 'a 2 0' 'i 3 s 0 0' 'a 3 0'
	device
	allowed "zeroed ($kind)" flushed
	device 8 8 1
	wrong "old bytes after zeroing ($kind)" 'write 1 .* is missing: a flush' flushed
	history "i 1 $kind 8 8" 'a 1 0' 'i 2 w 8 8' 'a 2 0' 'i 3 s 0 0' 'a 3 0'
	device
	wrong "zeros in place of a later write ($kind)" 'zeros of .* 1; write 2 ' flushed
	history 'i 1 w 8 8' "i 2 $kind 8 8" 'a 2 0' 'a 1 0' 'i 3 s 0 0' 'a 3 0'
	allowed "zeros and a write at a time ($kind)" flushed
done

# ---- what is in a sector ----
history "${flushed[@]}"
device 8 8 1
printf x | dd of=disk bs=1 seek=$((9 * 512 + 300)) conv=notrunc status=none
wrong "a torn sector" 'sector 9 .*torn' prefix
device 8 8 1
head -c 512 /dev/urandom | dd of=disk bs=512 seek=40 conv=notrunc status=none
wrong "bytes of somebody else" 'sector 40 .*no write put' prefix
device 8 8 1
dd if=disk of=disk bs=512 skip=9 seek=10 count=1 conv=notrunc status=none
wrong "a sector at the wrong place" 'sector 10 .*what write 1 put into sector 9' prefix
device 8 8 1 16 1 1
wrong "a sector that the write does not cover" 'sector 16 .*the log does not have' prefix
device 8 8 1 24 1 99
wrong "a write that was never issued" 'write 99, that the log does not have' prefix

# ---- runs ----
device 8 8 1
history "${flushed[@]}"
judge --promise flushed --save base && cmp -s disk base
ok $? "what is there is kept"
printf '%s\n' 'run 8 64' 'i 1 w 16 8 10' 'a 1 0 20' >log
allowed "the next run has not changed it" prefix --base base
device
wrong "what the run before had left is gone" 'sector 8 .*zeros, and nothing made them' prefix --base base
device 8 8 1 32 8 2
wrong "a lost write of the run before is back" 'sector 32 .*write 2 of run 7' prefix --base base
printf '%s\n' 'run 8 64' 'i 1 d 0 64 10' 'a 1 0 20' 'i 2 s 0 0 30' 'a 2 0 40' >log
device
allowed "zeroed over what was there" flushed --base base
device 8 8 1
wrong "discarded, and is there as before" 'what was there before the run; discard 1' flushed --base base

# ---- the window ----
history 'i 1 w 8 8' 'a 1 0' 'i 2 w 16 8' 'a 2 0'
device
allowed "20 ms are missing" prefix --window 20
wrong "more is missing than may be" 'more is missing than the last 19 ms' prefix --window 19

# ---- logs ----
# refused TEXT PATTERN
refused()
{
	judge --promise prefix
	[ $? -eq 2 ] && grep -qE "$2" said
	ok $? "refused: $1"
}
device
printf 'run 7 64\ni 1 w 8 8 10\na 1 0' >log
allowed "the last line is cut off" flushed
: >log
refused "an empty log" 'no first line'
history 'i 1 w 60 8'
refused "a write behind the end" 'line 2 makes no sense'
history 'i 1 w 8 8' 'i 1 w 8 8'
refused "a number twice" 'line 3 makes no sense'
history 'a 1 0'
refused "an acknowledgement of nothing" 'line 2 makes no sense'
history 'i 1 w 8 8' 'a 1 0' 'a 1 0'
refused "an acknowledgement twice" 'line 4 makes no sense'
history "${flushed[@]}"
truncate -s 16K disk
refused "a device that is too short" 'it ends there'

# ---- the writer, and the judge on what it leaves ----
rm disk && truncate -s 1M disk
"$volcheck" write --log log --ops 2000 --flush 16 --parts --fua --discard --run 3 disk >said 2>&1
ok $? "2000 operations by four threads"
[ "$(grep -c ^i log)" -eq 2000 ] && [ "$(grep -c ^a log)" -eq 2000 ] && [ "$(grep '^i' log | cut -d' ' -f3 | sort -u | tr -d '\n')" = dfswz ]
ok $? "its log has them all, and each kind"
for promise in all flushed prefix; do
	allowed "it is all there" $promise
done
# Nothing else was done to those sectors beside it or later: what is there may not be zeros then.
last=$(awk '/^i/ { begun[$2] = NR; what[$2] = $3; from[$2] = $4; nr[$2] = $5 }
	/^a/ { ended[$2] = NR }
	function alone(n, k) {
		for (k in begun)
			if (k != n && nr[k] && ended[k] > begun[n] && from[k] < from[n] + nr[n] && from[n] < from[k] + nr[k])
				return 0
		return 1
	}
	END {
		for (n in begun)
			if (what[n] == "w" && nr[n] == 8 && begun[n] > begun[best] && alone(n))
				best = n
		print from[best]
	}' log)
dd if=/dev/zero of=disk bs=512 seek="$last" count=8 conv=notrunc status=none
wrong "the last write is taken out" "sector $last .*is missing" all

echo "1..$tests"
[ $failed -eq 0 ]
