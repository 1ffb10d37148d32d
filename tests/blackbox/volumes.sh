# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What black-box cases of volumes share.  lib.sh has it read; its functions are used here.

# ---- writing, and what is there after a crash ----

# The log has to outlive the machine that is killed; base of the next run is what the last check found.
volcheck_log=$WORK/volcheck.log
volcheck_base=

# volcheck_write DEVICE [OPTION...] : operations that are logged, each run with a number of its own; ends well or fails
volcheck_runs=0
volcheck_write() {
	local device=$1

	shift
	volcheck_runs=$((volcheck_runs + 1))
	cc-volcheck write --log $volcheck_log --run $volcheck_runs --parts --fua --discard "$@" "$device" ||
		fail "operations on $device: $*"
}

# volcheck DEVICE PROMISE [OPTION...] : what the device holds must be a state that the log allows
volcheck() {
	local device=$1 promise=$2

	shift 2
	# shellcheck disable=SC2086
	cc-volcheck check --log $volcheck_log --promise "$promise" ${volcheck_base:+--base $volcheck_base} \
		--save $WORK/volcheck.new "$@" "$device" || fail "$device is not in a state that its log allows"
	mv $WORK/volcheck.new $WORK/volcheck.base
	volcheck_base=$WORK/volcheck.base
}

# ---- volumes ----

UUID=5eed5eed-0210-4210-8210-0123456789ab

# volume_table SECTORS [FEATURES] | volume_up NAME SECTORS [FEATURES] : features counted already
volume_table() {
	echo "0 $1 chunkcache-vol /dev/mapper/$POOL $STORE $UUID ${2:-0}"
}

volume_up() {
	must dmsetup create "$1" --table "$(volume_table "$2" "${3:-}")"
}

# volume_start NAME SECTORS [SCRIPT] : as its helper, which goes then: base of zeros, handle 1, term 1; lines of the
# script run before it goes
volume_start() {
	nl -q <<-END
	pool /dev/mapper/$POOL
	attach
	try resume 1 0 1
	disks
	state $1 loaded
	hole $1 0 $(($2 * 512 / slot_bytes))
	start $1 1 1
	${3:-}
	detach
	END
}

# volume_commit NAME : as its helper: a cut, and all log chunks that are closed are clean
volume_commit() {
	nl -q <<-END
	pool /dev/mapper/$POOL
	attach
	disks
	cut $1
	sleep 200
	detach
	END
	cc-nl -c "pool /dev/mapper/$POOL; attach; slots; detach" >$WORK/slots.of || fail "slots of the pool"
	{
		echo "pool /dev/mapper/$POOL
		attach"
		sed -n 's/^slot \([0-9]*\) gen \([0-9]*\) log .*/try clean \1 \2/p' $WORK/slots.of
		echo detach
	} >$WORK/clean.nl
	must cc-nl -q $WORK/clean.nl
}

# commit_until_gone NAME PID : a writer that is held at the dirty limit, again and again
commit_until_gone() {
	local commits=0

	until gone "$2"; do
		volume_commit "$1"
		commits=$((commits + 1))
		[ $commits -lt 60 ] || fail "writes are held for ever"
	done
}

# volume_word NAME N : of the words behind those of a disk: state, handle, term, writes, flushes, discarded
# sectors, write errors, held, throttled us
volume_word() { status_word "$1" $((12 + $2)); }
volume_state() { volume_word "$1" 1; }
volume_held() { volume_word "$1" 8; }

# ---- two hosts: a store, and a cache device, a pool and a helper of each ----

# two_hosts MIB : halves of the NVMe are the cache devices a and b
two_hosts() {
	must dmsetup create a --table "0 $(($1 * 2048)) linear $NVME 0"
	must dmsetup create b --table "0 $(($1 * 2048)) linear $NVME $(($1 * 2048))"
	mkdir -p "$STORE_DIR" /run/chunkcache
}

# helper_of POOL [VARIABLE=VALUE...] : its process is in $pid
helper_of() {
	local pool=$1

	shift
	env "$@" chunkcached -c "$WORK/$pool.conf" >>"$WORK/helper-$pool.log" 2>&1 &
	pid=$!
	on_exit "kill -KILL $pid 2>/dev/null"
	must_become 90 pool_has_helper "$pool"
}

# pool_of POOL DEVICE [LINE] : up, with its helper, whose configuration has the line for the pool
pool_of() {
	cache_device=/dev/mapper/$2
	must dmsetup create "$1" --table "$(pool_table)"
	# Sockets are where chunkctl looks.
	(POOL=$1 CONF=$WORK/$1.conf sockets=/run/chunkcache extra_pool=${3:-} && write_config)
	helper_of "$1"
}

# new_pool_of POOL DEVICE DIRTY [LINE] : formatted before
new_pool_of() {
	cache_device=/dev/mapper/$2
	format 64K "" "$3"
	pool_of "$1" "$2" "${4:-}"
}

# up_on POOL [OPTION...] : the volume v
up_on() {
	local pool=$1

	shift
	chunkctl volume up v --pool "$pool" --store "$STORE" --config "$WORK/$pool.conf" "$@"
}

# in_store VOLUME FILE : what is committed of it equals the file
in_store() {
	rm -f $WORK/export
	chunkctl volume export "$1" $WORK/export --store "$store_url" >$WORK/export.log 2>&1 && cmp -s $WORK/export "$2"
}
