#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The cache device fails all reads: a hit that fails is a miss, the chunk is fetched again and the read succeeds;
# with the device in order again, all of it caches as before.
# catches: the device's error passed on to the reader, slots given up for what the whole device did.
# vm: -n 96M
. "${0%/*}/lib.sh"

table_of() {
	case $1 in
	good) echo "flakey $NVME 0 3600 0" ;;
	bad) echo "flakey $NVME 0 0 1 $bad" ;;
	esac
}

# 6.1 knows no error_reads; there a flakey device without features fails reads and writes.
bad="1 error_reads"

device() {
	exchange under --table "0 $under_sectors $(table_of "$1")" 2>/dev/null || {
		bad=
		must exchange under --table "0 $under_sectors $(table_of "$1")"
	}
}

http_store
modprobe dm-flakey
load_module
image a --seed 38 --size 4M --chunk 64K
under_device "$(table_of good)"
format
pool_up
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K
must_become 10 disk_waits_not vm1
equal "slots filled" "$(slots_valid)" 64

note "every read of the device fails"
device bad
verify vm1 a --bs 4K --length 1M
verify vm1 a --seq --bs 128K
equal "errors of readers" "$(disk_errors vm1)" 0
note "GETs $(gets), fills $(pool_fills), bad slots $(slots_bad), valid $(slots_valid)"
equal "bad slots: the device is to blame" "$(slots_bad)" 0
at_most "GETs: all else comes out of memory" "$(gets)" 128

note "the device is in order again"
device good
verify vm1 a --seq --bs 64K
cached() { [ "$(slots_valid)" = 64 ]; }
must_become 20 cached
gets=$(gets)
verify vm1 a --bs 4K
equal "GETs once all is cached" "$(gets)" "$gets"
equal "bad slots" "$(slots_bad)" 0
equal "errors of readers" "$(disk_errors vm1)" 0
finish
