#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# durability store: a flush and a write with FUA end when COMMITTED says that the store has all that was written before
# them, not sooner; a cut is made for them at once; suspends of both kinds are bounded while they wait, and nothing
# is taken for stored that is not.
# catches: a flush that waits for the journal only, or for any commit; one that waits though all is stored.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

# committed BLOCK : the helper's word that the store has what is below that block of the first log chunk in term 1
committed() {
	nl -q -c "pool /dev/mapper/$POOL; attach; record committed 1 0 0 $(printf '0x%x' $((1 << 63 | 1 << 45 | $1 << 1))); sleep 100; detach"
}
# write_with WHAT BLOCK : in the background; its pid is in writer
write_with() {
	if [ "$1" = flush ]; then
		dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek="$2" oflag=direct conv=fsync 2>$WORK/dd &
	else
		cc-volcheck put /dev/mapper/v $(($2 * 8)) 8 1 1 fua 2>$WORK/dd &
	fi
	writer=$!
}
waits() { sleep 1; gone $writer && fail "$1 has ended"; }
ends() {
	must_become 5 gone $writer
	wait $writer || fail "$1 failed: $(cat $WORK/dd)"
}

load_module
format 64K "" 24
pool_up
must_fail dmsetup create v --table "$(volume_table 8192 "2 durability disk")"
must_fail dmsetup create v --table "$(volume_table 8192 "1 durability")"
volume_up v 8192 "4 durability store suspend_timeout_ms 1500"
equal "table" "$(dmsetup table v | cut -d ' ' -f 7-)" "4 suspend_timeout_ms 1500 durability store"
volume_start v 8192 "sleep 10"
dd if=/dev/urandom of=$WORK/data bs=4K count=1 2>/dev/null

note "nothing was written: nothing to wait for"
must dd if=/dev/null of=/dev/mapper/v conv=fsync,notrunc 2>/dev/null

note "a flush, with a cut of its own"
write_with flush 0
waits "a flush without a commit"
equal "held" "$(volume_held v)" 1
must dd if=/dev/mapper/v of=$WORK/back bs=4K count=1 iflag=direct 2>/dev/null
must cmp $WORK/back $WORK/data
committed 1
ends "a flush"
must dd if=/dev/null of=/dev/mapper/v conv=fsync,notrunc 2>/dev/null

note "FUA; a commit that is not far enough ends nothing"
must dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek=3 oflag=direct 2>/dev/null
nl -q -c "pool /dev/mapper/$POOL; attach; disks; cut v; sleep 200; detach"
write_with fua 4
waits "FUA without a commit"
committed 2
waits "FUA whose commit has half"
committed 3
ends "FUA"

note "zeros are waited for, too"
must blkdiscard -o 65536 -l 65536 /dev/mapper/v
dd if=/dev/null of=/dev/mapper/v conv=fsync,notrunc 2>$WORK/dd &
writer=$!
waits "a flush behind zeros"
committed 4
ends "a flush behind zeros"

note "suspends"
write_with flush 5
waits "a flush without a commit"
start=$(now_ms)
must dmsetup suspend --noflush v
at_most "ms to suspend without a flush" $(($(now_ms) - start)) 1400
must dmsetup resume v
waits "a flush over a suspend"
committed 5
ends "a flush over a suspend"
write_with fua 6
waits "FUA without a commit"
start=$(now_ms)
must dmsetup suspend v
at_most "ms to suspend with a flush" $(($(now_ms) - start)) 4000
must dmsetup resume v
must_become 5 gone $writer
wait $writer && fail "what the store does not have was taken for stored"
committed 6
must dmsetup reload v --table "$(volume_table 8192)"
must dmsetup suspend v
must dmsetup resume v
write_with flush 7
ends "a flush of a volume that is local again"
must dmsetup remove v
finish
