#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pool with a journal, and a helper that knows of no volume yet: it resumes the journal, disks are served as of
# any pool, and what a life before has left dirty stays where it is, through helpers that die and pools that go.
# catches: dirty slots handed out, adopted, evicted or discarded; a journal that stays in recovery; a tail that moves.
# vm: -n 64M
# kernels: 6.1 uml
. "${0%/*}/lib.sh"

load_module
image a --seed 230 --size 4M --chunk 64K
format 64K 16 6
journal=$(od -An -tu8 -j104 -N8 "$cache_device" | tr -d ' ')
note "journal at $journal"
slot_offset() { echo $(($(od -An -tu8 -j80 -N8 "$cache_device" | tr -d ' ') + $1 * 65536)); }

# Slots 3 and 9 have what volume 17 wrote; 5 is committed.
must cc-page "$cache_device" 1 1 0 1 volume:1:17:3:18 open:1:5:1:3.0.0 write:1:0:16:3.0.0 open:1:3:1:3.1.0 write:1:100:4:3.1.0
must cc-page "$cache_device" 2 1 1 1 committed:1:0:0:3.1.0 open:1:9:1:3.2.0 write:1:200:4:3.2.0
for slot in 3 9; do
	yes "dirty $slot" | head -c 65536 >$WORK/dirty.$slot
	must dd if=$WORK/dirty.$slot of="$cache_device" bs=64K seek="$(slot_offset $slot)" oflag=seek_bytes conv=notrunc,fsync 2>/dev/null
done

dirty_stays() {
	for slot in 3 9; do
		dd if="$cache_device" bs=64K skip="$(slot_offset $slot)" iflag=skip_bytes,direct count=1 2>/dev/null |
			cmp - $WORK/dirty.$slot || fail "slot $slot has other bytes"
	done
}

pool_up
disk_up vm1 a
equal "mode" "$(pool_mode)" recovering
helper_start
must_become 10 disk_is_loaded vm1
equal "journal" "$(cat /sys/kernel/dm-chunkcache/$POOL/journal)" running
log_lines() { grep -c "journal: recovered up to page 2, 2 slots" $HELPER_LOG; }
equal "recoveries" "$(log_lines)" 1
# 64 chunks through 14 slots, twice
verify vm1 a --seq
verify vm1 a --seq
dirty_stays
equal "LOG slots" "$(pool_counter slots_log)" 2
must chunkctl journal "$cache_device"

note "the helper is killed, and started again"
helper_kill
helper_start
equal "recoveries" "$(log_lines)" 1
verify vm1 a --seq
dirty_stays

note "the pool goes and comes again, five times"
for round in 1 2 3 4 5; do
	helper_stop
	disk_down vm1
	pool_down
	pool_up
	disk_up vm1 a
	helper_start
	must_become 10 disk_is_loaded vm1
	verify vm1 a --seq
	dirty_stays
done
equal "recoveries" "$(grep -c 'journal: recovered up to page .*, 2 slots' $HELPER_LOG)" 6
must cc-journal "$cache_device"
chunkctl journal "$cache_device" | grep -q '32 KiB that no store has, in 2 log chunks' || fail "chunkctl journal"
helper_stop
disk_down vm1
pool_down
chunkctl format "$cache_device" --slot-size 64K 2>&1 | grep -q '32 KiB of 1 volume that no store has' ||
	fail "format says nothing of what is lost"
finish
