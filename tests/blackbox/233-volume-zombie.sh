#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two hosts that both believe they own a volume: the helper of one is stopped under load, at moments that hurt (around
# a commit, before COMMITTED, before slots become clean), another host takes the volume over and writes, and the first
# one goes on. None of its commits counts, its volume fails, once, with a reason, and is not opened again there; what
# only it has can be had as a new volume, to the last write that was acknowledged, or be given up. Then both want the
# volume at once: one of them gets it, the other says who did.
# Both pools are of one machine: what is stopped is a helper, not a kernel.
# catches: a commit that counts by its number alone, one that is stepped over and was acknowledged, two owners.
# vm: -n 256M
# vm-long: -t 3600
# kernels: uml
. "${0%/*}/lib.sh"

# host X : an empty pool pX with a helper, whose process is in $host_X
host() {
	rm -f $WORK/helper-p"$1".log
	new_pool_of p"$1" "$1" 64
	eval "host_$1=$pid"
}

# no_host X
no_host() {
	eval "helper_kill \$host_$1"
	must dmsetup remove p"$1"
}

# device X : the volume on pool X, as vX: chunkctl would not make two on one machine
device() { must dmsetup create v"$1" --table "0 4096 chunkcache-vol /dev/mapper/p$1 $STORE $uuid"; }

wrong() {
	chunkctl volume show v --store $store_url
	fail "$* ($point)"
}

has_state() { [ "$(volume_state "$1")" = "$2" ]; }

# becomes DEVICE STATE
becomes() { wait_until 60 has_state "$1" "$2" || wrong "$1 is $(volume_state "$1"), should be $2"; }

is_stopped() {
	read -r _ _ state _ </proc/"$1"/stat
	[ "$state" = T ]
}

# load DEVICE RUN OPTION... : in the background
load() {
	local device=$1 run=$2

	shift 2
	cc-volcheck write --log $WORK/history."$run" --run "$run" --seed "$run" --threads 2 --flush 8 --parts --fua --discard \
		"$@" /dev/mapper/"$device" >$WORK/load."$run" 2>&1 &
	load=$!
}

# judged FILE RUN PROMISE BASE [FOUND] : what the run left in it; it is copied to FOUND
judged() {
	cc-volcheck check --log $WORK/history."$2" --promise "$3" --base "$4" ${5:+--save "$5"} "$1" >$WORK/judge.log 2>&1 || {
		cat $WORK/judge.log
		wrong "$1 does not keep its word: $3"
	}
}

slots_log_of() { cat $SYSFS/p"$1"/slots_log; }

# stopped POINT RUN : host a, with the volume, under load; the load's process is in $zombies
stopped() {
	host a
	if [ "$1" != any ]; then
		helper_kill $host_a
		helper_of pa LD_PRELOAD=/bin/cc-kill.so CC_STOP="$1"
		host_a=$pid
	fi
	device a
	becomes va running
	load va "$2" --seconds 600
	zombies=$load
	if [ "$1" = any ]; then
		sleep $(($2 % 4))
		kill -STOP $host_a
	fi
	wait_until 60 is_stopped $host_a || wrong "never there"
	sleep 0.5
}

# taken_over RUN : by b, which writes while a goes on
taken_over() {
	must up_on pb --take-over
	becomes v running
	judged /dev/mapper/v "$1" prefix $WORK/base $WORK/then
	load v $(($1 + 1)) --ops 100
	kill -CONT $host_a
	wait_for $load 60 || wrong "b can't write"
	becomes va failed
	judged /dev/mapper/v $(($1 + 1)) all $WORK/then $WORK/now
	must_become 60 gone $zombies
	wait $zombies && wrong "writes of a have not failed"
	equal "reasons of a" "$(grep -c 'volume va: failed' $WORK/helper-pa.log)" 1
	note "$point: $(sed -n 's/.*volume va: failed: //p' $WORK/helper-pa.log)"
}

# rescued RUN : what only a has is no part of the volume, and can be had
rescued() {
	must dmsetup remove va
	before=$(slots_log_of a)
	at_least "what only a has" "$before" 1
	device a
	becomes va failed
	must dmsetup remove va
	equal "what only a has" "$(slots_log_of a)" "$before"
	must chunkctl volume rescue v --as saved"$1" --store $STORE --config $WORK/pa.conf
	must chunkctl volume verify saved"$1" --store $store_url
	must chunkctl volume export saved"$1" $WORK/export --store $store_url
	judged $WORK/export "$1" all $WORK/base
	must chunkctl volume down v --store $store_url
	must chunkctl volume verify v --store $store_url
	in_store v $WORK/now || wrong "the store has something else than b had"
}

# zombie POINT RUN
zombie() {
	point=$1
	host b
	stopped "$1" "$2"
	taken_over "$2"
	rescued "$2"
	must chunkctl volume discard-local v --store $STORE --config $WORK/pa.conf 2>$WORK/discard.log
	# how old it is nobody knows any more
	grep -q "gives up: [0-9.]* [KM]iB$" $WORK/discard.log || wrong "what is given up: $(cat $WORK/discard.log)"
	must up_on pa
	cmp /dev/mapper/v $WORK/now || wrong "a has something else than b had"
	must chunkctl volume down v --store $store_url
	equal "what only a has" "$(slots_log_of a)" 0
	mv $WORK/now $WORK/base
	for round in 1 2; do
		both $round
	done
	no_host a
	no_host b
}

# both ROUND : from now on, at once
both() {
	point="both at once"
	kill -STOP $host_a $host_b
	device a
	device b
	kill -CONT $host_a $host_b
	wait_until 60 one_has_it || wrong "owners: $(volume_state va), $(volume_state vb)"
	if has_state va running; then winner=a loser=b; else winner=b loser=a; fi
	cmp /dev/mapper/v$winner $WORK/base || wrong "$winner has something else"
	dd if=/dev/urandom of=/dev/mapper/v$winner bs=4K count=8 seek=$(($1 * 8)) oflag=direct 2>/dev/null
	cp /dev/mapper/v$winner $WORK/base
	grep -q "volume v$loser: failed: it is open on .* (term [0-9]*)" $WORK/helper-p$loser.log || wrong "$loser does not say who has it"
	must dmsetup remove va
	must dmsetup remove vb
	wait_until 60 is_closed || wrong "$winner does not close it"
	wins="$wins$winner"
}

one_has_it() {
	case "$(volume_state va) $(volume_state vb)" in
	"running failed" | "failed running") return 0 ;;
	esac
	return 1
}

is_closed() { chunkctl volume show v --store $store_url --json 2>/dev/null | grep -q '"open":false'; }

load_module
two_hosts 24
must chunkctl volume create v --size 2M --chunk-size 64K --store $store_url
uuid=$(cat $STORE_DIR/volume-names/v)
truncate -s 2M $WORK/base
run=1 wins=
points="before:link:3"
[ -z "$LONG" ] || points="$points before:journal_add:3 after:link:4 before:slot_clean:2 after:journal_add:3 before:link:9 after:link:12
	any any any any any any any any"
for at in $points; do
	zombie "$(echo "$at" | tr : ' ')" $run
	run=$((run + 2))
done

note "both at once: $wins"
finish
