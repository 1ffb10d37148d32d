#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pool with dirty slots shrinks: those behind the end stay, also if it shrinks before the journal was read,
# until they are clean; then they go and the shrink ends.
# catches: a dirty slot that goes with the end of a pool, or comes back to those that read.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
format 64K 32 6
pool_up

# shrink_to SLOTS : the superblock says so, and the pool's table is loaded anew
shrink_to() {
	must cc-sb "$cache_device" nr_slots=$1 sequence=+1
	must blockdev --flushbufs "$cache_device"
	must dmsetup load $POOL --table "$(pool_table)"
	must dmsetup suspend $POOL
	must dmsetup resume $POOL
}

shrink_to 28
nl <<'END'
pool /dev/mapper/cache0
attach
claim 2 27 29 30
expect ERANGE claim 32
resume 1 0 1
waithead 1 5000
sleep 500
slots
is $slots_log 4
END
equal "mode" "$(pool_mode)" shrinking
shrink_to 24
nl <<'END'
pool /dev/mapper/cache0
attach
alloc 32
is $nr_slots_got 23
slots
is $slots_log 4
clean 2 1
clean 29 1
droplog 30 1
sleep 500
slots
is $slots_log 1
is $slots_valid 1
END
equal "mode" "$(pool_mode)" shrinking
nl <<'END'
pool /dev/mapper/cache0
attach
clean 27 1
sleep 500
slots
is $slots_log 0
END
must_become 5 log_has "shrunk to 24 slots"
equal "mode" "$(pool_mode)" normal
finish
