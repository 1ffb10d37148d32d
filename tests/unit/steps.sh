#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The runner of `make check-install' on checks that pass and fail: it must be able to fail.  TAP
# on stdout.

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
tests=0 failed=0

# wants TEXT STATUS PATTERN... : of a script's status, and lines of what it said
wants()
{
	local text=$1 pattern good=1

	tests=$((tests + 1))
	[ "$status" -eq "$2" ] || good=
	for pattern in "${@:3}"; do
		grep -qE "^$pattern\$" "$dir/said" || good=
	done
	if [ -n "$good" ]; then
		echo "ok $tests - $text"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $text"
		sed "s/^/# $status: /" "$dir/said"
	fi
}

# steps SCRIPT : runs it with the runner; sets status
steps()
{
	(STEPS=$dir/steps; : >>"$STEPS"; . "$here/../install/steps.sh"; end() { summary; exit 9; }
		eval "$1") >"$dir/said" 2>&1
	status=$?
}

steps 'check one true; check two test 1 -eq 1; summary'
wants "all pass" 0 'ok    1 one \(0 s\)' 'ok    2 two \(0 s\)' '2 passed, 0 failed, 0 skipped'
steps 'check three true; summary'
wants "the count goes on" 0 'ok    3 three.*' '3 passed, 0 failed, 0 skipped'

rm "$dir/steps"
steps 'bad() { echo why; return 4; }; check one bad; check two true; summary'
wants "one fails, and says why" 1 'FAIL  1 one.*: status 4' ' +\| why' 'ok    2 .*' \
	'1 passed, 1 failed, 0 skipped'
steps 'check three exit 3; check four true; summary'
wants "a check can't end the run; what failed before counts" 1 'FAIL  3 .*: status 3' \
	'2 passed, 2 failed, 0 skipped'

rm "$dir/steps"
steps 'must one false; check two true; summary'
wants "the rest makes no sense" 9 'FAIL  1 .*' '0 passed, 1 failed, 0 skipped'

rm "$dir/steps"
steps 'look one echo picture; look two true; summary'
wants "what is for people is shown, and silence fails" 1 ' +\| picture' \
	'FAIL  2 .*: said nothing' '1 passed, 1 failed, 0 skipped'

rm "$dir/steps"
steps 'skip one "no such thing here"; summary'
wants "nothing but skips fails" 1 'skip  1 one: no such thing here' '0 passed, 0 failed, 1 skipped'

echo "1..$tests"
[ $failed -eq 0 ]
