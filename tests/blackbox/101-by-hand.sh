#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Chunks fetched by hand are there when they are read: no miss.  Ranges outside of the disk, or that are
# none, are refused as a whole; what is there already and holes are not fetched.
# catches: a range taken past the end, half of a bad request done, a GET for a hole.
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

# ask DISK RANGES
ask() {
	cc-ask $WORK/$POOL.sock "{\"v\":1,\"cmd\":\"prefetch\",\"disk\":\"$1\",\"ranges\":$2}"
}
field() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
nothing_pending() { [ "$(ask vm1 '[]' | field pending)" = 0 ]; }
refused() {
	ask vm1 "$1" >$WORK/reply
	grep -q '"error":"ranges: expected' $WORK/reply || fail "$1: $(cat $WORK/reply)"
}

http_store
standard "--seed 101 --size 8M --chunk 64K --holes 1/8"
must_become 20 disk_is_loaded vm1

for bad in '7' '[7]' '[[0]]' '[[0,1,2]]' '[["0",1]]' '[[-1,1]]' '[[0,0]]' '[[128,1]]' '[[127,2]]' \
	'[[0,9223372036854775807]]' '[[0,4],[126,3]]'; do
	refused "$bad"
done
ask nope '[]' | grep -q '"error":"disk: expected' || fail "a disk that is none"
equal_gets 0

ask vm1 '[[0,32],[100,28]]' >$WORK/reply
equal "taken" "$(field taken <$WORK/reply)" 60
must_become 30 nothing_pending
wanted=$(($(distinct a --from 0 --to 32) + $(distinct a --from 100 --to 128)))
equal_gets $wanted
verify vm1 a --seq --bs 64K --length 2M
verify vm1 a --seq --bs 64K --offset 6400K
equal "misses" "$(disk_misses vm1)" 0
equal "under way by hand" "$(ask vm1 '[]' | field by_hand)" 0
at_least "used" "$(ask vm1 '[]' | field used)" 1
ask vm1 '[[0,32]]' >$WORK/reply
equal "there already" "$(field there <$WORK/reply)" 32
equal "to be fetched" "$(field queued <$WORK/reply)" 0
equal_gets $wanted

# the same by chunkctl, which finds the socket by the pool's configuration
etc_chunkcache
ln -s $CONF /etc/chunkcache/$POOL.conf
must_fail chunkctl prefetch vm1 0-128
must_fail chunkctl prefetch vm1
must_fail chunkctl prefetch vm1 --all 3
equal_gets $wanted
must chunkctl prefetch vm1 32-63 70
wanted=$((wanted + $(distinct a --from 32 --to 64) + $(distinct a --from 70 --to 71)))
equal_gets $wanted
must chunkctl cached vm1 >$WORK/list
head -n 2 $WORK/list | tr '\n' ' ' | grep -q "^image $(digest a) chunks 128 \$" || fail "$(cat $WORK/list)"
equal "chunks in the list" "$(tail -n +3 $WORK/list |
	awk -F- '{ n += ($2 == "" ? $1 : $2) - $1 + 1 } END { print n }')" $wanted

# a host that has nothing yet
disk_down vm1
drop_pool
helper_stop
pool_down
format
pool_up
helper_start
disk_up vm1 a
must_become 20 disk_is_loaded vm1
before=$(gets)
for bad in "s/^chunks .*/chunks 9/" "s/^image .*/image sha256:12/" '$a 128' '$a 0'; do
	sed "$bad" $WORK/list >$WORK/bad
	must_fail chunkctl warm --from $WORK/bad
done
equal "GETs by bad lists" $(($(gets) - before)) 0
must chunkctl warm --from $WORK/list --rate 16M
equal "GETs by the list" $(($(gets) - before)) $wanted
chunkctl cached vm1 | cmp - $WORK/list || fail "not what the list says"
finish
