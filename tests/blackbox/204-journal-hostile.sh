#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Hostile messages of the journal, on a pool with one and on one without: refused by name, nothing changes.  A
# superblock whose journal can't be is refused with a reason.
# catches: a length, a type, a state that is not checked; areas that overlap.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
format 64K 256 6
note "superblocks"
must dd if="$cache_device" of=$WORK/good bs=128K count=1 2>/dev/null
for value in journal_offset=0 journal_offset=+512 journal_offset=0xfffffffffffff000 \
	journal_offset=$((8 * 1048576)) journal_size=0 journal_size=+4096 \
	journal_size=0xfffffffffffff000 journal_size=$((255 * 8192)) journal_size=+1048576 \
	dirty_max=0 dirty_max=256 dirty_max=0xffffffffffffffff; do
	must cc-sb "$cache_device" "$value"
	must blockdev --flushbufs "$cache_device"
	! dmsetup create bad --table "$(pool_table)" 2>/dev/null || fail "the module takes $value"
	note "$value -> $(dmesg | grep 'device-mapper: table: ' | tail -n 1 | sed 's/.*chunkcache-pool: //')"
	dmesg | grep 'device-mapper: table: ' | tail -n 1 | grep -q "Superblock.*\(journal\|dirty\|overlap\|fit\)" ||
		fail "no reason for $value"
	must dd if=$WORK/good of="$cache_device" bs=128K conv=notrunc,fsync 2>/dev/null
done

pool_up
nl <<'END'
pool /dev/mapper/cache0
expect EPROTO attach version=1
attach
echo recovering
expect EBUSY records 1
expect EINVAL raw journal_add session=u64:$session
expect EINVAL raw journal_add session=u64:$session records=zeros:31
expect EINVAL raw journal_add session=u64:$session records=zeros:32
expect ERANGE|EINVAL raw journal_add session=u64:$session records=zeros:3232
expect EINVAL raw journal_resume session=u64:$session journal_head=u64:1 journal_prev=u64:0
expect EINVAL|ERANGE raw journal_resume session=u64:$session journal_head=u32:1 journal_prev=u64:0 journal_tail=u64:1
expect ESTALE raw journal_resume session=u64:77 journal_head=u64:1 journal_prev=u64:0 journal_tail=u64:1
expect EINVAL raw slot_claim session=u64:$session
expect ERANGE|EINVAL raw slot_claim session=u64:$session slots=zeros:8200
expect ERANGE claim 0xffffffff
journal
is $journal_state 1
claim 2
resume 7 0 7
waithead 7 5000
echo running
expect EINVAL record 0 1 1 0 1
expect EINVAL record 9 1 1 0 1
expect EINVAL record 255 1 1 0 1
expect EINVAL record write 0 1 0 1
expect EINVAL record write 1 1 0 1 reserved=1
expect ERANGE trim 6
expect ERANGE trim 8
expect ERANGE trim 0xffffffffffffffff
expect EINVAL raw journal_trim session=u64:$session
expect EINVAL raw slot_clean session=u64:$session slots=zeros:8
expect EINVAL raw slot_clean session=u64:$session slots=zeros:16 key=u64:1
expect EINVAL raw slot_clean session=u64:$session key=u64:1
expect EINVAL raw slot_drop session=u64:$session
refused ESTALE droplog 0 0
refused ESTALE droplog 0xffffffff 1
expect ESTALE clean 0xffffffff 1
trim 7
journal
is $head 7
is $tail 7
slots
is $slots_log 1
detach
expect ENOTCONN journal
END
pool_down

note "a pool without a journal"
must dmsetup remove cut
cache_device=$NVME
format 64K
pool_up
equal "journal" "$(cat /sys/kernel/dm-chunkcache/$POOL/journal)" none
equal "status" "$(dmsetup status $POOL | grep -c journal)" 0
nl <<'END'
pool /dev/mapper/cache0
attach
journal
is $journal_state 0
is $dirty_max 0
expect EBUSY resume 1 0 1
expect EBUSY records 1
expect ERANGE trim 0
expect ERANGE trim 1
expect EBUSY claim 1
expect ESTALE clean 1 0
refused ESTALE droplog 1 0
alloc 2
is $nr_slots_got 2
expect ESTALE clean $slot0 $gen0
refused ESTALE droplog $slot0 $gen0
END
finish
