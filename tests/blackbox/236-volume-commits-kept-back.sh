#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The cache device does not give back what was written, so commits can't be made. One bad slot of a device that is well
# besides: the operator is told which, guests go on, and fail only when their writes would wait for ever. A device that
# dies while all writes wait at the dirty limit: they fail, and everything says why.
# catches: writes that wait for ever at the limit; a volume that fails at one bad place though it could go on; a reason
#          that nobody is told.
# vm: -n 128M -t 300
# short: uml
. "${0%/*}/lib.sh"

load_module
two_hosts 32

shown() { chunkctl volume show "$1" --store "$store_url" >$WORK/shown && grep -q "$2" $WORK/shown; }
held() { [ "$(volume_held v)" -gt 0 ]; }
told() { tail -n 5 $WORK/helper-p?.log; cat $WORK/shown; fail "$1"; }
# until_limit : in the background; ends in writer
until_limit() {
	dd if=/dev/urandom of=/dev/mapper/v bs=64K count=64 oflag=direct 2>/dev/null &
	writer=$!
	must_become 30 held
}
metric() {
	timeout 20 bash -c "exec 3<>/dev/tcp/127.0.0.1/$1
		printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n' >&3; cat <&3" 2>/dev/null |
		sed -n "s/^dm_chunkcache_$2{.*} //p" | head -n 1
}
mkdir -p /etc/chunkcache
must chunkctl volume create v --size 8M --chunk-size 64K --store "$store_url"

note "one slot that can't be read"
new_pool_of p0 a 8
cp $WORK/p0.conf /etc/chunkcache/
slots_at=$(($(od -An -t u8 -j 80 -N 8 /dev/mapper/a) / 512))
must up_on p0
kill -STOP $pid
must dd if=/dev/urandom of=/dev/mapper/v bs=4K count=1 oflag=direct conv=fsync 2>/dev/null
exchange a --table "0 $slots_at linear $NVME 0
$slots_at 128 error
$((slots_at + 128)) $((65536 - slots_at - 128)) linear $NVME $((slots_at + 128))"
kill -CONT $pid
wait_until 60 shown v "slot 0 of the cache device can't be read" || told "nobody says which slot is bad"
must dd if=/dev/urandom of=/dev/mapper/v bs=4K count=1 seek=5 oflag=direct conv=fsync 2>/dev/null
equal "state" "$(volume_state v)" running
until_limit
wait_for $writer 90 && fail "a write that no commit makes room for ended well"
gone $writer || told "it waits for ever"
equal "state" "$(volume_state v)" failed
must log_has "failed: slot 0 of the cache device can't be read"
equal "journal" "$(cat $SYSFS/p0/journal)" running
chunkctl explain v >$WORK/shown
must grep -q "slot 0 of the cache" $WORK/shown
must dmsetup remove v
kill -KILL $pid

note "a device that dies at the limit"
new_pool_of p1 b 8 "metrics_listen = 127.0.0.1:9443"
cp $WORK/p1.conf /etc/chunkcache/
must up_on p1 --take-over
kill -STOP $pid
until_limit
exchange b --table "0 65536 error"
kill -CONT $pid
wait_for $writer 30 && fail "a write to a device that is gone ended well"
gone $writer || told "it waits for ever"
equal "journal" "$(cat $SYSFS/p1/journal)" failed
wait_until 30 shown v "journal can't be written" || told "volume show does not say why"
chunkctl explain v >$WORK/shown
must grep -q "journal of p1 can't be written" $WORK/shown
equal "failed journals" "$(metric 9443 pool_journal_failed)" 1
equal "failed volumes" "$(metric 9443 volume_failed)" 1
must timeout 30 dmsetup remove v
kill -KILL $pid
wait
finish
