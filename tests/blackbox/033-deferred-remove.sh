#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# remove --deferred with an opener: the disk works until the last close, then it is gone.
# catches: a reference that outlives the opener.
# vm: -n 64M
. "${0%/*}/lib.sh"

standard "--seed 33 --size 1M --chunk 64K"
# holds it open
# shellcheck disable=SC2217
sleep 600 </dev/mapper/vm1 &
opener=$!
must_fail dmsetup remove vm1 2>/dev/null
minor=$(dmsetup info -c --noheadings -o minor vm1)
must dmsetup remove --deferred vm1
# dmsetup takes the node away at once
[ -e /dev/mapper/vm1 ] || must ln -s "/dev/dm-$minor" /dev/mapper/vm1
verify vm1 a --seq
drop_disk vm1
verify vm1 a --seq
kill $opener
wait $opener 2>/dev/null
vm1_gone() { ! dmsetup info vm1 >/dev/null 2>&1; }
must_become 10 vm1_gone
rm -f /dev/mapper/vm1
[ ! -e $SYSFS/$POOL/vm1 ] || fail "vm1 is still in sysfs"
disk_up vm1 a
verify vm1 a --seq
finish
