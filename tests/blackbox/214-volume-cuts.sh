#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# On a device whose writes take a second: a cut is told only when all writes before it have ended, and not held up by
# those behind it; a flush ends when the journal has it; a log chunk that takes writes is not clean for
# anybody, one with 16 cuts or a seal takes no more.
# catches: a cut that does not wait, a flush that ends with its data, a slot that is given away while it is written;
# records that the journal never gets.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

one_write() { must dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek="$1" oflag=direct 2>/dev/null; }

# Types of the records in the journal's first page, of the version with more of them: 3 a write, 6 a cut
journal_types() {
	for place in 2 3; do
		dd if="$cache_device" bs=4K skip=$((journal_at + place)) count=1 iflag=direct 2>/dev/null |
			od -An -v -t u1 -w32 -j 96 | awk '$1 { printf "%s ", $1 } END { print "" }'
	done | sort | tail -n 1
}

# last_place TYPE : of the journal's records of that type, the highest place, without its term
last_place() {
	dd if="$cache_device" bs=4K skip=$journal_at count=64 iflag=direct 2>/dev/null | od -An -v -t x8 -w32 -j 96 |
		awk -v type="$1" 'substr($1, 15) == type && $4 ~ /^0*$/ { print substr($3, 9) }' | sort | tail -n 1
}

load_module
dd if=/dev/urandom of=$WORK/data bs=64K count=1 2>/dev/null
slow_sectors=$(device_sectors "$NVME")
slow_device
format 64K "" 24
journal_at=$(($(od -An -t u8 -j 104 -N 8 "$cache_device") / 4096))
pool_up
volume_up v 8192
volume_start v 8192
one_write 0

note "a write under way, a cut, a write behind it"
slow_down 0 1000
dm=$(dmsetup info -c --noheadings -o blkdevname v)
export WORK dm
nl <<'END'
pool /dev/mapper/cache0
attach
disks
misses 1
misses 1
misses 1
sh dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek=1 oflag=direct 2>/dev/null &
sh until grep -q " 1$" /sys/block/$dm/inflight; do sleep 0.05; done
cut v
sh dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek=2 oflag=direct 2>/dev/null &
expect ETIMEDOUT bell 500
bell 5000
misses 1
sleep 2500
slots
END

equal "records" "$(journal_types)" "1 2 3 3 6 3 "

note "zeros over a write under way are later than it"
must dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek=40 oflag=direct 2>/dev/null &
written=$!
sleep 0.3
must blkdiscard -o 163840 -l 4096 /dev/mapper/v
wait $written
equal "bytes that are not zero" "$(dd if=/dev/mapper/v bs=4K skip=40 count=1 iflag=direct 2>/dev/null | tr -d '\000' | wc -c)" 0

note "a flush takes the journal's write, too"
# all that came before is durable: it waits for its own write only
sleep 4
start=$(now_ms)
must dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek=3 oflag=direct conv=fsync 2>/dev/null
at_least "ms for a write and a flush" $(($(now_ms) - start)) 1900
slow_down 0 0

note "a cut of a volume that only discards lies above the zeros, and not above what comes next"
for n in 1 2; do
	must blkdiscard -o 163840 -l 4096 /dev/mapper/v
	nl -q -c "pool /dev/mapper/cache0; attach; disks; cut v; sleep 300; detach"
	zeros=$((0x$(last_place 04)))
	cut=$((0x$(last_place 06)))
	equal "blocks from the zeros to the cut" "$(((cut - zeros) / 2))" 1
	equal "DATA of the cut" $((cut % 2)) 0
done

note "open is not clean; a seal closes, without a write behind it, too"
equal "dirty slots: one open, one spare" "$(slots_log)" 2
volume_commit v
equal "dirty slots" "$(slots_log)" 2
nl -q -c "pool /dev/mapper/cache0; attach; disks; cut v seal; sleep 300; cut v seal; sleep 300; detach"
volume_commit v
equal "dirty slots" "$(slots_log)" 1
one_write 5
must_become 5 eval '[ "$(slots_log)" = 2 ]'

note "15 cuts leave it open, the 16th closes"
n=1
while [ $n -le 15 ]; do
	nl -q -c "pool /dev/mapper/cache0; attach; disks; cut v; sleep 100; detach"
	one_write $((5 + n))
	n=$((n + 1))
done
volume_commit v
equal "dirty slots" "$(slots_log)" 1
must cmp -n 4096 /dev/mapper/v $WORK/data
equal "errors" "$(volume_word v 7)" 0

note "a device that goes leaves all that was written in the journal, of a volume that failed, too"
before=$(last_place 03)
nl -q -c "pool /dev/mapper/cache0; attach; disks; sh dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek=60 oflag=direct 2>/dev/null; failvolume v; detach"
must dmsetup remove v
must_fail test "$(last_place 03)" = "$before"
finish
