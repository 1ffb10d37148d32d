# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Figures of a benchmark: what each must reach, as a table and as JSON.  Sourced by its run, which
# has say().  $missed is 1 when a figure was not reached.

names=() missed=0
declare -A value required reached remark

# figure NAME VALUE REQUIRED [REMARK] : REQUIRED is "<= N", ">= N" or "" (reported only)
figure() {
	names+=("$1")
	value[$1]=$2 required[$1]=$3 remark[$1]=${4:-} reached[$1]=-
	[ -n "$3" ] || return 0
	reached[$1]=yes
	if [ "$2" = - ] || ! awk "BEGIN { exit !($2 $3) }"; then
		reached[$1]=NO
		missed=1
	fi
	say "$1 $2 (required $3): ${reached[$1]}"
}

print_table() {
	local name

	printf '%-32s %12s %10s %8s  %s\n' figure value required reached ''
	for name in "${names[@]}"; do
		printf '%-32s %12s %10s %8s  %s\n' "$name" "${value[$name]}" "${required[$name]:--}" \
			"${reached[$name]}" "${remark[$name]}"
	done
}

# print_json MEMBERS : those first
print_json() {
	local name comma=

	printf '{%s' "$1"
	for name in "${names[@]}"; do
		[ "${value[$name]}" = - ] || printf ',"%s":%s' "$name" "${value[$name]}"
	done
	printf ',"required":{'
	for name in "${names[@]}"; do
		[ -n "${required[$name]}" ] || continue
		printf '%s"%s":"%s"' "$comma" "$name" "${required[$name]}"
		comma=,
	done
	comma=
	printf '},"missed":['
	for name in "${names[@]}"; do
		[ "${reached[$name]}" = NO ] || continue
		printf '%s"%s"' "$comma" "$name"
		comma=,
	done
	printf ']}\n'
}
