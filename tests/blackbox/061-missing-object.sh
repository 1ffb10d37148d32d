#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An object that is not in the store: its readers get ENODATA, at once, and the store is not asked again
# for each of them.
# catches: a retry storm, a reader that waits for ever, another errno.
# vm: -n 64M
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

http_store
load_module
image a --seed 61 --size 1M --chunk 64K
id=$(chunk_id a 3)
mv "$(chunk_file a 3)" $WORK/object
format
pool_up
helper_start
disk_up vm1 a
start=$(now_ms)
read_errno vm1 ENODATA --seq --count 1 --offset $((3 * 65536))
at_most "ms until ENODATA" $(($(now_ms) - start)) 5000
equal "GETs of the missing object" "$(gets "$id")" 1
cc-io --expect-errno ENODATA --offset $((3 * 65536)) --length 64K --bs 4K --depth 4 --seconds 10 \
	--json /dev/mapper/vm1 >$WORK/out || fail "reads of 10 s: $(cat $WORK/out)"
cat $WORK/out
at_least "reads that failed in 10 s" "$(json errors $WORK/out)" 20
at_most "GETs of the missing object in 10 s" "$(gets "$id")" 12
at_least "errors counted" "$(disk_counter vm1 errors_notfound)" 20
verify vm1 a --length $((3 * 65536)) --seq
verify vm1 a --offset $((4 * 65536)) --seq

note "the object comes back"
mv $WORK/object "$(chunk_file a 3)"
chunk_3_reads() { cc-io --seq --count 1 --offset $((3 * 65536)) /dev/mapper/vm1 >/dev/null 2>&1; }
must_become 60 chunk_3_reads
verify vm1 a --seq
finish
