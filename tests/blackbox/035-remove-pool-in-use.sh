#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pool that disks or a helper use can't be removed; once they are gone it can.
# catches: a pool freed under its disks, a reference left by a disk or session that is gone.
# vm: -n 64M
. "${0%/*}/lib.sh"

standard "--seed 35 --size 1M --chunk 64K"
disk_up vm2 a
must_fail dmsetup remove $POOL 2>/dev/null
verify vm1 a --seq
helper_kill
must_become 10 pool_has_no_helper
must_fail dmsetup remove $POOL 2>/dev/null
disk_down vm1
must_fail dmsetup remove $POOL 2>/dev/null
verify vm2 a --seq
disk_down vm2
must dmsetup remove $POOL
[ ! -e $SYSFS/$POOL ] || fail "the pool is still in sysfs"
pool_up
helper_start
must_fail dmsetup remove $POOL 2>/dev/null
disk_up vm1 a
verify vm1 a --seq
finish
