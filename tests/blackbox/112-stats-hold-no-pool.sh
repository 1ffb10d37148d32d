#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who reads the counters of all pools waits for a command of one that takes its time, and nobody else's pool waits
# with it: a helper of another pool attaches and detaches meanwhile.
# catches: the lock of all pools held over a pool's command mutex.
# vm: -m 1024 -n 64M -t 300
# kernels: uml
. "${0%/*}/lib.sh"

load_module
cut_device $((32 << 20))
must dmsetup create second --table "0 65536 linear $NVME 65536"
format
pool_up
sectors_huge=$((16777216 * 128)) digest_huge=$(printf 'sha256:%064d' 112)
disk_up huge huge
must chunkctl format /dev/mapper/second --slot-size 64K --manifest-area 1M --no-journal --force >$WORK/format.log
must dmsetup create other --table "0 65536 chunkcache-pool /dev/mapper/second"

cat >$WORK/holes <<END
pool /dev/mapper/$POOL
attach
disks
hole \$disk_huge 0 16777216
detach
END
printf 'pool /dev/mapper/other\nattach\ndetach\n' >$WORK/other

# One message at a time, and in each some commands of the other pool: does one end while the message is on its way
# and a reader of the counters waits for it?
waiting() { grep -q '^State:.D' "/proc/$1/status" 2>/dev/null; }
passed=0 tried=0 rounds=0
while [ $tried -lt 8 ] && [ $rounds -lt 60 ]; do
	rounds=$((rounds + 1))
	cc-nl --chunk 64K -q $WORK/holes & holes=$!
	cc-nl -q -c "stats" >/dev/null & stats=$!
	while kill -0 $holes 2>/dev/null && kill -0 $stats 2>/dev/null && ! waiting $stats; do
		:
	done
	if kill -0 $holes 2>/dev/null && waiting $stats; then
		tried=$((tried + 1))
		cc-nl --chunk 64K -q $WORK/other || fail "the other pool's helper"
		waiting $stats && passed=$((passed + 1))
	fi
	wait $holes || fail "holes"
	wait $stats || fail "counters"
done
note "while the reader of the counters waited, the other pool served $passed of $tried"
at_least "of $tried" "$passed" 1
finish
