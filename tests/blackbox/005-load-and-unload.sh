#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `dmsetup create` loads the module by its alias; rmmod of a module in use is EBUSY; loading and
# unloading, creating and removing leave nothing behind.
# catches: a missing alias, an init ladder that leaks, a reference that is never given back.
# vm: -n 64M
. "${0%/*}/lib.sh"

image a --seed 1 --size 1M --chunk 64K
format
loaded() { [ -d /sys/module/dm_chunkcache ]; }
loaded && fail "the module is there before its first use"
pool_up
loaded || fail "the pool's target did not load the module"
[ "$(cat /sys/module/dm_chunkcache/version)" = "$(chunkctl --version | sed 's/.* //')" ] ||
	fail "the module's version is not that of the tools"
[ "$(modinfo -F author dm-chunkcache)" = "dm-chunkcache developers" ] || fail "no author"
must chunkctl version
# A file in place of sysfs's: a module of another version.
echo 9.9.9 >$WORK/version
must mount --bind $WORK/version /sys/module/dm_chunkcache/version
chunkctl version 2>$WORK/version.err
equal "status with another module" $? 3
grep -q "module that is loaded is 9.9.9: " $WORK/version.err || fail "no word of the other module"
must umount /sys/module/dm_chunkcache/version
must_fail rmmod dm_chunkcache 2>/dev/null
pool_down
must_become 10 module_unloads
chunkctl version | grep -q "^module    not loaded" || fail "chunkctl version loads the module or does not see that"
must_fail dmsetup create -r vm1 --table "$(disk_table a)" 2>/dev/null
loaded || fail "the disk's target did not load the module"
must rmmod dm_chunkcache

for _ in $(seq "$(short 30 1000)"); do
	must modprobe dm-chunkcache
	must rmmod dm_chunkcache
done
for _ in $(seq "$(short 30 1000)"); do
	pool_up
	disk_up vm1 a
	disk_up vm2 a "2 miss_timeout_ms 1000"
	must_fail rmmod dm_chunkcache 2>/dev/null
	disk_down vm2
	disk_down vm1
	pool_down
done
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq
finish
