#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A manifest of store B names a chunk that only store A has, and that is cached: it is not served from A's cache,
# unless both stores are in one domain.
# catches: an index keyed by the hash alone: a hash would be a capability.
# vm: -n 64M
# short: 6.12
. "${0%/*}/lib.sh"

load_module
image a --seed 78 --size 1M --chunk 64K
cp -r $STORE_DIR $WORK/other
rm "$WORK/other/chunks/$(chunk_id a 4 | cut -c1-2)/$(chunk_id a 4)"
extra_store="
[store other]
url = file://$WORK/other"
format
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq
other_up() {
	must dmsetup create -r vm2 \
		--table "0 $(sectors a) chunkcache /dev/mapper/$POOL other $(digest a)"
}
other_up
must_become 20 disk_is_loaded vm2
read_errno vm2 ENODATA --seq --count 1 --offset $((4 * 65536))
verify vm2 a --length $((4 * 65536)) --seq
verify vm2 a --offset $((5 * 65536)) --seq
disk_down vm2
disk_down vm1

note "after a restart of the helper, from the slot table"
helper_stop
helper_start
disk_up vm1 a
verify vm1 a --seq
other_up
read_errno vm2 ENODATA --seq --count 1 --offset $((4 * 65536))
disk_down vm2
disk_down vm1

note "one domain"
helper_stop
extra_store="domain = ours
[store other]
url = file://$WORK/other
domain = ours"
helper_start
disk_up vm1 a
verify vm1 a --seq
other_up
verify vm2 a --seq
finish
