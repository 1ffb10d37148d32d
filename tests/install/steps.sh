# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Numbered checks whose count outlives a reboot: each result is a line of the file $STEPS, and
# the number of a check is that of its line.  Sourced by bash; $STEPS is set before.

# result WORD TITLE : ok, FAIL or skip
result() {
	echo "$1" >>"$STEPS"
	printf '%-4s %2d %s\n' "$1" "$(wc -l <"$STEPS")" "$2"
}

# check TITLE COMMAND... : runs it in a shell of its own; what it says is shown if it fails
check() {
	local title=$1 start=$SECONDS said status

	shift
	said=$(mktemp)
	("$@") >"$said" 2>&1 </dev/null
	status=$?
	title+=" ($((SECONDS - start)) s)"
	if [ $status -ne 0 ]; then
		result FAIL "$title: status $status"
	elif [ -n "${aloud:-}" ] && [ ! -s "$said" ]; then
		status=1
		result FAIL "$title: said nothing"
	else
		result ok "$title"
	fi
	[ $status -eq 0 ] && [ -z "${aloud:-}" ] ||
		tail -n 40 "$said" | cut -c1-200 | sed 's/^/        | /'
	rm -f "$said"
	return $status
}

# look TITLE COMMAND... : a check of something made for people to read, who see it
look() { aloud=1 check "$@"; }

# must TITLE COMMAND... : a check without which the others make no sense; the caller's `end' ends
must() { check "$@" || end; }

# skip TITLE REASON
skip() { result skip "$1: $2"; }

count() { grep -cx "$1" "$STEPS"; }

# summary : N passed, N failed, N skipped; fails if anything did, or if nothing was checked
summary() {
	echo "$(count ok) passed, $(count FAIL) failed, $(count skip) skipped"
	[ "$(count FAIL)" -eq 0 ] && [ "$(count ok)" -gt 0 ]
}
