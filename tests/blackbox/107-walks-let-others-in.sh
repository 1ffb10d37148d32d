#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# With sixty thousand misses, who asks for all of them, lists them or reads the status of their disk holds no lock for
# as long as that takes, nor does a message that makes holes of sixteen million chunks keep the CPU: a read of high
# priority that hits is served in between.
# catches: a walk over misses, or their bios, under one hold of a spinlock; one over chunks without a break.
# vm: -m 1024 -n 64M -t 900
# kernels: uml
. "${0%/*}/lib.sh"

load_module
chunks=65536
image a --seed 107 --size 1M --chunk 64K
sectors_many=$((chunks * 128)) digest_many=$(printf 'sha256:%064d' 107)
format
pool_up
disk_up vm1 a
sectors_huge=$((16777216 * 128)) digest_huge=$(printf 'sha256:%064d' 1107)
disk_up huge huge
disk_up many many "4 miss_timeout_ms 300 max_misses 1048576"
mount -t debugfs none /sys/kernel/debug 2>/dev/null
list=/sys/kernel/debug/dm-chunkcache/$POOL/misses

note "vm1 hits; reads of the other disk time out, and their misses stay"
start_read vm1 a --seq
# shellcheck disable=SC2046
echo "pool /dev/mapper/$POOL
attach
serve 5000 max=16" | nl -q $(opts a) || exit 1
end_read "$read_pid" 10
from=0
while [ $from -lt $chunks ]; do
	cc-io --seq --step 64K --offset $((from * 65536)) --count 8192 --depth 8192 --allow-errors \
		--timeout 60 /dev/mapper/many >/dev/null || fail "reads that time out"
	from=$((from + 8192))
done
misses=$(grep -c '^many ' $list)
note "$misses misses"
at_least "misses" "$misses" $((chunks * 9 / 10))

# niced NICENESS COMMAND...
niced() {
	# shellcheck disable=SC2016
	sh -c 'renice -n "$0" -p $$ >/dev/null; exec "$@"' "$@"
}

# stall COMMAND... : meanwhile, over and over.  In each of some windows the longest read; of these the least, as the
# host may take its time, too: sets $least, in us
stall() {
	local max n

	least=1000000000
	: >$WORK/walk
	while [ -e $WORK/walk ]; do niced 19 "$@" >/dev/null || exit; done &
	walker=$!
	for n in 1 2 3 4 5 6; do
		niced -20 cc-io --json --seq --length 1M --bs 4K --step 8K --count 100000 --seconds 1 \
			--engine pread --timeout 60 /dev/mapper/vm1 >$WORK/hits || fail "hits: $(cat $WORK/hits)"
		max=$(json max_us $WORK/hits)
		[ "$max" -ge $least ] || least=$max
	done
	rm $WORK/walk
	wait $walker || fail "$*"
}

cat >$WORK/all <<END
pool /dev/mapper/$POOL
attach
misses 1 all
misses 1 all
detach
END
cat >$WORK/holes <<END
pool /dev/mapper/$POOL
attach
disks
hole \$disk_huge 0 16777216
detach
END

stall sleep 1
idle=$least
for what in "dmsetup status many" "cat $list" "cc-nl --chunk 64K -q $WORK/all" "cc-nl --chunk 64K -q $WORK/holes"; do
	# words
	# shellcheck disable=SC2086
	stall $what
	note "a hit beside $what: $least us, beside nothing $idle"
	at_most "us that a hit waits for $what" "$least" $((20000 + 2 * idle))
done
finish
