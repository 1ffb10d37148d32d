#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a volume says of itself: writes, flushes, FUA, zeros, parts of blocks; what no store has and for how long, which
# only a commit of a cut makes less; the pool has the sums.
# catches: dirty bytes that look younger than they are, or are gone before their commit; parts counted as blocks.
# vm: -n 128M
# short: 6.12
. "${0%/*}/lib.sh"

of() { cat "/sys/kernel/dm-chunkcache/$POOL/$1"; }
# committed PLACE : the helper's word that the store has what is below
committed() { nl -q -c "pool /dev/mapper/$POOL; attach; record committed 1 0 0 $1; sleep 100; detach"; }
cut() { nl -q -c "pool /dev/mapper/$POOL; attach; disks; cut v; sleep 200; detach"; }
# place BLOCK : of the first log chunk in term 1
place() { printf '0x%x' $((1 << 63 | 1 << 45 | $1 << 1)); }

load_module
format 64K "" 24
pool_up
volume_up v 8192
equal "dirty before it runs" "$(of v/dirty_sectors) $(of v/dirty_ms)" "0 0"
volume_start v 8192
equal "dirty of a new one" "$(of v/dirty_sectors) $(of v/dirty_ms)" "0 0"
dd if=/dev/urandom of=$WORK/data bs=64K count=1 2>/dev/null
must dd if=$WORK/data of=/dev/mapper/v bs=4K count=2 oflag=direct 2>/dev/null
sleep 1
must cc-volcheck put /dev/mapper/v 16 8 1 2 fua
equal "writes" "$(of v/writes)" 3
equal "sectors" "$(of v/written_sectors)" 24
equal "FUA" "$(of v/fuas)" 1
at_least "flushes" "$(of v/flushes)" 1
equal "dirty" "$(of v/dirty_sectors)" 24
at_least "age" "$(of v/dirty_ms)" 1000
must blkdiscard -o 65536 -l 131072 /dev/mapper/v
equal "zeros" "$(of v/zeros) $(of v/discarded_sectors)" "1 256"
must cc-volcheck put /dev/mapper/v 200 3 1 1
equal "parts" "$(of v/parts)" 1
equal "writes" "$(of v/writes) $(of v/written_sectors)" "4 27"
equal "dirty" "$(of v/dirty_sectors)" 32

note "a commit of what is not cut is none; a cut is no commit"
committed "$(place 4)"
equal "dirty" "$(of v/dirty_sectors)" 32
cut
equal "dirty" "$(of v/dirty_sectors)" 32
sleep 1
written=$(now_ms)
must dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 seek=9 oflag=direct 2>/dev/null
cut
equal "dirty" "$(of v/dirty_sectors)" 40
at_least "age" "$(of v/dirty_ms)" 2000
equal "status" "$(volume_word v 10)" 40

note "the first of two commits leaves the age of the second"
committed "$(place 4)"
equal "dirty" "$(of v/dirty_sectors)" 8
age=$(of v/dirty_ms)
at_most "age" "$age" $(($(now_ms) - written + 50))
at_least "age" "$age" 100
equal "of the pool" "$(of dirty_sectors) $(of writes) $(of parts)" "8 5 1"
committed "$(place 5)"
equal "dirty" "$(of v/dirty_sectors) $(of v/dirty_ms)" "0 0"
at_least "records" "$(of journal_records)" 9
must dmsetup message v 0 clear_stats
equal "cleared" "$(of v/writes) $(of v/parts) $(of v/zeros)" "0 0 0"
must dmsetup remove v
finish
