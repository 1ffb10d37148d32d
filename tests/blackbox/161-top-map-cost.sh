#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl map, top, stat --every and cost tell what is: which chunks are cached, hot, evicted, holes, missing; rates of
# reads and misses; GETs and bytes as the store has counted them, by disk and by image.
# catches: chunks shown in slots that others have now, GETs charged twice or not at all.
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

# count STATE : chunks of vm1 in it
count() { chunkctl map vm1 --json | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
# states FROM TO : letters of vm1's chunks
states() { chunkctl map vm1 --json | sed 's/.*"states":"\([^"]*\)".*/\1/' | cut -c"$(($1 + 1))-$2"; }
# cost DISK MEMBER
cost() {
	chunkctl cost --json | sed 's/},{/\n/g' | grep "\"disk\":\"$1\"" |
		sed -n "s/.*\"$2\":\([0-9.]*\).*/\1/p"
}

load_module
image a --seed 161 --size 16M --chunk 64K --holes 1/8
image b --seed 161 --size 16M --chunk 64K --holes 1/8
image c --seed 162 --size 16M --chunk 64K
http_store
format 64K 300
pool_up
etc_chunkcache
ln -s $CONF /etc/chunkcache/$POOL.conf
extra_store="price_1000_gets = 0.4"
helper_start
disk_up vm1 a
disk_up vm2 b
must_become 10 disk_is_loaded vm1

# map
equal "chunks of nothing cached" "$(count cached)$(count hot)$(count missing)" 00
equal "holes and others" "$(($(count hole) + $(count "not cached")))" 256
verify vm1 a --seq --bs 64K --length 4M
equal "chunks that were read" "$(($(count cached) + $(count hot)))" "$(distinct a --from 0 --to 64)"
equal "chunks that were not" "$(states 64 256 | tr -d '.\n' | tr -s -)" "-"
drop_pool
equal "chunks that were dropped" "$(count cached)$(count hot)" 00
verify vm1 a --seq --bs 64K --length 4M
verify vm1 a --seq --bs 64K --length 1M
equal "chunks that were read twice" "$(states 0 16 | tr -d '.C\n')" ""
chunkctl map vm1 >$WORK/map || fail "map"
grep -q "16 MiB: 256 chunks of 64 KiB on pool $POOL; a cell is a chunk" $WORK/map || fail "$(cat $WORK/map)"
equal "rows" "$(grep -c ' MiB  [-.@#]' $WORK/map)$(grep -c ' 0 B  [-.@#]*$' $WORK/map)" 31
chunkctl map vm1 --svg $WORK/map.svg || fail "map --svg"
grep -q '^</svg>' $WORK/map.svg || fail "the picture has no end"
gone=$(chunk_file a 80)
[ ! -e "$gone" ] || mv "$gone" $WORK/gone
[ ! -e $WORK/gone ] || {
	read_errno vm1 ENODATA --seq --bs 64K --offset 5M --length 64K
	equal "a chunk that is missing" "$(states 80 81)" x
	mv $WORK/gone "$gone"
}

# cost: all that vm2 reads is cached or fetched for vm1
verify vm2 b --seq --bs 64K --length 4M
equal "GETs for vm2" "$(cost vm2 gets)" 0
before=$(gets)
verify vm2 b --seq --bs 64K --offset 8M --length 8M
equal "GETs for vm2" "$(cost vm2 gets)" $(($(gets) - before))
equal "bytes for vm2" "$(cost vm2 bytes)" $((($(gets) - before) * 65536))
all=$(grep -c "GET /\(chunks\|manifests\)/" $WORK/access.log)
equal "GETs of both" $(($(cost vm1 gets) + $(cost vm2 gets))) "$all"
disk_down vm2
must_become 5 test "$(cost vm2 gets)" -gt 0
equal "GETs by image" "$(chunkctl cost --by-image --json | sed -n 's/.*"gets":\([0-9]*\).*/\1/p')" "$all"
chunkctl cost >$WORK/cost || fail "cost"
grep -q "^vm2  .* gone$" $WORK/cost || fail "$(cat $WORK/cost)"
awk -v n="$all" '$1 == "all" { ok = $NF * 1000 > n * 0.39 && $NF * 1000 < n * 0.41 } END { exit !ok }' \
	$WORK/cost || fail "the price: $(cat $WORK/cost)"

# top
start_read vm1 a --length 1M --bs 4K --seconds 12
first=$read_pid
disk_up vm3 c
chunkctl stat vm3 --every 2 --lines 1 --json >$WORK/cold &
stat_pid=$!
start_read vm3 c --bs 4K --seconds 12 --depth 4
chunkctl top -b -n 2 -d 1.5 >$WORK/top || fail "top"
equal "tables" "$(grep -c '^DISK ' $WORK/top)" 2
grep '^vm1 ' $WORK/top | tail -1 | awk '{ exit !($2 != "0" && $5 == "100%") }' || fail "$(cat $WORK/top)"
equal "the first is the one that misses" "$(grep -A1 '^DISK' $WORK/top | tail -1 | cut -c1-3)" vm3
chunkctl top -b -n 1 -d 0.5 -s name >$WORK/top || fail "top -s"
equal "by name" "$(grep -A1 '^DISK' $WORK/top | tail -1 | cut -c1-3)" vm1
grep -q '^all ' $WORK/top || fail "no row for all disks"

# a line an interval: of one disk that only hits, of one that misses, of the pool
chunkctl stat vm1 --every 0.5 --lines 2 >$WORK/every || fail "stat --every"
equal "heads" "$(grep -c '^TIME ' $WORK/every)" 1
equal "lines" "$(grep -c '^[0-9]' $WORK/every)" 2
tail -1 $WORK/every | awk '{ exit !($2 != "0" && $4 == "100%" && $5 == "0") }' || fail "$(cat $WORK/every)"
must wait $stat_pid
grep -q '"disks":{"count":1,.*"misses_per_s":[1-9].*"gets_per_s":[1-9]' $WORK/cold || fail "$(cat $WORK/cold)"
chunkctl stat $POOL --every 0.5 --lines 1 --json | grep -q '"disks":{"count":2,' || fail "stat of a pool"
must_fail chunkctl stat nope --every 0.5
TERM=xterm cc-pty --key 3:nRa --key 5:q chunkctl top -d 0.5 >$WORK/screen || fail "top on a terminal"
grep -q "by name, reversed, active only" $WORK/screen || fail "keys do nothing"
tail -c 20 $WORK/screen | grep -q "1049l" || fail "the terminal is left as it was not"
end_read "$first" 30
end_read "$read_pid" 30

# the eviction of what was shown: more is read than fits
verify vm3 c --seq --bs 64K
evicted=$(($(count cached) + $(count hot) + $(chunkctl map vm3 --json |
	sed 's/.*"states":"\([^"]*\)".*/\1/' | tr -cd cC | wc -c)))
at_most "chunks that are in slots" "$evicted" "$(slots_valid)"
disk_down vm1
disk_down vm3
finish
