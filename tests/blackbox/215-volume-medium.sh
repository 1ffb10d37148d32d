#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Slots that can't be read or written.  A read of what no store has fails with EIO, at once, and what is there stays;
# a write goes to another log chunk, and is held up by no cut; when there is none that takes it, it fails.
# catches: the only copy given up for a fetch that can't be; a failed write that keeps a cut from ending.
# vm: -n 128M
. "${0%/*}/lib.sh"

one_write() { dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 skip="$1" seek="$1" oflag=direct conv=fsync 2>/dev/null; }
is_there() {
	must dd if=/dev/mapper/v of=$WORK/back bs=4K skip="$1" count=1 iflag=direct 2>/dev/null
	must dd if=$WORK/data of=$WORK/want bs=4K skip="$1" count=1 2>/dev/null
	must cmp $WORK/back $WORK/want
}
all_well() { must exchange under --table "0 $under_sectors linear $NVME 0"; }

# bad_slots FIRST COUNT
bad_slots() {
	local from=$((slots_at + $1 * 128)) to=$((slots_at + ($1 + $2) * 128))

	must exchange under --table "0 $from linear $NVME 0
$from $((to - from)) error
$to $((under_sectors - to)) linear $NVME $to"
}

load_module
dd if=/dev/urandom of=$WORK/data bs=64K count=1 2>/dev/null
under_device
format 64K "" 24
slots_at=$(($(od -An -t u8 -j 80 -N 8 "$cache_device") / 512))
pool_up
volume_up v 8192
volume_start v 8192
must one_write 0

note "a read"
bad_slots 0 1
dd if=/dev/mapper/v of=/dev/null bs=4K count=1 iflag=direct 2>/dev/null &
read_pid=$!
must_become 5 gone $read_pid
wait $read_pid && fail "what can't be read was read"
equal "reads that wait" "$(disk_waiting v)" 0
must log_has "v: no store has what slot 0 holds: the read fails"
equal "dirty slots" "$(slots_log)" 2
all_well
is_there 0

note "a write: to the next log chunk, and the one before is closed"
bad_slots 0 1
must one_write 1
must log_has "v: write to slot 0 of the cache device failed"
equal "write errors" "$(volume_word v 7)" 0
is_there 1
all_well
volume_commit v
equal "dirty slots: one open, one spare" "$(slots_log)" 2

note "a write that nothing takes"
bad_slots 0 100
must_fail timeout 60 dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 skip=3 seek=2 oflag=direct 2>/dev/null
equal "write errors" "$(volume_word v 7)" 1
equal "state" "$(volume_state v)" running
all_well
equal "bytes of a write that failed" "$(dd if=/dev/mapper/v bs=4K skip=2 count=1 iflag=direct 2>/dev/null | tr -d '\000' | wc -c)" 0
must one_write 2
for block in 0 1 2; do
	is_there $block
done
must dmsetup remove v
finish
