#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# At the dirty limit writes wait and don't fail, reads go on, and the helper is told; each slot that is clean lets
# some go on.  A suspend with writes held is bounded, with --noflush at once; a reload that makes the volume longer
# takes all of it over.  VOLUME_FAIL ends what is held.
# catches: a write held with a place in its hand, which keeps its log chunk from being cut for ever; an overlay that
#          a reload forgets.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

held() { [ "$(volume_held v)" -ge 1 ]; }
writes_on() {
	dd if=$WORK/data of=/dev/mapper/v bs=64K "$@" oflag=direct 2>$WORK/dd.err &
	dd_pid=$!
}

load_module
format 64K "" 8
pool_up
volume_up v 8192
volume_start v 8192

note "two slots for each volume, or it does not start"
for n in 2 3 4 5; do
	volume_up v$n 8192
done
nl -q <<'END'
pool /dev/mapper/cache0
attach
disks
start v2 2 1
start v3 3 1
start v4 4 1
expect ENOSPC start v5 5 1
detach
END
for n in 2 3 4 5; do
	must dmsetup remove v$n
done

dd if=/dev/urandom of=$WORK/data bs=64K count=48 2>/dev/null
writes_on
must_become 10 held
sleep 1
must held
at_most "dirty slots" "$(slots_log)" 8
must cmp -n 131072 /dev/mapper/v $WORK/data
nl -q <<'END'
pool /dev/mapper/cache0
attach
misses 1
is $pending 18
detach
END

note "suspends with writes held"
start=$(now_ms)
must timeout 20 dmsetup suspend --noflush v
at_most "ms for a suspend without flush" $(($(now_ms) - start)) 5000
equal "held while suspended" "$(volume_held v)" 0
must_fail dmsetup reload v --table "$(volume_table 4096)"
must dmsetup reload v --table "$(volume_table 16384)"
must dmsetup resume v
equal "state after the reload" "$(volume_state v)" running
must_become 10 held
equal "sectors" "$(device_sectors /dev/mapper/v)" 16384
must cmp -n 131072 /dev/mapper/v $WORK/data

note "slots become clean"
commit_until_gone v $dd_pid
wait $dd_pid || fail "dd: $(cat $WORK/dd.err)"
must cmp -n 3145728 /dev/mapper/v $WORK/data
at_least "us throttled" "$(volume_word v 9)" 1000000
nl -q <<'END'
pool /dev/mapper/cache0
attach
disks
hole v 64 64
END
equal "bytes that are not zero behind" "$(dd if=/dev/mapper/v bs=64K skip=64 iflag=direct 2>/dev/null | tr -d '\000' | wc -c)" 0

note "a suspend with flush is bounded, then what is held fails"
must dmsetup suspend v
must dmsetup reload v --table "$(volume_table 16384 "4 suspend_timeout_ms 1500 logical_block_size 4096")"
must dmsetup resume v
writes_on seek=100
must_become 10 held
start=$(now_ms)
must timeout 20 dmsetup suspend v
at_most "ms for a suspend" $(($(now_ms) - start)) 8000
wait_for $dd_pid 10 && fail "dd should have failed"
must dmsetup resume v
writes_on seek=100
must_become 10 held
nl -q <<'END'
pool /dev/mapper/cache0
attach
disks
failvolume v somebody_else_has_it
END
wait_for $dd_pid 10 && fail "dd should have failed"
equal "state" "$(volume_state v)" failed
dd if=/dev/mapper/v of=/dev/null bs=4K count=1 iflag=direct 2>/dev/null && fail "a failed volume was read"
must log_has "volume 5eed5eed-0210-4210-8210-0123456789ab failed: somebody_else_has_it"
must dmsetup remove v
finish
