#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What JOURNAL_ADD brought is in the ring when the bell says so, read there by the helper's own code; a page
# that is not full is written again in the other place; the next life goes on behind the last page and its
# chain leads back.  Records that nobody waits for are durable after a second or so.
# catches: a version over the one before it, a record that is lost, a chain that ends early.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
format 64K 256 6
pool_up
export cache_device

# ring : all that counts, in $WORK/ring, the first line also to the log
ring() {
	must cc-journal "$cache_device" >$WORK/ring
	note "$(head -n 1 $WORK/ring)"
}

ring_has() { grep -q "^$1\$" $WORK/ring || { cat $WORK/ring; fail "not in the ring: $1"; }; }

nl <<'END'
pool /dev/mapper/cache0
attach
try bell 100
misses 1
resume 1 0 1
waithead 1 5000
record committed 1 1 0 0x8000000000000001
bell 5000
is $pending 16
misses 1
is $pending 16
misses 1
is $pending 0
journal
is $head 1
sh cc-journal $cache_device places > /tmp/case/places1; cat /tmp/case/places1
record write 1 8 77 0x8000000000000003
waithead 1 5000
bell 5000
sh cc-journal $cache_device places > /tmp/case/places2; cat /tmp/case/places2
echo more than a page
records 300
waithead 3 5000
END
grep -q "place 2 page 1 version 2 records 1" $WORK/places1 || fail "version 2 is not in place 0 of position 1"
grep -q "place 3 page 1 version 1 records 0" $WORK/places1 || fail "version 1 was written over"
grep -q "place 3 page 1 version 3 records 2" $WORK/places2 || fail "version 3 is not in place 1 of position 1"
grep -q "place 2 page 1 version 2 records 1" $WORK/places2 || fail "version 2 was written over"
settled() { ring; grep -q "^newest 3 highest 3 first 1 records 302$" $WORK/ring; }
must_become 5 settled
ring_has "page 1 .* prev 0 tail 1 records 125"
ring_has "page 2 .* prev 1 tail 1 records 125"
ring_has "page 3 .* prev 2 tail 1 records 52"

note "the next life, which leaves out a page that does not count"
pool_down
pool_up
nl <<'END'
pool /dev/mapper/cache0
attach
resume 5 3 2
waithead 5 5000
records 200
waithead 6 5000
trim 3
sleep 2500
END
ring
ring_has "newest 6 highest 6 first 3 records 252"
ring_has "page 5 .* prev 3 tail . records 125"
ring_has "page 6 .* prev 5 tail 3 records 75"

note "a suspend writes what is left, a resume goes on"
nl <<'END'
pool /dev/mapper/cache0
attach
sh dmsetup suspend cache0
record committed 1 1 0 1
sleep 1500
journal
is $head 6
sh cc-journal $cache_device > /tmp/case/ring
sh grep -q "page 6 .* records 75" /tmp/case/ring
sh dmsetup resume cache0
sleep 500
sh cc-journal $cache_device > /tmp/case/ring
sh grep -q "page 6 .* records 76" /tmp/case/ring
END
pages=$(cat /sys/kernel/dm-chunkcache/$POOL/journal_pages)
at_least "pages written" "$pages" 4
finish
