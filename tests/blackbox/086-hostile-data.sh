#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# MISS_DATA repeated, out of order, past the end, for a bio that was requeued, timed out or removed, and by a second
# helper: what reaches a reader is what was sent for its place, once; nothing else is written.
# catches: data copied beside the high-water mark, into bios that have ended (KASAN), zeros for gaps.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 86 --size 1M --chunk 64K
format
pool_up
disk_up vm1 a
disk_up vm2 a "2 miss_timeout_ms 1500"
start_read vm1 a --seq --count 1 --bs 64K
whole=$read_pid
must_become 10 disk_waits vm1
nl --seed 86 <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk_vm1 loaded
state $disk_vm2 loaded
waitmiss 1 5000
echo out of order: a bio takes only what comes next
data $disk0 $chunk0 $cookie0 32768 4096 9999 1
data $disk0 $chunk0 $cookie0 0 4096 86 0
data $disk0 $chunk0 $cookie0 0 4096 9999 1
data $disk0 $chunk0 $cookie0 8192 4096 9999 1
data $disk0 $chunk0 $cookie0 0 4096 86 0
data $disk0 $chunk0 $cookie0 4096 28672 86 0
expect ERANGE|EINVAL data $disk0 $chunk0 $cookie0 61440 8192 86 0
expect ERANGE|EINVAL data $disk0 $chunk0 $cookie0 4294966784 512 86 0
sh test "$(dmsetup status vm1 | awk '{ print $12 }')" = 1
echo the end before all was sent: the miss is new again
data $disk0 $chunk0 $cookie0 49152 512 9999 1 last
sh test "$(dmsetup status vm1 | awk '{ print $12 }')" = 1
waitmiss 1 5000
END
gone "$whole" && fail "a read ended without its data: $(cat $WORK/read.*)"

note "a second helper, with the first one's cookies and its own"
nl --seed 86 <<'END'
pool /dev/mapper/cache0
attach
disks
try data $disk_vm1 0 1 0 4096 9999 1 last
try data $disk_vm1 0 2 0 4096 9999 1
waitmiss 1 5000
data $disk0 $chunk0 $cookie0 $offset0 32768 86 0
sh dmsetup suspend --noflush --nolockfs vm1
try data $disk0 $chunk0 $cookie0 32768 32768 86 0 last
try data $disk0 $chunk0 $cookie0 0 4096 9999 1 last
sh dmsetup resume vm1
try data $disk0 $chunk0 $cookie0 32768 4096 9999 1
waitmiss 1 5000
echo beside the mark, of the bio that ends with what comes now
data $disk0 $chunk0 $cookie0 32768 4096 9999 1
data $disk0 $chunk0 $cookie0 0 32768 86 0
data $disk0 $chunk0 $cookie0 49152 4096 9999 1
data $disk0 $chunk0 $cookie0 32768 32768 86 0 last
END
end_read "$whole" 20

note "after a timeout"
cc-io --expect-errno ETIMEDOUT --seq --count 1 --bs 64K /dev/mapper/vm2 >$WORK/late 2>&1 &
late=$!
must_become 10 disk_waits vm2
nl --seed 86 <<'END'
pool /dev/mapper/cache0
attach
waitmiss 1 5000
data $disk0 $chunk0 $cookie0 0 32768 86 0
sleep 3000
try data $disk0 $chunk0 $cookie0 32768 32768 86 0 last
try fail $disk0 $chunk0 $cookie0 notfound
END
wait_for $late 10 || { cat $WORK/late; fail "the read with a deadline"; }

note "after the disk was forced away"
start_read vm1 a --seq --count 1 --bs 64K --offset 128K
must_become 10 disk_waits vm1
nl --seed 86 <<'END'
pool /dev/mapper/cache0
attach
waitmiss 1 5000
data $disk0 $chunk0 $cookie0 0 4096 86 2
sh timeout 20 dmsetup remove -f --noflush vm1 2>/dev/null || true
expect ENOENT|ESTALE data $disk0 $chunk0 $cookie0 4096 4096 86 2 last
END
end_read_badly "$read_pid" 10
dmsetup info vm1 >/dev/null 2>&1 && must dmsetup remove vm1
helper_start
disk_up vm1 a
verify vm1 a --seq
verify vm2 a --seq
finish
