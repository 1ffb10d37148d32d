#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Positions of the journal that can't be written are passed over: the page takes the next number with all its
# records, and what counts is whole.  If there is no place at all the journal fails, says so, refuses what is
# added, and the pool's disks go on.
# catches: an acknowledged record in a page that was not written, a retry in the same place, a hang.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 203 --size 2M --chunk 64K
format 64K 256 6
journal_at=$(($(od -An -t u8 -j 104 -N 8 "$cache_device") / 512))
sectors=$(device_sectors "$cache_device")

# bad_positions FIRST COUNT : these of the journal's can't be read or written
bad_positions() {
	local from=$((journal_at + $1 * 16)) to=$((journal_at + ($1 + $2) * 16))

	must dmsetup load cut --table "0 $from linear $NVME 0
$from $((to - from)) error
$to $((sectors - to)) linear $NVME $to"
	must dmsetup suspend --noflush cut
	must dmsetup resume cut
}

all_well() {
	must dmsetup load cut --table "0 $sectors linear $NVME 0"
	must dmsetup suspend --noflush cut
	must dmsetup resume cut
}

pool_up
disk_up vm1 a
nl -q <<'END'
pool /dev/mapper/cache0
attach
resume 1 0 1
waithead 1 5000
records 10
sleep 200
END

note "a page with durable records can't be written again, nor can the next four be"
bad_positions 1 5
nl -q <<'END'
pool /dev/mapper/cache0
attach
records 20
waithead 6 10000
is $head 6
is $journal_state 2
records 200
waithead 7 5000
END
must log_has "journal page 1 can't be written"
must log_has "journal page 5 can't be written"
all_well
must cc-journal "$cache_device" >$WORK/ring
cat $WORK/ring
equal "ring" "$(head -n 1 $WORK/ring)" "newest 7 highest 7 first 6 records 230"
grep -q "^page 6 .* prev 0 tail 6 records 125$" $WORK/ring || fail "page 6"

note "no place at all"
bad_positions 0 256
nl -q <<'END'
pool /dev/mapper/cache0
attach
try bell 10
misses 1
misses 1
misses 1
try records 20
sleep 1000
journal
is $journal_state 3
is $head 7
expect EBUSY records 1
expect EBUSY resume 8 7 7
misses 1
disks
state $disk loaded
alloc 1
write $slot0 203 0
done $slot0 $gen0 $disk 0
END
must log_has "journal failed: none of 16 places in a row can be written"
equal "journal" "$(cat /sys/kernel/dm-chunkcache/$POOL/journal)" failed
note "$(dmsetup status $POOL)"
verify vm1 a --seq --count 1 --bs 64K
all_well
must cc-journal "$cache_device" >$WORK/ring
equal "ring" "$(head -n 1 $WORK/ring | cut -d' ' -f1,2,5-)" "newest 7 first 6 records 230"
finish
