#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A store with a replica: while the first is down, slow or lying, the second serves, and who asks learns to ask it
# first; when the first is well again, that is noticed.
# catches: each read paying for the replica that is down, a lie that ends as an error though another has the
# truth, a replica that is never asked again, a first that loses its place by one slow answer.
# vm: -n 64M
# kernels: 6.12 6.1 uml
# short: uml
. "${0%/*}/lib.sh"

load_module
image a --seed 63 --size 4M --chunk 64K
# what it is asked first, as on a host that has just come up
echo "count=1 latency=700" >$WORK/rules
http_store --script $WORK/rules
: >$WORK/copy.log
cc-httpd --root $STORE_DIR --port 0 --port-file $WORK/copy.port --log $WORK/copy.log >/dev/null 2>&1 &
copy_pid=$!
on_exit "kill $copy_pid 2>/dev/null"
must_become 10 test -s $WORK/copy.port
extra_pool="ram_cache = 0"
extra_store="replicas = copy
connect_timeout = 500
first_byte_timeout = 2s
[store copy]
url = http://127.0.0.1:$(cat $WORK/copy.port)
connect_timeout = 500
first_byte_timeout = 2s"
format
pool_up
helper_start
disk_up vm1 a

rules() {
	echo "$1" >$WORK/rules
	kill -HUP "$httpd_pid"
	sleep 0.2
}

# pass : all chunks, out of no cache; counts the GETs of both
pass() {
	drop_pool
	: >$WORK/access.log
	: >$WORK/copy.log
	verify vm1 a --seq --bs 64K --depth 4
	first=$(gets)
	second=$(grep -c 'GET /chunks/' $WORK/copy.log)
	note "$1: $first GETs of the first, $second of the second"
}

pass "both are well, but for the very first answer"
at_least "GETs of the first" "$first" 48
at_most "GETs of the second" "$second" 16

note "the first is down"
http_stop
pass "down"
at_least "GETs of the second" "$second" 64
start=$(now_ms)
pass "down, and known to be"
at_most "ms for 64 chunks" $(($(now_ms) - start)) 10000

note "and is back"
http_store --script $WORK/rules --port "$http_port"
recovered() {
	pass "back"
	[ "$first" -ge 48 ]
}
must_become 90 recovered

note "the first is slow"
rules "latency=400"
adapted() {
	pass "slow"
	[ "$second" -ge 60 ] && [ "$first" -le 16 ]
}
must_become 60 adapted
rules ""
must_become 120 recovered

note "the first lies"
rules "path=/chunks/ fault=wrong-bytes"
pass "lies"
at_least "GETs of the second" "$second" 64
equal "errors of readers" "$(disk_errors vm1)" 0
finish
