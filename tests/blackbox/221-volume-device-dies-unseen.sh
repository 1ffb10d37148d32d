#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The cache device dies while nothing is written: all writes wait at the dirty limit, or a flush waits for the store.
# They fail within seconds, with one line that says why; a helper that only takes its time fails nobody.
# catches: writes that wait for ever, since nothing that could fail is asked of the device.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

held() { [ "$(volume_held v)" -gt 0 ]; }
dies() {
	must exchange under --table "0 $under_sectors error"
	must_become 10 gone $writer
	wait $writer && fail "$1 ended well"
	must log_has "$POOL: journal failed: none of 16 places in a row can be written, as if the device had died; writes"
	equal "journal" "$(cat /sys/kernel/dm-chunkcache/$POOL/journal)" failed
	equal "held" "$(volume_held v)" 0
	must_fail timeout 10 dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 oflag=direct 2>/dev/null
	must timeout 20 dmsetup remove v
	pool_down
	must dmsetup remove under
}

load_module
dd if=/dev/urandom of=$WORK/data bs=64K count=32 2>/dev/null

note "at the dirty limit"
under_device
format 64K "" 8
pool_up
volume_up v 8192
volume_start v 8192
dd if=$WORK/data of=/dev/mapper/v bs=64K oflag=direct 2>/dev/null &
writer=$!
must_become 10 held
sleep 4
must held
equal "journal" "$(cat /sys/kernel/dm-chunkcache/$POOL/journal)" running
# Only what has to be is written: a page a second.
pages=$(pool_counter journal_pages)
sleep 3
at_most "pages while all wait" $(($(pool_counter journal_pages) - pages)) 5
dies "a write at the limit"

note "a flush that waits for the store"
under_device
format 64K "" 24
pool_up
volume_up v 8192 "2 durability store"
volume_start v 8192 "sleep 10"
dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 oflag=direct conv=fsync 2>/dev/null &
writer=$!
sleep 4
gone $writer && fail "a flush without a commit has ended"
dies "a flush"
finish
