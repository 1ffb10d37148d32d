#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest, by the clock of -icount, the real helper: what the store gets for what a guest writes, 4 KiB at random
# places, 2 MiB in each of 20 seconds, then 16 MiB in each of 10, and when it is durable there.  The store is a
# directory, its PUTs are the helper's commits and packs.
#   store NAME VALUE
. /t/bench-lib.sh

slot_bytes=1048576
interval_ms=1000	# of commits
pack=8388608		# bytes from which on data gets objects of its own

# shown MEMBER : of what the helper counts
shown() {
	chunkctl volume show v --json --store "$store_url" >$WORK/shown || fail "volume show: $(cat $WORK/shown)"
	sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p" $WORK/shown | head -n 1
}
# Counted where they are made: packs with the same bytes have one name.
store_puts() { echo $(($(shown commits) + $(shown packs))); }
store_bytes() { shown stored_bytes; }
objects() { echo "$(shown commits) commits $(shown packs) packs"; }

# write_for SECONDS WRITES : so many in each second
write_for() {
	local i=0 until

	while [ $i -lt "$1" ]; do
		until=$(($(now_ms) + 1000))
		# a warm-up of as many comes before
		must cc-bench -n $(($2 / 2)) -r 1 -s 60 pwrite /dev/mapper/v >/dev/null
		while [ "$(now_ms)" -lt $until ]; do
			sleep 0.02
		done
		i=$((i + 1))
	done
	guest_bytes=$((guest_bytes + $1 * $2 * 4096))
}

# The store has all when the helper says so.
is_clean() { [ "$(shown dirty_bytes)" = 0 ]; }
settle() { must_become 300 is_clean; }

modprobe crc32c-intel
sockets=/run/chunkcache
mkdir -p $sockets
cache_device=$NVME
must chunkctl format "$cache_device" --slot-size 1M --manifest-area 1M --force --dirty-max 250M >$WORK/format.log
load_module
pool_up
helper_start
must chunkctl volume create v --size 64M --chunk-size 1M --store "$store_url"
must chunkctl volume up v --pool $POOL --store $STORE --config $CONF
settle
guest_bytes=0
puts=$(store_puts) bytes=$(store_bytes) start=$(now_ms)
write_for 20 512
write_for 10 4096
ms=$(($(now_ms) - start))
settle
puts=$(($(store_puts) - puts)) bytes=$(($(store_bytes) - bytes))
awk -v puts=$puts -v bytes=$bytes -v guest=$guest_bytes -v ms=$ms -v interval=$interval_ms -v pack=$pack 'BEGIN {
	ideal = guest / pack + ms / interval
	printf "store bytes_ratio %.4f\nstore bytes %d bytes for %d of the guest\n", bytes / guest, bytes, guest
	printf "store puts_over_ideal %.4f\nstore puts %d PUTs, ideal %.1f\n", puts / ideal, puts, ideal
}'
echo "store objects $(objects)"
echo "store throttled_us $(volume_word v 9)"
must chunkctl volume down v --store "$store_url"
finish
