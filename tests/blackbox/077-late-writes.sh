#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The helper is killed, and the pool removed and made again, with writes to slots still on their way: no slot is handed
# out before they have landed, and none of them spoils the new instance.
# catches: FILLING slots freed at the helper's death, a session drained too early.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

load_module
image a --seed 77 --size 512K --chunk 64K
image b --seed 78 --size 512K --chunk 64K
slow_sectors=$(((meta_bytes + 8 * 65536) / 512))
slow_device
format 64K
pool_up
helper_start
disk_up vm1 a
must_become 20 disk_is_loaded vm1
slow_down 0 6000
start_read vm1 a --seq --bs 4K --step 64K --depth 8
filling() { [ "$(slots_filling)" -ge 4 ]; }
must_become 10 filling
sleep 0.5
helper_kill
n=$(slots_filling)
at_least "slots in FILLING after the kill" "$n" 4
note "a new helper gets none of them"
echo "pool /dev/mapper/$POOL
attach
alloc 8
sh echo got \$nr_slots_got" | cc-nl -q >$WORK/nl 2>&1 || note "no attach while the old one drains"
cat $WORK/nl
if grep -q got $WORK/nl && [ "$(slots_filling)" -ge "$n" ]; then
	at_most "slots handed out" "$(sed -n 's/got //p' $WORK/nl)" $((8 - n))
fi
note "disk and pool go while writes are on their way"
timeout 20 dmsetup remove -f --noflush vm1 2>/dev/null
end_read_badly "$read_pid" 20
dmsetup info vm1 >/dev/null 2>&1 && must dmsetup remove vm1
pool_removed() { dmsetup remove $POOL 2>/dev/null; }
must_become 30 pool_removed
slow_down 0 0
pool_up
helper_start
disk_up vm2 b
verify vm2 b --seq --bs 512K
disk_up vm1 a
sleep 7
verify vm2 b --seq --bs 512K
verify vm1 a --seq --bs 512K
verify vm2 b --seq
equal "errors" "$(($(disk_errors vm1) + $(disk_errors vm2)))" 0
finish
