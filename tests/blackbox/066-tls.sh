#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A store over TLS is believed only with a certificate of a known authority, for its name, that has not expired; and a
# redirect to another host is not followed.  What is refused is said in one line, and reads wait.
# catches: a check of the certificate left out, a request sent to a host that a server named.
# vm: -n 64M
# kernels: 6.12 6.1 uml
# short: uml
. "${0%/*}/lib.sh"

command -v openssl >/dev/null || fail "no openssl in the guest"
load_module
image a --seed 66 --size 512K --chunk 64K
format
pool_up

# The guest has no openssl.cnf.
printf '[req]\ndistinguished_name = dn\n[dn]\n' >$WORK/openssl.cnf

# certificate NAME SUBJECT_ALT_NAME : one that signs itself
certificate() {
	openssl req -config $WORK/openssl.cnf -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
		-days 30 -subj "/CN=$1" -addext basicConstraints=critical,CA:TRUE -addext "subjectAltName=$2" \
		-keyout $WORK/$1.key -out $WORK/$1.crt 2>$WORK/openssl ||
		{ cat $WORK/openssl; fail "certificate $1"; }
}

tls_pid=
# tls_start CERTIFICATE : serves the store with it
tls_start() {
	(cd $STORE_DIR && exec openssl s_server -accept 127.0.0.1:8443 -cert $WORK/$1.crt \
		-key $WORK/$1.key -WWW >$WORK/tls.log 2>&1) &
	tls_pid=$!
	must_become 10 grep -q ACCEPT $WORK/tls.log
}

tls_stop() {
	kill "$tls_pid" 2>/dev/null
	wait "$tls_pid" 2>/dev/null
}
on_exit 'kill $(pidof openssl) 2>/dev/null'

# refused WHAT PATTERN : reads end at their deadline, and the log says why
refused() {
	: >$HELPER_LOG
	helper_start
	disk_up vm1 a "2 miss_timeout_ms 3000"
	read_errno vm1 ETIMEDOUT --seq --count 1
	wait_until 20 grep -q -e "$2" $HELPER_LOG || { cat $HELPER_LOG; fail "$1: no word of \"$2\""; }
	note "$1: $(grep -m 1 -e "$2" $HELPER_LOG)"
	equal "$1: fills" "$(slots_valid)" 0
	disk_down vm1
	helper_stop
}

certificate right IP:127.0.0.1
certificate other DNS:other.example
store_url=https://127.0.0.1:8443
note "the right one"
extra_store="ca_file = $WORK/right.crt"
tls_start right
helper_start
disk_up vm1 a
verify vm1 a --seq
disk_down vm1
helper_stop
drop_pool

note "what is refused"
extra_store=
refused "an authority that the system does not know" "TLS certificate of 127.0.0.1:8443 refused"
extra_store="ca_file = $WORK/other.crt"
refused "another authority" "TLS certificate of 127.0.0.1:8443 refused"
tls_stop
tls_start other
refused "another host's name" "TLS certificate of 127.0.0.1:8443 refused"
tls_stop
tls_start right
extra_store="ca_file = $WORK/right.crt"
date -s "@$(($(date +%s) + 40 * 86400))" >/dev/null
refused "expired" "TLS certificate of .*expired"
date -s "@$(($(date +%s) - 40 * 86400))" >/dev/null
tls_stop

note "a redirect to another host"
rm -f $WORK/port
cc-httpd --root $STORE_DIR --port 0 --port-file $WORK/port --log $WORK/elsewhere.log &
elsewhere_pid=$!
must_become 10 test -s $WORK/port
echo "status=307 location=http://localhost:$(cat $WORK/port)/" >$WORK/rules
extra_store=
http_store --script $WORK/rules
refused "redirect" "redirect to http://localhost:.* refused"
kill $elsewhere_pid
wait $elsewhere_pid
[ ! -s $WORK/elsewhere.log ] || fail "the other host was asked: $(cat $WORK/elsewhere.log)"
: >$WORK/rules
kill -HUP "$httpd_pid"
helper_start
disk_up vm1 a
verify vm1 a --seq
finish
