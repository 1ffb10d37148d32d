#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A chunk that occurs many times in one disk is fetched once; holes are zeros without a GET, and
# once the manifest is known without a helper.
# catches: holes that wait, holes with stale bytes, dedup only over disks.
# vm: -n 128M
. "${0%/*}/lib.sh"

http_store
standard "--seed 4 --size 8M --chunk 64K --holes 1/3 --dup 1/1"
must_become 20 disk_is_loaded vm1
verify vm1 a --seq --bs 64K
equal_gets "$(distinct a)"
at_least "duplicates in the image" 4 "$(distinct a)"
at_least "reads of holes" "$(disk_holes vm1)" 20

image b --seed 5 --size 8M --chunk 64K --holes 1/1
disk_up vm2 b
must_become 20 disk_is_loaded vm2
must_become 10 test "$(pool_helper)" = attached
sleep 0.5
helper_kill
verify vm2 b --bs 512-256K --count 200 --vec 3
equal "misses of an empty image" "$(disk_misses vm2)" 0
at_least "reads of holes" "$(disk_holes vm2)" 200
finish
