#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whatever the store has for a boot trace, or however it answers, a disk comes up and reads are right: a trace
# is refused as a whole, with one line in the log, and nothing is fetched for it.
# catches: a disk that waits for its trace, or fails with it; chunks fetched for a trace that is none.
# kernels: 6.12 6.1 uml
# short: 6.12
. "${0%/*}/lib.sh"

replay_state() {
	cc-ask $WORK/$POOL.sock '{"v":1,"cmd":"disks"}' | sed -n 's/.*"replay":{[^}]*"state":"\([a-z]*\)".*/\1/p'
}
is() { [ "$(replay_state)" = "$1" ]; }
fetched() { [ "$(gets)" = "$1" ]; }
warnings() { grep -c "disk vm1: boot trace not used" $HELPER_LOG; }

replay='replay = yes'
cat >$WORK/script <<END
path=/traces/ count=1 fault=stall
path=/traces/ count=1 status=500
path=/traces/ count=1 status=403
END
extra_store='first_byte_timeout = 60s
attempts = 1'
http_store --script $WORK/script
load_module
image a --seed 103 --size 4M --chunk 64K
image b --seed 104 --size 8M --chunk 64K
format 64K
pool_up
helper_start

# no answer: nobody waits for it
disk_up vm1 a
must_become 20 disk_is_loaded vm1
verify vm1 a --seq --bs 64K --length 256K
must is loading
equal_gets 4
disk_down vm1

# an error; refused
disk_up vm1 a
must_become 20 disk_is_loaded vm1
must_become 30 is none
equal "lines on errors" "$(warnings)" 1
verify vm1 a --seq --bs 64K --length 256K
disk_down vm1
disk_up vm1 a
must_become 20 disk_is_loaded vm1
must_become 30 is none
equal "lines on what is not to be had" "$(warnings)" 1

# A good one, of image b, with more chunks than a has; then what is wrong.
disk_down vm1
mkdir -p $STORE_DIR/traces
trace=$STORE_DIR/traces/$(digest a | cut -d: -f2)
printf '{"digest":"%s","state":"on","touches":[0,0,127,1,9,2]}' "$(digest b | cut -d: -f2)" >$WORK/b.json
must chunkctl record --from $WORK/b.json --store file://$STORE_DIR
printf '{"digest":"%s","state":"on","touches":[40,0,50,1]}' "$(digest a | cut -d: -f2)" >$WORK/a.json
must chunkctl record --from $WORK/a.json --store file://$STORE_DIR
cp "$trace" $WORK/good

n=1
bad() {
	n=$((n + 1))
	disk_up vm1 a
	must_become 20 disk_is_loaded vm1
	must_become 30 is none
	equal "lines on bad traces" "$(warnings)" $n
	verify vm1 a --seq --bs 64K --length 256K
	disk_down vm1
	equal_gets 4
}
cp "$STORE_DIR/traces/$(digest b | cut -d: -f2)" "$trace" && bad
: >"$trace" && bad
head -c 100 $WORK/good >"$trace" && bad
{ cat $WORK/good; printf X; } >"$trace" && bad
{ head -c 64 $WORK/good; printf '\377'; tail -c +66 $WORK/good; } >"$trace" && bad
{ head -c 8 $WORK/good; printf '\002'; tail -c +10 $WORK/good; } >"$trace" && bad
head -c 1000000 /dev/urandom >"$trace" && bad
grep "boot trace not used" $HELPER_LOG

# and the good one
cp $WORK/good "$trace"
disk_up vm1 a
must_become 30 is given
must_become 30 fetched 6
finish
