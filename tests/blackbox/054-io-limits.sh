#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A cgroup's io.max holds for its reads of a disk, hits and misses alike, whether it is set for the disk or for
# the cache device; the helper, and readers in other cgroups, are not slowed down.
# catches: a read that is sent on from a work and counts as nobody's.
# kernels: 6.12 6.1
# vm: -s 2 -n 64M
. "${0%/*}/lib.sh"

standard "--seed 54 --size 4M --chunk 64K"
must_become 20 disk_is_loaded vm1
group=$WORK/cgroup/guest
mkdir -p $WORK/cgroup
must mount -t cgroup2 none $WORK/cgroup
on_exit "umount $WORK/cgroup"
echo +io >$WORK/cgroup/cgroup.subtree_control || fail "no io controller"
must mkdir $group
number() { echo "$(($(stat -L -c 0x%t "$1"))):$(($(stat -L -c 0x%T "$1")))"; }

# limited OPTION... : ms that reading half the disk takes in the cgroup; in $took
limited() {
	local start

	start=$(now_ms)
	# shellcheck disable=SC2046
	sh -c "echo \$\$ >$group/cgroup.procs; exec cc-io --verify $(opts a) --timeout 120 \
		--seq --bs 64K --depth 4 $* /dev/mapper/vm1" >$WORK/limited 2>&1 ||
		fail "reading with a limit: $(cat $WORK/limited)"
	took=$(($(now_ms) - start))
}

for device in /dev/mapper/vm1 "$NVME"; do
	note "2 MiB, 1 MiB/s on $device"
	drop_pool
	helper_stop			# what it has in memory, too
	helper_start
	must_become 20 disk_is_loaded vm1
	drop_disk vm1
	echo "$(number $device) rbps=1048576" >$group/io.max || fail "io.max"
	misses=$(disk_misses vm1)
	limited --length 2M
	at_least "misses" $(($(disk_misses vm1) - misses)) 32
	note "cold: $took ms"
	at_least "ms, cold" $took 1500
	hits=$(disk_hits vm1)
	limited --length 2M
	at_least "hits" $(($(disk_hits vm1) - hits)) 32
	note "warm: $took ms"
	at_least "ms, warm" $took 1500
	echo "$(number $device) rbps=max" >$group/io.max
	limited --length 2M
	note "no limit: $took ms"
	at_most "ms without a limit" $took 1400
done
equal "errors" "$(disk_errors vm1)" 0
must rmdir $group
finish
