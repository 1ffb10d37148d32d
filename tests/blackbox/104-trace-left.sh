#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A guest that does not do what its boot trace says costs no more than the slots that prefetch may have: the
# replay goes no further, and is left after 32 reads of other chunks.  All reads are right meanwhile.
# catches: a replay that runs ahead without end, evicts what it brought, or never leaves.
# kernels: 6.12 6.1 uml
# short: 6.12
. "${0%/*}/lib.sh"

disks() { cc-ask $WORK/$POOL.sock '{"v":1,"cmd":"disks"}'; }
ahead() { disks | sed -n "s/.*\"prefetch\":{[^}]*\"$1\":\([0-9]*\).*/\1/p"; }
traced() { disks | sed -n "s/.*\"replay\":{[^}]*\"$1\":\"*\([a-z0-9]*\).*/\1/p"; }
given() { [ "$(traced given)" = "$1" ]; }
is() { [ "$(traced state)" = "$1" ]; }
ready() { [ "$(ahead ready)" = "$1" ] && [ "$(ahead pending)" = 0 ]; }

replay='replay = yes'
http_store
load_module
image a --seed 104 --size 16M --chunk 64K
format 64K 64
pool_up
helper_start
awk -v d="$(digest a | cut -d: -f2)" 'BEGIN {
	printf "{\"digest\":\"%s\",\"state\":\"on\",\"touches\":[", d
	for (i = 0; i < 100; i++)
		printf "%s%d,%d", (i ? "," : ""), i * 37 % 100, i
	print "]}"
}' >$WORK/recording
must chunkctl record --from $WORK/recording --store file://$STORE_DIR

# 16 of 64 slots, and no further while none of them is read
disk_up vm1 a
must_become 30 ready 16
equal "given" "$(traced given)" 16
equal "dropped, or evicted unread" "$(ahead dropped)$(ahead unread)" 00
for i in 0 1 2 3; do
	verify vm1 a --seq --bs 64K --offset $((i * 37 % 100 * 64))K --length 64K
done
equal "misses so far" "$(disk_misses vm1)" 0
must_become 30 given 20
must_become 30 ready 16
equal_gets 20

# then something else, as far as it takes
for i in $(seq 35); do
	verify vm1 a --seq --bs 64K --offset $(((100 + i * 4) * 64))K --length 64K
done
must_become 5 is left
grep "does not read what its boot trace says" $HELPER_LOG || fail "the log does not say that it was left"
at_most "GETs" "$(gets)" $((20 + 35))
before=$(ahead fetched)
verify vm1 a --seq --bs 64K
equal "fetched ahead after it was left" "$(ahead fetched)" "$before"
finish
