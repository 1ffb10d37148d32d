#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The helper is killed at each step of what it does for a volume: reading of the journal, claims, resumption, opening,
# cuts, commits, COMMITTED, cleaning, trimming (tests/tools/kill/). At work, then the next one goes on; and in recovery,
# after the pool has gone with what no store has, then the next one recovers. Each time all that was acknowledged is
# there; in the end it is in the store.
# catches: a step that can't be repeated, or that is taken for done when it was only begun.
# vm: -n 128M -t 400
# vm-long: -t 7200
# kernels: uml
. "${0%/*}/lib.sh"

load_module
pool_sectors=49152
conf=$WORK/p.conf
store=file://$WORK/store
seed=${2:-$(date +%s)}
killed=0 missed=0 run=0 nth=0 never=
note "seed $seed"

must dmsetup create a --table "0 $pool_sectors linear $NVME 0"
cat >$conf <<-END
[pool]
name = p
buffers = 2M
prefetch = no
[store $STORE]
url = $store
END

# helper [VARIABLE=VALUE...]
helper() {
	env "$@" chunkcached -c $conf >$WORK/helper.log 2>&1 &
	helper_pid=$!
}

has_helper() {
	read -r attached <$SYSFS/p/helper_pid
	[ "$attached" != 0 ]
}

# load OPERATIONS : in the background
load() {
	run=$((run + 1))
	cc-volcheck write --log $WORK/history --run $run --seed $((seed + run)) --ops "$1" --threads 2 --flush 8 --parts --fua --discard \
		/dev/mapper/v >$WORK/load.log 2>&1 &
	load=$!
}

judged() {
	cc-volcheck check --log $WORK/history --promise all --base $WORK/base --save $WORK/base.new /dev/mapper/v \
		>$WORK/judge.log 2>&1 || {
		cat $WORK/judge.log $WORK/helper.log
		fail "something that was acknowledged is missing, killed $1"
	}
	mv $WORK/base.new $WORK/base
}

# dies POINT : within 12 s, or it never comes there
dies() {
	if wait_until 12 gone $helper_pid; then
		killed=$((killed + 1))
	else
		missed=$((missed + 1))
		kill -KILL $helper_pid
		note "not reached: $1"
	fi
	wait $helper_pid 2>/dev/null
}

is_running() { [ "$(volume_state v)" = running ]; }

little_dirty() {
	read -r dirty <$SYSFS/p/slots_log
	[ "$dirty" -le 16 ]
}

# goes_on POINT : another helper; all is there, and gets into the store
goes_on() {
	helper
	must_become 60 has_helper
	wait_until 60 is_running || { cat $WORK/helper.log; fail "the volume does not run, killed $1"; }
	[ -z "$load" ] || wait_for $load 90 || { cat $WORK/load.log $WORK/helper.log; fail "writes, killed $1"; }
	judged "$1"
	wait_until 60 little_dirty || { cat $WORK/helper.log; fail "nothing gets clean, killed $1"; }
	helper_kill
}

# at_work POINT
at_work() {
	load 60
	helper LD_PRELOAD=/bin/cc-kill.so CC_KILL="$1"
	dies "$1"
	goes_on "$1, at work"
}

# forsaken : the load ends though no helper is there, which what is held at the dirty limit and a part of a block that
# is in no slot wait for
forsaken() {
	if wait_until 5 gone $load; then
		wait $load || { cat $WORK/load.log; fail "writes without a helper"; }
	else
		kill -KILL $load
		must dmsetup wipe_table --noflush v
		must_become 60 gone $load
		wait $load 2>/dev/null
	fi
	load=
}

# in_recovery POINT
in_recovery() {
	load 60
	forsaken
	must dmsetup remove v
	must dmsetup remove p
	must dmsetup create p --table "0 $pool_sectors chunkcache-pool /dev/mapper/a"
	must chunkctl volume up v --pool p --store $STORE --config $conf
	helper LD_PRELOAD=/bin/cc-kill.so CC_KILL="$1"
	dies "$1"
	goes_on "$1, in recovery"
}

# each STEP NTH POINT... : what was not reached once is not tried again
each() {
	local step=$1 nth=$2 when what try before

	shift 2
	for when in before after; do
		for what; do
			try="$step $when $what $nth"
			[ "$when $what" != "after read" ] || continue
			case "$never/" in
			*"/$try/"*) continue ;;
			esac
			before=$missed
			$step "$when $what $nth"
			[ $missed = $before ] || never="$never/$try"
		done
	done
}

must chunkctl format /dev/mapper/a --slot-size 64K --manifest-area 1M --force --dirty-max 4M >/dev/null
mkdir -p $WORK/store
must chunkctl volume create v --size 4M --chunk-size 64K --store $store
truncate -s 4M $WORK/base
must dmsetup create p --table "0 $pool_sectors chunkcache-pool /dev/mapper/a"
must chunkctl volume up v --pool p --store $STORE --config $conf
helper
must_become 60 is_running
helper_kill

work_points="link journal_add slot_clean journal_trim volume_cut journal_get read"
recovery_points="journal_get slot_claim journal_resume slot_get read link volume_load volume_start journal_add"
if [ -n "$LONG" ]; then
	# words
	# shellcheck disable=SC2086
	until [ $killed -ge 200 ]; do
		nth=$((nth % 5 + 1))
		each at_work $nth $work_points
		each in_recovery $nth $recovery_points
	done
else
	for point in "after link 2" "before slot_clean 1"; do
		at_work "$point"
	done
	for point in "after slot_claim 1" "before journal_resume 1" "after link 1" "before volume_start 1"; do
		in_recovery "$point"
	done
	equal "kills" $killed 6
fi
note "a helper that comes while the volume goes down opens it first"
chunkctl volume down v --store $store &
down=$!
sleep 1
helper
wait $down || fail "volume down: status $?"
must chunkctl volume export v $WORK/export --store $store >/dev/null
must cmp $WORK/export $WORK/base
must chunkctl volume verify v --store $store
note "a pool whose volumes are closed comes up again"
sleep 3
helper_kill
must dmsetup remove p
must dmsetup create p --table "0 $pool_sectors chunkcache-pool /dev/mapper/a"
helper
must_become 60 has_helper
is_recovered() { grep -q "journal: recovered" $WORK/helper.log; }
wait_until 30 is_recovered || { cat $WORK/helper.log; fail "the journal of a closed volume can't be read"; }
note "$killed kills, $missed points not reached, 0 wrong"
finish
