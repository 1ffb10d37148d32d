#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Many disks of one image on one pool (long: 1,000): made in time, small, all right in a boot storm with one GET
# for each chunk, and gone without a trace.
# catches: lists that are searched for each disk, maps made in full, a fetch for each disk.
# vm: -s 2 -m 1024 -n 64M -t 900
# kernels: 6.12 6.1 debug
. "${0%/*}/lib.sh"

disks=$(short 40 1000)
http_store
load_module
# as large as a guest's disk, with little on it
image a --seed 59 --size 1G --chunk 64K --holes 1023/1024
format 64K
pool_up
helper_start
disk_up vm0 a
must_become 30 disk_is_loaded vm0
kernel_kib() { awk '/^(Slab|Percpu|VmallocUsed|KernelStack|PageTables):/ { n += $2 } END { print n }' /proc/meminfo; }

i=0
while [ $i -lt "$disks" ]; do
	i=$((i + 1))
	echo "d$i,,,ro,$(disk_table a)"
done | paste -sd';' >$WORK/concise
before=$(kernel_kib)
start=$(now_ms)
must dmsetup create --concise "$(cat $WORK/concise)"
took=$(($(now_ms) - start))
used=$((($(kernel_kib) - before) / disks))
note "$disks disks: $((took / disks)) ms and $used KiB each, dm core's part included"
case $VM_KERNEL in
6*) at_most "ms for a disk" $((took / disks)) 50 ;;	# the others have detectors
esac
at_most "KiB of the kernel for a disk" $used 512
all_loaded() { [ "$(dmsetup status --target chunkcache | grep -c ' loaded ')" = $((disks + 1)) ]; }
must_become 120 all_loaded

note "boot storm"
start=$(now_ms)
i=0
while [ $i -lt "$disks" ]; do
	pids=
	for n in 1 2 3 4 5 6 7 8; do
		i=$((i + 1))
		[ $i -le "$disks" ] || break
		start_read d$i a --bs 64K --seq --step 16M --depth 4
		pids="$pids $read_pid"
	done
	for pid in $pids; do
		end_read "$pid" 120
	done
done
note "all have read in $(($(now_ms) - start)) ms"
at_most "GETs" "$(gets)" "$(distinct a)"
verify d1 a --bs 64K --seq
equal_gets "$(distinct a)"
verify "d$disks" a --bs 64K --seq
equal_gets "$(distinct a)"
start=$(now_ms)
i=0
while [ $i -lt "$disks" ]; do
	i=$((i + 1))
	echo d$i
done | xargs dmsetup remove || fail "remove"
note "removed in $((($(now_ms) - start) / disks)) ms each"
verify vm0 a --seq --bs 64K --length 64M
finish
