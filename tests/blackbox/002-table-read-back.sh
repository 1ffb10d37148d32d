#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# `dmsetup table` makes an identical device again; status lines follow their grammar under load.
# catches: a feature not shown, counted wrongly or shown though default, a field without a value.
# vm: -s 2 -n 128M
# kernels: 6.12 6.1 debug
. "${0%/*}/lib.sh"

standard "--seed 2 --size 8M --chunk 64K"
for features in "" "2 miss_timeout_ms 5000" "2 suspend_timeout_ms 1000" "2 max_misses 64" \
	"2 min_slots 7" "1 pin" "8 miss_timeout_ms 5000 suspend_timeout_ms 1000 max_misses 64 min_slots 9" \
	"7 miss_timeout_ms 5000 suspend_timeout_ms 1000 max_misses 64 pin"; do
	disk_up vm2 a "$features"
	table=$(dmsetup table vm2)
	case $table in
	*"$STORE $(digest a)"*) ;;
	*) fail "table: $table" ;;
	esac
	for word in $features; do
		case " $table " in
		*" $word "*) ;;
		*) fail "$word is not in the table: $table" ;;
		esac
	done
	verify vm2 a --count 10
	disk_down vm2
	must dmsetup create -r vm2 --table "$table"
	equal "table made from itself" "$(dmsetup table vm2)" "$table"
	verify vm2 a --count 10
	disk_down vm2
done
table=$(dmsetup table $POOL)
disk_down vm1
helper_stop
pool_down
must dmsetup create $POOL --table "$table"
equal "pool table made from itself" "$(dmsetup table $POOL)" "$table"
helper_start
disk_up vm1 a

disk_grammar='^0 [0-9]+ chunkcache [0-9]+ 128 [0-9]+/128 [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ [0-9]+ (new|loaded|refused) (hard|soft) [0-9]+( [a-z_]+( [0-9]+)?)* *$'
pool_grammar='^0 [0-9]+ chunkcache-pool 128 [0-9]+/[0-9]+/[0-9]+/[0-9]+/[0-9]+ of [0-9]+ [0-9]+ [0-9]+ (none|attached|draining) [0-9]+ (normal|suspended) [0-9]+( [a-z_]+)* *$'
start_read vm1 a --bs 4K-64K --depth 8 --seconds 600
for _ in $(seq "$(short 25 100)"); do
	dmsetup status vm1 | grep -qE "$disk_grammar" || fail "status: $(dmsetup status vm1)"
	dmsetup status $POOL | grep -qE "$pool_grammar" || fail "status: $(dmsetup status $POOL)"
	drop_disk vm1
done
kill "$read_pid"
end_read "$read_pid" 60
total=$(slots_total)
sum=$(status_word $POOL 2 | awk -F/ '{ print $1 + $2 + $3 + $4 + $5 }')
equal "slots by state" "$sum" "$total"
finish
