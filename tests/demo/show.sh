# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# How the demo speaks: numbered steps with seconds, a line that moves on a
# terminal and is repeated now and then elsewhere, figures, the table's rows.
# Sourced by `run`, which sets $tmp and $steps.  A step's command runs in a process
# group of its own, $job, so that all of it can be ended.

job=
step_nr=0
step_log=
step_title=
step_start=
next_line=0

now_ms() { local t=${EPOCHREALTIME/[.,]/}; echo "${t%???}"; }

seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }
mib() { awk -v n="$1" 'BEGIN { printf "%.1f", n / 1048576 }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", a / b }'; }
# percent_of PART WHOLE : never above 100, as WHOLE may be an estimate
percent_of() {
	awk -v a="$1" -v b="$2" 'BEGIN {
		p = b ? 100 * a / b : 0
		printf "%d %%", (p > 100 ? 100 : p)
	}'
}

# allocated PATH : bytes, as the file system has them; 0 if it is not there
allocated() { du -sB1 "$1" 2>/dev/null | awk '{ n = $1 } END { printf "%d\n", n }'; }

# note WORD... : a line below the step that runs
note() {
	end_progress
	echo "        $*"
}

fail() {
	end_progress
	echo "demo: FAILED: $*" >&2
	exit 1
}

row() {
	local name=$1

	shift
	printf '  %-22s %s\n' "$name" "$*"
}

# progress TEXT : where the step is, if it says so; at most every 15 s if nobody watches
progress() {
	local passed=$((($(now_ms) - step_start) / 1000))
	local line="        $1${1:+, }$passed s"

	if [ -t 1 ]; then
		printf '\r%s\e[K' "$line"
		moving=1
	elif [ $passed -ge $next_line ]; then
		echo "$line"
		next_line=$((passed + 15))
	fi
}

moving=
end_progress() {
	[ -z "$moving" ] || printf '\r\e[K'
	moving=
}

# start_job COMMAND...
start_job() {
	set -m
	"$@" &
	job=$!
	set +m
}

stop_job() {
	[ -n "$job" ] || return 0
	kill -TERM -- "-$job" 2>/dev/null
	wait "$job" 2>/dev/null
	job=
}

# wait_job : its status
wait_job() {
	local status

	wait "$job"
	status=$?
	job=
	return $status
}

begin_step() {
	step_nr=$((step_nr + 1))
	step_title=$1
	step_start=$(now_ms)
	next_line=15
	step_log=$tmp/step.$step_nr
	echo "[$step_nr/$steps] $step_title"
}

end_step() { note "done in $(seconds $(($(now_ms) - step_start))) s"; }

# step [-s FUNCTION] TITLE COMMAND... : FUNCTION prints how far it is
step() {
	local status_of=

	if [ "$1" = -s ]; then
		status_of=$2
		shift 2
	fi
	begin_step "$1"
	shift
	start_job "$@" >"$step_log" 2>&1
	while sleep 0.3 && kill -0 "$job" 2>/dev/null; do
		progress "$([ -z "$status_of" ] || $status_of)"
	done
	wait_job || {
		tail -n 30 "$step_log" | cut -c1-300 | sed 's/^/        | /' >&2
		fail "$step_title"
	}
	end_step
}
