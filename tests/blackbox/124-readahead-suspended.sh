#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Readahead that hits while the cache device is suspended, as lvextend does it, is failed by it and sent once more: the
# reader waits for the device, no slot is given up and nothing is fetched.
# catches: an error of readahead taken for one of the medium, or for one at all.
# vm: -n 96M
. "${0%/*}/lib.sh"

http_store
load_module
image a --seed 124 --size 4M --chunk 64K
under_device
format
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K
must_become 10 disk_waits_not vm1
equal "slots filled" "$(slots_valid)" 64
gets=$(gets)

must dmsetup suspend --noflush --nolockfs under
drop_page_cache
readers=
# plain buffered reads: the first page waits by itself, its readahead is failed
for skip in 0 256 512; do
	dd if=/dev/mapper/vm1 of=$WORK/read.$skip bs=4K count=64 skip=$skip 2>/dev/null &
	readers="$readers $!"
done
sleep 1
must dmsetup resume under
for reader in $readers; do
	wait_for "$reader" 30 || fail "a reader"
done
must_become 10 disk_waits_not vm1
verify vm1 a --seq --bs 64K
equal "bad slots" "$(slots_bad)" 0
equal "valid slots" "$(slots_valid)" 64
equal "GETs" "$(gets)" "$gets"
equal "hits that failed" "$(disk_counter vm1 retried)" 0
equal "errors of readers" "$(disk_errors vm1)" 0
log_has 'read from the cache device failed' && fail "a word of failure for a device that is well"
finish
