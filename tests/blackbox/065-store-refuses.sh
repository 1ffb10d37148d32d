#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A wrong secret, an expired token, a clock that is 20 minutes off, a missing bucket, a wrong region: the helper says
# in one line which store and what to change; the disk's reads wait, and go on when it is put right.
# catches: an answer reported as a number only, a reader that fails for a mistake of set-up, secrets in the log.
# vm: -n 64M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

load_module
STORE_ROOT=$STORE_DIR
STORE_DIR=$STORE_ROOT/bucket
image a --seed 65 --size 1M --chunk 64K
cat >$WORK/credentials <<END
[default]
aws_access_key_id = AKIDTEST
aws_secret_access_key = VERYSECRETKEY
END
chmod 600 $WORK/credentials
: >$WORK/rules
images=$STORE_DIR
STORE_DIR=$STORE_ROOT http_store --script $WORK/rules
STORE_DIR=$images
store_url=s3://bucket
extra_store="endpoint = http://127.0.0.1:$http_port
region = eu-central-1
style = path
credentials_file = $WORK/credentials
first_byte_timeout = 1s
total_timeout = 3s"
format
pool_up

rules() {
	echo "$1" >$WORK/rules
	kill -HUP "$httpd_pid"
	sleep 0.2
}

# says WHAT RULE PATTERN...
says() {
	local what=$1

	rules "$2"
	shift 2
	: >$HELPER_LOG
	helper_start
	disk_up vm1 a
	for pattern in "$STORE" "$@"; do
		wait_until 30 grep -qi -e "$pattern" $HELPER_LOG || {
			cat $HELPER_LOG
			fail "$what: no word of \"$pattern\""
		}
	done
	note "$what: $(grep -i -e "$1" $HELPER_LOG | head -n 1)"
	grep -q VERYSECRETKEY $HELPER_LOG && fail "$what: the secret is in the log"
	disk_down vm1
	helper_stop
}

says "wrong secret" "status=403 code=SignatureDoesNotMatch" "secret"
says "unknown key" "status=403 code=InvalidAccessKeyId" "access key"
says "expired token" "status=400 code=ExpiredToken" "expired"
says "clock skew" "status=403 code=RequestTimeTooSkewed" "clock"
says "bucket missing" "status=404 code=NoSuchBucket" "bucket"
says "wrong region" "status=400 code=AuthorizationHeaderMalformed region=us-west-2" "region" "us-west-2"

note "put right while a read waits"
rules "status=403 code=SignatureDoesNotMatch"
helper_start
disk_up vm1 a
start_read vm1 a --seq
sleep 3
gone "$read_pid" && fail "a read ended: $(cat $WORK/read.*)"
rules ""
end_read "$read_pid" 90
verify vm1 a --seq
finish
