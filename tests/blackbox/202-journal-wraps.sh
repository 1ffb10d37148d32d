#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The shortest journal, 256 positions, filled and trimmed many times: what counts is whole at each look, a full
# ring refuses and goes on after a trim, and never are more positions in use than there are.
# catches: a position that is used again before the new tail is durable, a ring without room for the tail.
# vm: -n 64M -t 600
# short: uml
. "${0%/*}/lib.sh"

load_module
format 64K 256 6
pool_up
nl -q <<'END'
pool /dev/mapper/cache0
attach
resume 1000 0 1000
waithead 1000 5000
END

# add : until there is no room, in memory or in the ring
add() {
	nl -q <<'END'
pool /dev/mapper/cache0
attach
try records 40000
sh [ $rc = ENOSPC ]
journal
sleep 300
journal
sh echo $head $tail $records > /tmp/case/at
END
	read -r head tail records <$WORK/at
	all=$((all + records))
}

used() {
	cat /sys/kernel/dm-chunkcache/$POOL/journal_used
}

# fill : adds until the ring is full; what it has is in $WORK/ring
fill() {
	local tries

	for tries in 1 2 3 4 5 6 7 8; do
		add
		[ "$(used)" -ge 220 ] && break
	done
	must cc-journal "$cache_device" >$WORK/ring
	note "$(head -n 1 $WORK/ring), tail $tail, $tries tries"
}

# trim PAGES : so many of the oldest
trim() {
	nl -q <<END
pool /dev/mapper/cache0
attach
trim $((tail + $1))
sleep 300
END
}

positions=$(cat /sys/kernel/dm-chunkcache/$POOL/journal_size)
equal "positions" "$positions" 256
all=0
for round in 1 2 3 4 5 6 7 8 9 10; do
	fill
	at_most "positions in use" "$(used)" 256
	at_least "positions in use" "$(used)" 220
	read -r _ newest _ _ _ first _ n <$WORK/ring
	equal "newest" "$newest" "$head"
	equal "first" "$first" "$tail"
	equal "records" "$n" "$(awk '/^page/ { n += $10 } END { print n }' $WORK/ring)"
	equal "pages without a gap" "$(grep -c ^page $WORK/ring)" $((head - tail + 1))
	trim $((round * 20 % 230 + 1))
done
at_least "newest after all" "$head" $((1000 + 4 * 256))
at_least "records" "$all" $((4 * 256 * 125))
finish
