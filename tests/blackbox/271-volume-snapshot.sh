#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A snapshot of a volume while it is written: has all that was acknowledged before, flushed or not, and of what was
# written meanwhile a beginning; it stays as it is while the volume is overwritten, discarded, collected and closed.
# Without the helper, and for who does not have the volume, it is refused.
# catches: snapshots that lack what was acknowledged or have holes, gc that does not know them.
# vm: -n 512M -t 300
# short: uml
. "${0%/*}/lib.sh"

load_module
two_hosts 240

extra_store="commit_interval = 20s"
new_pool_of p0 a 512
must chunkctl volume create v --size 64M --chunk-size 64K --store "$store_url"

snapshot() { chunkctl snapshot create v "$1" --store "$STORE" --config $WORK/p0.conf; }
# put FILE AT : blocks of it, acknowledged and not flushed
put() {
	timeout 60 dd if="$1" of=/dev/mapper/v bs=64K oflag=direct,seek_bytes seek=$(($2 * 4096)) 2>/dev/null || fail "write"
}
# write_numbers : one after the other, from block 8000 on; how many are there is in a file
write_numbers() {
	local n=0

	while [ ! -e $WORK/stop ] && [ $n -lt 2000 ]; do
		dd if=$WORK/numbers of=/dev/mapper/v bs=4096 oflag=direct skip=$n seek=$((8000 + n)) count=10 2>/dev/null || return 1
		n=$((n + 10))
		echo $n >$WORK/there.new
		mv $WORK/there.new $WORK/there
	done
}

numbers_are_there() { [ "$(cat $WORK/there)" -gt 0 ]; }

head -c 8388608 /dev/urandom >$WORK/one
head -c 8388608 /dev/urandom >$WORK/two
awk 'BEGIN { for (i = 1; i <= 2000; i++) printf "%4095d\n", i }' >$WORK/numbers
echo 0 >$WORK/there
must up_on p0
put $WORK/one 0
write_numbers &
writer=$!
must_become 60 numbers_are_there
before=$(cat $WORK/there)
must snapshot first
after=$(($(cat $WORK/there) + 10))
touch $WORK/stop
wait $writer || fail "writes go on"
put $WORK/two 0
must timeout 60 blkdiscard -o $((8000 * 4096)) -l $((2000 * 4096)) /dev/mapper/v
must snapshot second

# has NAME FILE : what the snapshot begins with
has() {
	rm -f $WORK/export
	must chunkctl volume export "v@$1" $WORK/export --store "$store_url"
	head -c 8388608 $WORK/export | cmp -s - "$2" || fail "snapshot $1 is not what the volume was"
}

has first $WORK/one
dd if=$WORK/export of=$WORK/part bs=4096 skip=8000 count=2000 2>/dev/null
first=$(cmp $WORK/part $WORK/numbers | sed 's/.*differ: [a-z]* \([0-9]*\),.*/\1/')
[ -n "$first" ] || fail "the snapshot was taken while numbers were written"
[ $(((first - 1) % 4096)) = 0 ] || fail "a part of a block is there"
numbers=$(((first - 1) / 4096))
[ $numbers -ge "$before" ] || fail "$numbers numbers are in the snapshot, $before were acknowledged before"
[ $numbers -le $after ] || fail "$numbers numbers are in the snapshot, at most $after were written"
[ "$(tail -c +"$first" $WORK/part | tr -d '\000' | wc -c)" = 0 ] || fail "there are no holes in what was written in order"
has second $WORK/two

chunkctl snapshot create v first --store "$STORE" --config $WORK/p0.conf 2>$WORK/err && fail "a name is used twice"
grep -q "there is a snapshot of that name" $WORK/err || fail "says that it is"
helper_stop $pid
chunkctl snapshot create v third --store "$STORE" --config $WORK/p0.conf 2>$WORK/err
[ $? = 4 ] || fail "refused without the helper"
grep -q "is open on" $WORK/err || fail "says why"
helper_of p0
must snapshot third

must chunkctl gc --grace 0s --store "$store_url"
must chunkctl volume down v --store "$store_url"
must snapshot closed
must timeout 60 chunkctl gc --grace 0s --store "$store_url"
for name in first second third closed; do
	must chunkctl volume verify v@$name --store "$store_url"
done
has first $WORK/one
has third $WORK/two
has closed $WORK/two
[ "$(chunkctl snapshot list v --store "$store_url" | wc -l)" = 5 ] || fail "all are listed"
helper_stop $pid
finish
