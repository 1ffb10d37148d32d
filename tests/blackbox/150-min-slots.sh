#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A disk keeps the slots that it was promised (min_slots) whatever another one scans; beyond them, and
# without a promise, what it read once goes.  The share survives a reload and ends with the disk.
# catches: promised slots evicted, too many kept, charges that outlive their disk.
# vm: -s 2 -n 64M -t 900
# kernels: 6.1 uml debug
. "${0%/*}/lib.sh"

scan() {
	verify vm1 a --seq --bs 256K
	verify vm1 a --seq --bs 256K
}

# A read that was answered with data may leave its chunk without a slot.
all_charged() {
	verify some b --seq --bs 64K
	[ "$(disk_counter some slots_charged)" = 20 ]
}

# missed DISK IMAGE : chunks that a read of all of it has to wait for
missed() {
	before=$(($(disk_misses "$1") + $(disk_coalesced "$1")))
	verify "$1" "$2" --seq --bs 64K
	echo $(($(disk_misses "$1") + $(disk_coalesced "$1") - before))
}

standard "--seed 150 --size 16M --chunk 64K" 64
image b --seed 151 --size 1280K --chunk 64K
disk_up none b
verify none b --seq --bs 64K
scan
at_least "chunks that are gone without a promise" "$(missed none b | tail -n 1)" 15
disk_down none
drop_pool

disk_up some b "2 min_slots 12"
equal "slots promised" "$(disk_counter some slots_promised)/$(pool_counter slots_promised)" 12/12
must_become 60 all_charged
scan
at_least "slots that it kept" "$(disk_counter some slots_charged)" 12
gone=$(missed some b | tail -n 1)
at_most "chunks that are gone, of 20" "$gone" 8
at_least "chunks that are gone, of 20" "$gone" 1

note "a reload to another promise"
must dmsetup load -r some --table "$(disk_table b "2 min_slots 20")"
equal "with two tables the larger promise counts" "$(pool_counter slots_promised)" 20
must dmsetup suspend --noflush --nolockfs some
must dmsetup resume some
must_become 60 all_charged
scan
equal "chunks that are gone, of 20" "$(missed some b | tail -n 1)" 0
must dmsetup load -r some --table "$(disk_table b "2 min_slots 5")"
must dmsetup suspend --noflush --nolockfs some
must dmsetup resume some
equal "slots promised" "$(disk_counter some slots_promised)/$(pool_counter slots_promised)" 5/5
scan
at_least "slots that it kept" "$(disk_counter some slots_charged)" 5

note "without the disk nothing is promised or kept"
disk_down some
equal "slots promised" "$(pool_counter slots_promised)" 0
drop_pool
disk_up none b
verify none b --seq --bs 64K
scan
at_least "chunks that are gone" "$(missed none b | tail -n 1)" 15

note "by chunkctl, and by a disk's file"
etc_chunkcache disks
must chunkctl up asked --pool $POOL --store $STORE --digest "$(digest b)" --size $(($(sectors b) * 512)) --min-slots 7
equal "slots promised" "$(disk_counter asked slots_promised)" 7
disk_down asked
printf '[disk]\npool = %s\nstore = %s\ndigest = %s\nsize = %s\npin = yes\n' $POOL $STORE "$(digest b)" \
	$(($(sectors b) * 512)) >/etc/chunkcache/disks/asked.conf
must chunkctl up asked
equal "slots promised" "$(disk_counter asked slots_promised)" $(($(sectors b) / 128))
disk_down asked
finish
