#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `remove -f` of the pool while disks read: hits go on, misses wait, soft ones time out, disks can be removed;
# a pool table over the error table takes it all up again.
# catches: a pool freed under its disks, slots handed out twice after it is back.
# vm: -s 2 -n 64M
. "${0%/*}/lib.sh"

standard "--seed 73 --size 2M --chunk 64K"
disk_up vm2 a "2 miss_timeout_ms 1000"
disk_up vm3 a
verify vm1 a --seq --length 1M
must_become 10 disk_waits_not vm1
timeout 20 dmsetup remove -f --noflush $POOL 2>/dev/null
dmsetup table $POOL | grep -q error || fail "the pool's table: $(dmsetup table $POOL)"
note "hits go on"
misses=$(disk_misses vm1)
verify vm1 a --length 1M --bs 4K-256K --count 300 --depth 8
equal "misses" "$(disk_misses vm1)" "$misses"
note "misses wait, though the helper lives"
start_read vm1 a --seq --offset 1216K --bs 4K --step 64K --depth 8
held=$read_pid
start_read vm3 a --seq --offset 1216K --bs 4K --step 64K --depth 8
lost=$read_pid
must_become 10 disk_waits vm1 8
must_become 10 disk_waits vm3 8
read_errno vm2 ETIMEDOUT --seq --count 1 --offset 1216K
note "a disk can be removed"
timeout 20 dmsetup remove -f --noflush vm3 2>/dev/null
end_read_badly "$lost" 10
disk_down vm2

note "the pool comes back"
gone "$held" && fail "the hard disk's reads ended"
must dmsetup load $POOL --table "$(pool_table)"
must dmsetup resume $POOL
must_become 20 pool_has_helper
end_read "$held" 60
verify vm1 a --seq
disk_up vm2 a
verify vm2 a --seq
finish
