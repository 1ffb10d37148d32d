#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One GET in a hundred takes 2 s: with second GETs the slowest percent of misses takes little longer than the others,
# for a few GETs more; without them it takes the 2 s.
# catches: second GETs that never start, that start for every read, or that are not allowed to win.
# vm: -n 64M -t 900
# kernels: 6.12 6.1 uml
# short: uml
. "${0%/*}/lib.sh"

load_module
image a --seed 64 --size 16M --chunk 64K
cat >$WORK/rules <<END
path=/chunks/ prob=0.01 latency=2000
path=/chunks/ latency=30
END
http_store --script $WORK/rules --seed 64
extra_pool="ram_cache = 0"
format
pool_up

# passes N : reads all 256 chunks N times, out of no cache; sets $slow, those with a p99 of more than 1 s, and $extra
passes() {
	local i=0 before p99

	slow=0
	before=$(gets)
	while [ $i -lt "$1" ]; do
		drop_pool
		# shellcheck disable=SC2046
		cc-io --verify $(opts a) --seq --bs 4K --step 64K --depth 4 --timeout 120 --json /dev/mapper/vm1 \
			>$WORK/out || fail "a pass: $(cat $WORK/out)"
		p99=$(json p99_us $WORK/out)
		note "pass $i: median $(json p50_us $WORK/out) us, p99 $p99 us"
		[ "$p99" -le 1000000 ] || slow=$((slow + 1))
		i=$((i + 1))
	done
	extra=$(($(gets) - before - $1 * 256))
	note "$slow of $1 passes slow, $extra GETs more than chunks"
}

note "without second GETs"
hedging=
extra_store="hedge_quantile = off
stall_hedge = 0"
helper_start
disk_up vm1 a
passes 3
at_least "slow passes" $slow 2
equal "GETs more than chunks" $extra 0
disk_down vm1
helper_stop

note "with them"
extra_store=
helper_start
disk_up vm1 a
passes 2 # as many answers as it takes to know what is slow
passes 3
at_most "slow passes" $slow 1
at_least "GETs more than chunks" $extra 1
at_most "GETs more than chunks" $extra $((3 * 256 / 20))
finish
