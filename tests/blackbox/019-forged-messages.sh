#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Messages that are repeated, late or forged - unknown or old session, slot, generation, cookie, disk -
# are refused by name, counted, and change nothing; the read they aimed at ends right.
# catches: a generation, cookie, session or state that is not compared.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 19 --size 2M --chunk 64K
format 64K 8
pool_up
disk_up vm1 a
start_read vm1 a --seq --count 1 --bs 4K
must_become 10 disk_waits vm1
nl --seed 19 <<'END'
pool /dev/mapper/cache0
expect ENOTCONN misses 1
expect ENOTCONN detach
expect ESTALE attach uuid=00000000000000000000000000000000
expect EPROTO attach version=0
expect EPROTO attach version=99
expect EBADF attach fd=4000
expect ENODEV|EINVAL attach fd=0
attach
disks
is $disk 1
expect ENOENT state 999999 loaded
expect EINVAL|ERANGE raw disk_state session=u64:$session disk=u64:$disk disk_state=u32:77
state $disk loaded
waitmiss 1 10000

echo a session that is not the sender's
expect ESTALE raw miss_get session=u64:18446744073709551615 count=u32:1
expect ESTALE raw slot_alloc session=u64:0 count=u32:1
expect ESTALE raw detach session=u64:18446744073709551615
expect EINVAL|ERANGE raw miss_get count=u32:1
expect EINVAL|ERANGE raw miss_get session=u64:$session
expect EINVAL|ERANGE raw miss_get session=u64:$session count=u32:0
expect EINVAL|ERANGE raw miss_get session=u64:$session count=u32:257
expect EINVAL|ERANGE raw miss_get session=u64:$session count=u16:1
expect EINVAL|ERANGE raw slot_alloc session=u64:$session
expect EINVAL|ERANGE raw slot_alloc session=u64:$session count=u32:0
expect EINVAL|ERANGE raw slot_alloc session=u64:$session count=u32:1025
expect EINVAL|ERANGE raw slot_alloc session=u64:$session slots=zeros:7
expect EINVAL|ERANGE raw map session=u64:$session
expect EINVAL|ERANGE raw map session=u64:$session maps=zeros:39
expect EINVAL|ERANGE raw map session=u64:$session maps=zeros:0
expect EINVAL|ERANGE raw miss_fail session=u64:$session fails=zeros:31

echo slots that are not there, not ours, or of another use
alloc 2
write $slot0 19 0
expect ESTALE|EINVAL done $slot0 99999 $disk0 $chunk0
expect ESTALE|EINVAL|ERANGE done 4000000 1
expect ESTALE|EINVAL done $slot0 0
refused ESTALE release $slot0 99999
refused ESTALE|EINVAL|ERANGE release 4000000 1
refused ESTALE map $disk0 $chunk0 $slot0 $gen0
refused ENOENT map 999999 0 $slot0 $gen0
refused ERANGE map $disk0 100000 $slot0 $gen0
refused ERANGE hole $disk0 31 2
refused ERANGE|EINVAL hole $disk0 0 0
refused ERANGE hole $disk0 1 16777216
refused E2BIG hole $disk0 0 16777217
refused E2BIG hole $disk0 1 18446744073709551615
refused EBUSY keep $slot0

echo misses that are not there, other cookies
refused ESTALE fail $disk0 $chunk0 12345 notfound
refused ENOENT fail $disk0 5 $cookie0 notfound
refused ENOENT fail 999999 $chunk0 $cookie0 notfound
refused EINVAL fail $disk0 $chunk0 $cookie0 9
expect ESTALE data $disk0 $chunk0 12345 0 4096 0 0 last
expect ENOENT data $disk0 5 $cookie0 0 4096 0 0 last
expect ENOENT data 999999 $chunk0 $cookie0 0 4096 0 0 last
expect ERANGE|EINVAL data $disk0 $chunk0 $cookie0 65536 4096 0 0 last
expect ERANGE|EINVAL data $disk0 $chunk0 $cookie0 61440 8192 0 0 last
expect EINVAL data $disk0 $chunk0 $cookie0 100 4096 0 0 last
expect EINVAL|ERANGE raw miss_data session=u64:$session disk=u64:$disk0 chunk=u64:$chunk0 cookie=u64:$cookie0 offset=u32:0 data=zeros:100 last=flag
expect EINVAL|ERANGE raw miss_data session=u64:$session disk=u64:$disk0 chunk=u64:$chunk0 cookie=u64:$cookie0 offset=u32:0 data=zeros:0 last=flag
expect EINVAL|ERANGE raw miss_data session=u64:$session disk=u64:$disk0 chunk=u64:$chunk0 cookie=u64:$cookie0 offset=u32:0 data=zeros:61952 last=flag
sh test "$(dmsetup status vm1 | awk '{ print $12 }')" = 1

echo the real one, then all of it again
done $slot0 $gen0 $disk0 $chunk0
expect ESTALE done $slot0 $gen0 $disk0 $chunk0
refused ESTALE release $slot0 $gen0
refused ENOENT|ESTALE fail $disk0 $chunk0 $cookie0 corrupt
expect ENOENT|ESTALE data $disk0 $chunk0 $cookie0 0 4096 0 0 last
map $disk0 $chunk0 $slot0 $gen0
refused ESTALE map $disk0 1 $slot0 4000
refused ENOENT|EINVAL raw map session=u64:$session maps=zeros:40
echo unknown flag, reserved field, count that is not 1, hole with a slot
refused EINVAL raw map session=u64:$session maps=hex:01000000000000000000000000000000010000000000000000000000010000008000000000000000
refused EINVAL raw map session=u64:$session maps=hex:01000000000000000000000000000000010000000000000000000000010000000000000001000000
refused EINVAL raw map session=u64:$session maps=hex:01000000000000000000000000000000020000000000000000000000010000000000000000000000
refused EINVAL raw map session=u64:$session maps=hex:01000000000000000000000000000000010000000000000000000000010000000100000000000000
release $slot1 $gen1
refused ESTALE release $slot1 $gen1
sh dmsetup message cache0 0 drop
sleep 1000
refused ESTALE map $disk0 $chunk0 $slot0 $gen0
expect ESTALE done $slot1 $gen1
stats
END
end_read "$read_pid" 10
at_least "refusals counted" "$(pool_counter refused)" 40
equal "errors" "$(disk_errors vm1)" 0
helper_start
verify vm1 a --seq
finish
