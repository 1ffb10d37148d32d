#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Keys come from a credential_process and expire while guests read: they are renewed, and no reader notices.  The
# process that runs programs holds no device, does not outlive the helper, and a program that hangs holds up nothing.
# catches: a fork of the helper that holds the pool, a token's expiry that ends as an error, keys in the log.
# vm: -n 64M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

load_module
STORE_ROOT=$STORE_DIR
STORE_DIR=$STORE_ROOT/bucket
image a --seed 170 --size 4M --chunk 64K
: >$WORK/rules
images=$STORE_DIR
STORE_DIR=$STORE_ROOT http_store --script $WORK/rules
STORE_DIR=$images
cat >$WORK/program <<END
#!/bin/sh
echo run >>$WORK/runs
echo VERYSECRET >&2
cat $WORK/answer
END
chmod +x $WORK/program
echo '{"Version":1,"AccessKeyId":"AKID","SecretAccessKey":"VERYSECRET","SessionToken":"TOKEN"}' >$WORK/answer
printf '[default]\ncredential_process = %s\n' $WORK/program >$WORK/credentials
store_url=s3://bucket
extra_store="endpoint = http://127.0.0.1:$http_port
style = path
credentials_file = $WORK/credentials"
format
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K --length 2M
equal "runs of the program" "$(wc -l <$WORK/runs)" 1

rules() {
	echo "$1" >$WORK/rules
	kill -HUP "$httpd_pid"
	sleep 0.2
}

runner() { grep -l '^chunkcached-run$' /proc/[0-9]*/comm 2>/dev/null | sed 's|[^0-9]||g'; }
pid=$(runner)
[ -n "$pid" ] || fail "there is no process that runs programs"
for fd in /proc/"$pid"/fd/*; do
	case $(readlink "$fd") in
	/dev/dm-*|/dev/mapper/*|/dev/nvme*|*io_uring*|*netlink*|*NETLINK*) fail "it holds $(readlink "$fd")" ;;
	esac
done

note "the token expires while 16 reads are under way"
sleep 1.2
rules "path=/chunks/ count=16 status=400 code=ExpiredToken"
verify vm1 a --seq --bs 64K --offset 2M --length 1M --depth 16
equal "errors" "$(disk_errors vm1)" 0
at_least "runs of the program" "$(wc -l <$WORK/runs)" 2
at_most "runs of the program" "$(wc -l <$WORK/runs)" 4

note "the helper is killed: the other process goes too, and the pool is free for the next"
helper_kill
no_runner() { [ -z "$(runner)" ]; }
must_become 5 no_runner
echo "sleep 1000" >>$WORK/program
helper_start
note "a program that hangs"
start_read vm1 a --seq --bs 64K --offset 3M
verify vm1 a --seq --bs 4K --length 3M
gone "$read_pid" && fail "a read without keys ended: $(cat "$WORK/read-by.$read_pid")"
helper_kill
must_become 40 no_runner
sed -i '/sleep/d' $WORK/program
helper_start
end_read "$read_pid" 60
grep -q -e VERYSECRET -e TOKEN $HELPER_LOG && fail "keys in the log: $(cat $HELPER_LOG)"
tr '\0' ' ' </proc/$helper_pid/cmdline | grep -q -e VERYSECRET && fail "keys on the command line"
equal "errors" "$(disk_errors vm1)" 0
finish
