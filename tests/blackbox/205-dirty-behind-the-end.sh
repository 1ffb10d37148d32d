#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pool with dirty slots shrinks: those behind the end stay, also if it shrinks before the journal was read,
# until they are clean; then they go and the shrink ends.
# catches: a dirty slot that goes with the end of a pool, or comes back to those that read.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
format 64K 256 6
pool_up

# shrink_to SLOTS : the superblock says so, and the pool's table is loaded anew
shrink_to() {
	must cc-sb "$cache_device" nr_slots=$1 sequence=+1
	must blockdev --flushbufs "$cache_device"
	must dmsetup load $POOL --table "$(pool_table)"
	must dmsetup suspend $POOL
	must dmsetup resume $POOL
}

shrink_to 252
nl <<'END'
pool /dev/mapper/cache0
attach
claim 2 251 253 254
expect ERANGE claim 256
resume 1 0 1
waithead 1 5000
sleep 500
slots
is $slots_log 4
END
equal "mode" "$(pool_mode)" shrinking
shrink_to 248
nl <<'END'
pool /dev/mapper/cache0
attach
alloc 200
is $nr_slots_got 200
slots
is $slots_log 4
clean 2 1
clean 253 1
droplog 254 1
sleep 500
slots
is $slots_log 1
is $slots_valid 1
alloc 1024
is $nr_slots_got 47
END
equal "mode" "$(pool_mode)" shrinking
nl <<'END'
pool /dev/mapper/cache0
attach
clean 251 1
sleep 500
slots
is $slots_log 0
END
must_become 5 log_has "shrunk to 248 slots"
equal "mode" "$(pool_mode)" normal
finish
