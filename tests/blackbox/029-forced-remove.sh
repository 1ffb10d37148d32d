#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `dmsetup remove -f` of a disk with misses held returns in time, its readers get an error, other
# disks and the pool go on.
# catches: a miss that keeps the table alive, its late answer touching freed memory (KASAN).
# vm: -s 2 -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 29 --size 2M --chunk 64K
format
pool_up
disk_up vm1 a
disk_up vm2 a
disk_up vm3 a "2 suspend_timeout_ms 2000"
readers() {
	start_read "$1" a --engine pread --threads 32 --count 1 --align 64K --bs 4K
	must_become 10 disk_waits "$1" 32
}

note "the helper has the misses when the disk goes"
readers vm1
read_vm1=$read_pid
# the opener makes the removal itself EBUSY: only the table is replaced
nl -q --seed 29 <<END
pool /dev/mapper/$POOL
attach
disks
misses 128
sh timeout 20 dmsetup remove -f --noflush vm1 2>/dev/null || true
expect ENOENT|ESTALE data \$disk0 \$chunk0 \$cookie0 0 4096 29 \$chunk0 last
refused ENOENT|ESTALE fail \$disk0 \$chunk0 \$cookie0 notfound
END
end_read_badly "$read_vm1" 10
grep -q 'by_errno EIO=32' "$WORK/read-by.$read_vm1" ||
	fail "another error than EIO: $(cat "$WORK/read-by.$read_vm1")"

readers vm2
read_vm2=$read_pid
readers vm3
read_vm3=$read_pid

note "with flush: after suspend_timeout_ms"
start=$(now_ms)
timeout 30 dmsetup remove -f vm3 2>/dev/null
at_most "ms of remove -f" $(($(now_ms) - start)) 10000
end_read_badly "$read_vm3" 10

helper_start
end_read "$read_vm2" 60
verify vm2 a --seq
dmsetup remove vm1 2>/dev/null
dmsetup remove vm3 2>/dev/null
dmsetup info vm1 >/dev/null 2>&1 && fail "vm1 is still there"
disk_up vm1 a
verify vm1 a --seq
finish
