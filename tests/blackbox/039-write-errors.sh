#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The cache device fails writes: what is fetched reaches its readers all the same, no slot becomes valid or is
# left in FILLING, and each failure is counted.  With verify_fill the same holds for a device that loses writes.
# catches: a read that fails because a fill did, a slot that is VALID without its bytes, a slot that is never freed.
# vm: -n 96M
. "${0%/*}/lib.sh"

# device good|FEATURE : from now on
device() {
	must dmsetup load fl --table "$(table_of "$1")"
	must dmsetup suspend --noflush --nolockfs fl
	must dmsetup resume fl
}

table_of() {
	case $1 in
	good) echo "0 $size flakey $NVME 0 3600 0" ;;
	*) echo "0 $size flakey $NVME 0 0 1 1 $1" ;;
	esac
}

# counter NAME : of the helper's, over its socket
counter() { chunkctl stat --json $POOL | tr ',{' '\n\n' | sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" | head -n 1; }
mkdir -p /run/chunkcache
ln -sf $WORK/$POOL.sock /run/chunkcache/$POOL.sock

modprobe dm-flakey
http_store
load_module
image a --seed 39 --size 4M --chunk 64K
size=$(device_sectors "$NVME")
must dmsetup create fl --table "$(table_of good)"
cache_device=/dev/mapper/fl
format
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K --length 1M
valid=$(slots_valid)
equal "slots filled on the good device" "$valid" 16
total=$(slots_total)

note "writes fail"
device error_writes
verify vm1 a --seq --bs 16K
verify vm1 a --seq --bs 256K
equal "slots that became valid" "$(slots_valid)" "$valid"
nothing_filling() { [ "$(slots_filling)" = 0 ]; }
must_become 10 nothing_filling
equal "slots free" "$(slots_free)" $((total - valid - $(slots_bad)))
equal "errors of readers" "$(disk_errors vm1)" 0
at_least "write errors counted" "$(counter write_errors)" 48
equal "GETs" "$(gets)" 64
note "$(counter write_errors) write errors, $(slots_bad) slots bad, $(counter data_answers) answers with bytes"
grep -q 'slot .*: write: ' $HELPER_LOG || fail "no word of it in the helper's log"

note "writes work again"
device good
verify vm1 a --seq --bs 64K
all_valid() { [ "$(slots_valid)" = 64 ]; }
must_become 10 all_valid
gets=$(gets)
verify vm1 a --bs 4K
equal "GETs once all is cached" "$(gets)" "$gets"

note "writes are lost, verify_fill"
disk_down vm1
helper_stop
pool_down
format
extra_pool="verify_fill = yes"
pool_up
helper_start
disk_up vm1 a
must_become 10 disk_is_loaded vm1
device drop_writes
verify vm1 a --seq --bs 64K
equal "slots that became valid without their bytes" "$(slots_valid)" 0
equal "errors of readers" "$(disk_errors vm1)" 0
at_least "write errors counted" "$(counter write_errors)" 60
grep -q 'read back, the bytes are others' $HELPER_LOG || fail "the log does not say why"
finish
