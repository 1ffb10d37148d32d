#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The cache device fails everything for a moment (all paths down, controller gone) and is back, more than once: what
# was read of it meanwhile costs at most a fetch each, and all its slots cache again.
# catches: an error of the whole device taken for bad media, slot by slot.
# vm: -n 64M
# kernels: 6.12 6.1 uml
. "${0%/*}/lib.sh"

modprobe dm-multipath 2>/dev/null
modprobe dm-round-robin 2>/dev/null
http_store
load_module
image a --seed 125 --size 4M --chunk 64K
size=$(((meta_bytes + 66 * 65536) / 512))

table() {
	case $1 in
	mpath) echo "0 $size multipath 0 0 1 1 round-robin 0 1 1 $NVME 1000" ;;
	linear) echo "0 $size linear $NVME 0" ;;
	error) echo "0 $size error" ;;
	esac
}

# under TABLE : what is below from now on
under() {
	must exchange under --table "$(table "$1")"
}

away() { case $way in error) under error ;; mpath) must dmsetup message under 0 "fail_path $NVME" ;; esac; }
back() { case $way in error) under linear ;; mpath) must dmsetup message under 0 "reinstate_path $NVME" ;; esac; }

for way in error mpath; do
	first=linear
	[ $way = error ] || first=mpath
	dmsetup create under --table "$(table $first)" || { note "no dm-$first here"; continue; }
	cache_device=/dev/mapper/under
	format
	pool_up
	helper_start
	disk_up vm1 a
	verify vm1 a --seq --bs 64K
	must_become 10 disk_waits_not vm1
	for outage in 1 2 3; do
		away
		# reads in part, so that slots fail both hot and cold
		verify vm1 a --seq --bs 4K --length "$outage"M
		verify vm1 a --bs 4K --count 200
		sleep 0.3
		back
		verify vm1 a --seq --bs 64K
		note "$way, outage $outage: valid $(slots_valid), bad $(slots_bad), failed hits $(disk_counter vm1 retried)"
		equal "bad slots" "$(slots_bad)" 0
		cached() { verify vm1 a --seq --bs 64K; [ "$(slots_valid)" -ge 60 ]; }
		must_become 20 cached
	done
	at_least "hits that failed" "$(disk_counter vm1 retried)" 32
	gets=$(gets)
	verify vm1 a --seq --bs 64K
	at_most "GETs of one more pass" $(($(gets) - gets)) 4
	equal "errors of readers" "$(disk_errors vm1)" 0
	disk_down vm1
	helper_stop
	pool_down
	must dmsetup remove under
done
finish
