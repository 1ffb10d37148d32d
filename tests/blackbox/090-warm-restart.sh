#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is in slots is worth something after the helper or the pool has started anew: without the store, a new helper
# maps all that was cached for a new disk, and a new instance of the pool adopts what the slot table names once its
# bytes were hashed.  A slot whose bytes have changed is not believed.
# catches: the slot table not written, written before SLOT_DONE, or believed across instances; adoption without a
# hash; manifests not kept on the pool.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

standard "--seed 90 --size 8M --chunk 64K --holes 1/8"
total=$(distinct a)
verify vm1 a --seq --bs 256K
must_become 10 disk_waits_not vm1
equal "fills" "$(pool_fills)" "$total"
mapped=$(disk_mapped vm1)

note "a new helper of the same instance, and no store"
helper_stop
mv $STORE_DIR $STORE_DIR.away
helper_start
must_become 10 grep -q " $total known, 0 to be checked" $HELPER_LOG
disk_up vm2 a
must_become 20 disk_is_loaded vm2
all_mapped() { [ "$(disk_mapped "$1")" = "$mapped" ]; }
must_become 20 all_mapped vm2
verify vm2 a --seq --bs 256K
equal "misses of a warm clone" "$(disk_misses vm2)" 0

note "the same after kill -9"
helper_kill
helper_start
disk_up vm3 a
must_become 20 all_mapped vm3
verify vm3 a --seq --bs 256K

note "a new instance of the pool, still no store"
disk_down vm1
disk_down vm2
disk_down vm3
helper_stop
pool_down
pool_up
: >$HELPER_LOG
helper_start
must_become 10 grep -q " 0 known, $total to be checked" $HELPER_LOG
disk_up vm1 a
verify vm1 a --bs 4K-64K --count 300 --depth 8
must_become 60 all_mapped vm1
verify vm1 a --seq --bs 256K
equal "fills of the new instance" "$(pool_fills)" "$total"

note "and again with two slots spoilt"
disk_down vm1
helper_stop
pool_down
mv $STORE_DIR.away $STORE_DIR
http_store
# where the superblock says that slots begin
slots_offset=$(od -An -t u8 -j 80 -N 8 "$cache_device")
for slot in 3 40; do
	dd if=/dev/zero of="$cache_device" bs=65536 seek=$((slots_offset / 65536 + slot)) count=1 \
		oflag=direct conv=notrunc 2>/dev/null
done
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 256K
must_become 60 all_mapped vm1
verify vm1 a --seq --bs 256K
at_most "GETs" "$(gets)" 2
equal "errors" "$(disk_errors vm1)" 0
finish
