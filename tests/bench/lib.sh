# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh disable=SC2034
#
# What the benchmark's scripts in the guest share.  What they find goes to the host as lines
# (`report` knows them), everything else as comments:
#   time BACKING SYSTEM ENGINE ns...     mean time of a read, in each repeat
#   nowait SYSTEM READS PUNTS            reads by io_uring, and those that took a worker
#   figure NAME VALUE...                 one of the figures, a value for each repeat
#   count NAME VALUE                     something that must be so for the figures to hold
#   skipped SYSTEM REASON
. /t/lib.sh

# No byte of it is ever looked at: what is mapped, and where to, the filler decides.
any_image=sha256:$(printf %064d 7)

# bench_disk NAME MIB
bench_disk() {
	must dmsetup create -r "$1" \
		--table "0 $(($2 * 2048)) chunkcache /dev/mapper/$POOL $STORE $any_image"
}

# filler COMMANDS : cc-nl as the helper, attached to the pool, all disks loaded
filler() {
	cc-nl -q -c "pool /dev/mapper/$POOL; attach; serve 0 bare; $1; detach" || fail "filler: $1"
}

# ours_up DEVICE MIB FILLS : a pool on it, and disk vm1 of so many chunks, all in the cache and at random
# in slots that were filled and evicted FILLS times before
ours_up() {
	cache_device=$1
	must chunkctl format "$cache_device" --manifest-area 1M --no-discard --force \
		>$WORK/format.log
	load_module
	pool_up
	bench_disk vm1 "$2"
	bench_disk churn 4096
	filler "churn churn 0 $3; churn vm1 0 $2 shuffle"
}

# free_bytes : of the guest's memory; pages that a CPU has put aside are free as well
free_bytes() {
	echo 3 >/proc/sys/vm/drop_caches
	sleep 0.2
	awk '$1 == "pages" && $2 == "free" { n += $3 }
	     $1 == "count:" { n += $2 }
	     END { printf "%.0f\n", n * 4096 }' /proc/zoneinfo
}
