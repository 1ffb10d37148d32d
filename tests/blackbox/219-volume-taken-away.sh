#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The pool is suspended, is replaced by errors, the volume grows or is replaced by errors, while writes are on their way,
# held, and flushes wait, on a device that takes its time: all ends within bounds, and the journal has what a
# flush had acknowledged.
# catches: a device that can't be removed; an acknowledged write that no record names; writes that wait for ever.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

# writer BLOCKS [OPTION...] : of data, in the background; its pid is in dd_pid
writer() {
	local n=$1

	shift
	# shellcheck disable=SC2086
	dd if=$WORK/data of=/dev/mapper/v bs=4K count=$n oflag=direct "$@" 2>$WORK/dd.err &
	dd_pid=$!
}
held() { [ "$(volume_held v)" -gt 0 ]; }
# bounded MS COMMAND...
bounded() {
	local limit=$1 start

	shift
	start=$(now_ms)
	must timeout 60 "$@"
	at_most "ms for $*" $(($(now_ms) - start)) "$limit"
}
# forced DEVICE : what is in use is only replaced by errors
forced() {
	local start

	start=$(now_ms)
	timeout 60 dmsetup remove -f --noflush "$1" 2>/dev/null
	at_most "ms of remove -f of $1" $(($(now_ms) - start)) 8000
}
records() { cc-journal "$cache_device" | sed -n 's/^newest.* records //p'; }

load_module
dd if=/dev/urandom of=$WORK/data bs=64K count=64 2>/dev/null
slow_sectors=$(device_sectors "$NVME")
slow_device
format 64K "" 24
pool_up
volume_up v 16384 "2 suspend_timeout_ms 2000"
volume_start v 16384

note "the pool is suspended: a volume goes on as long as it has room, and its flushes end"
must dmsetup suspend $POOL
must timeout 20 dd if=$WORK/data of=/dev/mapper/v bs=4K count=8 oflag=direct conv=fsync 2>/dev/null
writer 512
sleep 2
must dmsetup resume $POOL
must_become 10 held
must cmp -n 32768 /dev/mapper/v $WORK/data
note "$(dmsetup status $POOL)"

note "it grows with writes held and on their way"
slow_down 0 300
must dmsetup reload v --table "$(volume_table 32768 "2 suspend_timeout_ms 2000")"
bounded 5000 dmsetup suspend --noflush v
must dmsetup resume v
slow_down 0 0
equal "sectors" "$(device_sectors /dev/mapper/v)" 32768
equal "state" "$(volume_state v)" running
must_become 10 held
commit_until_gone v $dd_pid
wait $dd_pid || fail "dd: $(cat $WORK/dd.err)"
must cmp -n 2097152 /dev/mapper/v $WORK/data

note "it is replaced by errors, with a flush on its way"
volume_commit v
before=$(records)
slow_down 0 1000
writer 3 conv=fsync
sleep 0.5
must dmsetup reload v --table "0 32768 error"
bounded 8000 dmsetup suspend --noflush v
bounded 1000 dmsetup resume v
must_become 10 gone $dd_pid
wait $dd_pid && fail "writes to errors ended well"
slow_down 0 0
must dmsetup remove v
sleep 1.5
note "records: $before, then $(records)"

note "another, whose pool is replaced by errors with writes held"
UUID=5eed5eed-0219-4219-8219-0123456789ab
volume_up v 16384 "2 suspend_timeout_ms 2000"
nl -q -c "pool /dev/mapper/$POOL; attach; disks; state v loaded; hole v 0 128; start v 7 1; sleep 300; detach"
must timeout 20 dd if=$WORK/data of=/dev/mapper/v bs=4K count=4 oflag=direct conv=fsync 2>/dev/null
named=$(records)
writer 512 seek=8
must_become 10 held
sleep 1
forced $POOL
must timeout 20 dd if=/dev/mapper/v of=$WORK/back bs=4K count=4 iflag=direct 2>/dev/null
must cmp -n 16384 $WORK/back $WORK/data
must held
start=$(now_ms)
must timeout 60 dmsetup suspend v
at_most "ms for a suspend" $(($(now_ms) - start)) 8000
must dmsetup resume v
must_become 10 gone $dd_pid
wait $dd_pid && fail "writes that nothing had room for ended well"
forced v
at_least "records" "$(records)" "$named"
must_fail dmsetup info v
finish
