#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# REQ_NOWAIT: a miss ends with EAGAIN and still starts the fetch, so that a later try hits; a hit is
# served, and io_uring needs no worker thread for hits.
# catches: no DM_TARGET_NOWAIT, a NOWAIT miss that sleeps or is forgotten.
# vm: -s 2 -n 64M
. "${0%/*}/lib.sh"

standard "--seed 46 --size 4M --chunk 64K"
must_become 20 disk_is_loaded vm1
# a read at the edge of a chunk may be part of a larger one and is held
cc-io --nowait --json --seq --bs 4K --step 64K --offset 8K --engine pread --timeout 60 \
	/dev/mapper/vm1 >$WORK/cold || fail "cold: $(cat $WORK/cold)"
cat $WORK/cold
at_least "EAGAIN of cold reads" "$(json eagain $WORK/cold)" 48
all_mapped() { [ "$(disk_mapped vm1)" = 64 ]; }
# what is wanted is noted in a small table: a lost note is made up for by the next try
n=0
until all_mapped; do
	n=$((n + 1))
	at_most "rounds until all was fetched" $n 20
	cc-io --nowait --seq --bs 4K --step 64K --offset 8K --engine pread --timeout 60 \
		/dev/mapper/vm1 >/dev/null || fail "a round of NOWAIT reads"
	sleep 0.5
done
equal "reads that waited" "$(disk_misses vm1)" 0
verify vm1 a --nowait-retry --seq --bs 4K --step 64K --engine pread
misses=$(disk_misses vm1)
# shellcheck disable=SC2046
cc-io --verify $(opts a) --json --bs 4K --align 4096 --count 5000 --depth 16 --timeout 60 \
	/dev/mapper/vm1 >$WORK/warm || fail "warm: $(cat $WORK/warm)"
cat $WORK/warm
equal "io-wq workers for hits" "$(json iowq $WORK/warm)" 0
cc-io --nowait --json --bs 4K --align 4096 --count 2000 --depth 4 --timeout 60 /dev/mapper/vm1 \
	>$WORK/nowait || fail "NOWAIT hits: $(cat $WORK/nowait)"
cat $WORK/nowait
equal "EAGAIN of hits" "$(json eagain $WORK/nowait)" 0
equal "misses when warm" "$(disk_misses vm1)" "$misses"
finish
