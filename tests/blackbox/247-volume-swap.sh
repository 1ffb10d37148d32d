#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Swap on a volume, under a group that has less memory than it uses: what was swapped out comes back, also when the helper
# is killed meanwhile.
# catches: a write that needs memory to free memory, a page that comes back as another one.
# vm: -s 2 -m 512 -n 256M
# kernels: 6.1
. "${0%/*}/lib.sh"

swapped_kib() { awk '/^SwapTotal/ { t = $2 } /^SwapFree/ { print t - $2 }' /proc/meminfo; }

load_module
two_hosts 100
new_pool_of p a 640
must chunkctl volume create v --size 64M --chunk-size 64K --store "$store_url"
must up_on p
mkdir -p /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null
echo +memory >/sys/fs/cgroup/cgroup.subtree_control || fail "no memory controller"
must mkdir -p /sys/fs/cgroup/small
echo 12M >/sys/fs/cgroup/small/memory.max
must mkswap /dev/mapper/v >/dev/null
must swapon /dev/mapper/v
must mount -t tmpfs -o size=64M none /mnt
(
	echo 0 >/sys/fs/cgroup/small/cgroup.procs
	for n in 1 2 3 4; do
		dd if=/dev/urandom bs=1M count=8 2>/dev/null | tee /mnt/$n | sha256sum >$WORK/sum.$n
	done
) &
load=$!
sleep 1
helper_kill $pid
helper_of p
wait_for $load 120 || fail "the load that swaps"
note "$(swapped_kib) KiB are swapped out"
at_least "KiB that were swapped" "$(swapped_kib)" 8192
helper_kill $pid
helper_of p
for n in 1 2 3 4; do
	sha256sum </mnt/$n | cmp - $WORK/sum.$n || fail "what was swapped out comes back as something else"
done
must umount /mnt
must swapoff /dev/mapper/v
equal "write errors" "$(volume_word v 7)" 0
must chunkctl volume down v --store "$store_url"
rmdir /sys/fs/cgroup/small
umount /sys/fs/cgroup 2>/dev/null
helper_stop $pid
finish
