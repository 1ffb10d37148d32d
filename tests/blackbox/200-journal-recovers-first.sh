#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pool with a journal hands nothing out, adopts, keeps and evicts nothing until JOURNAL_RESUME; slots that
# were claimed before stay LOG whatever is asked of the pool, and leave that state only by their generation.
# catches: a dirty slot that is handed out after a reboot, evicted, dropped, or cleaned by a late message.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 200 --size 4M --chunk 64K
format 64K 256 6
pool_up
disk_up vm1 a
equal "mode" "$(pool_mode)" recovering
equal "journal" "$(cat /sys/kernel/dm-chunkcache/$POOL/journal)" recovering
note "$(dmsetup status $POOL)"
nl --seed 200 <<'END'
pool /dev/mapper/cache0
expect EPROTO attach version=1
attach
journal
is $journal_state 1
is $dirty_max 6
is $head 0
echo nothing is handed out
alloc 4
is $nr_slots_got 0
alloc 1 prefetch
is $nr_slots_got 0
adopt 3
is $nr_slots_got 0
refused EBUSY keep 3
expect EBUSY record committed 1 1 0 0
expect ERANGE trim 1

echo claims, all or none
expect ERANGE claim 3 256
expect ESTALE claim 3 5 3
expect EINVAL raw slot_claim session=u64:$session slots=hex:0300000001000000
expect EINVAL raw slot_claim session=u64:$session slots=zeros:7
claim 3 5 7 9
is $slot3 9
is $gen3 1
expect ESTALE claim 7
claim 0
slots
is $slots_log 5
is $slots_free 0

echo resume
expect EINVAL raw journal_resume session=u64:$session
expect ERANGE resume 0 0 0
expect ERANGE resume 5 5 5
expect ERANGE resume 5 3 4
expect ERANGE resume 5 0 1
expect ERANGE resume 300 299 20
expect ERANGE resume 0xffffffffffffffff 0 0xffffffffffffffff
resume 1 0 1
expect EBUSY resume 1 0 1
expect EBUSY claim 1
waithead 1 5000
is $journal_state 2

echo the others are handed out, these are not
alloc 200
is $nr_slots_got 200
slots
is $slots_log 5
expect ESTALE clean 3 2
expect ESTALE clean 1 1
expect ESTALE clean 4000000000 1
refused ESTALE droplog 3 2
refused ESTALE release 3 1
expect ESTALE done 3 1
disks
state $disk loaded
refused ESTALE map $disk 0 3 1
sh dmsetup message cache0 0 drop
sh dmsetup message cache0 0 retry_bad >/dev/null
sh sleep 0.5
slots
is $slots_log 5
is $slots_filling 200

echo clean and drop
clean 3 1
expect ESTALE clean 3 1
droplog 5 1
refused ESTALE droplog 5 1
map $disk 0 3 1
sh sleep 0.5
slots
is $slots_log 3
is $slots_valid 1
is $state_of_3 2

echo demand gets all but those
alloc 1024
is $nr_slots_got 52
slots
is $gen_of_5 2
is $gen_of_7 1
sh sleep 0.5
slots
is $slots_log 3
expect ESTALE done 3 1
END
finish
