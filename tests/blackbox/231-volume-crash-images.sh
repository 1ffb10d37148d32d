#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Power cuts: all that is written to the cache device and to the store under load is recorded, in the order in which it
# became durable. From that, images of single moments are made: what was flushed, a random part of what the device's
# cache had, sectors of 512 bytes of some writes only (tests/tools/crash/). Each is recovered by the helper and judged
# from the history of what was acknowledged by then; the next record is of a life that began with such an image. Then
# the host is lost, at other moments: the store alone.
# catches: a page of the journal that is durable before what its records are about, a flush or FUA that ends too soon,
# a recovery that takes too much or not enough, a commit that is no state of the past.
# vm: -n 256M -t 400
# vm-long: -t 7200
# kernels: uml
. "${0%/*}/lib.sh"

load_module
modprobe dm-log-writes || fail "this kernel has no dm-log-writes"
pool_sectors=49152
log_start=$((2 * pool_sectors))
rounds=$(short 2 10)
images=$(short 4 50)
alone=$(short 1 20)
seed=${2:-$(date +%s)}
conf=$WORK/p.conf
store=$WORK/store
images_done=0 alone_done=0
note "seed $seed"

# Writes and flushes take a while, or what is acknowledged too early would not be seen.
must dmsetup create a --table "0 $pool_sectors delay $NVME 0 0 $NVME 0 1 $NVME 0 1"
must dmsetup create image --table "0 $pool_sectors linear $NVME $pool_sectors"
must dmsetup create record --table "0 $(($(device_sectors "$NVME") - log_start)) linear $NVME $log_start"

# helper STORE_DIRECTORY [VARIABLE=VALUE...]
helper() {
	cat >$conf <<-END
	[pool]
	name = p
	control_socket = /run/chunkcache/p.sock
	buffers = 2M
	prefetch = no
	[store $STORE]
	url = file://$1
	END
	shift
	env "$@" chunkcached -c $conf >$WORK/helper.log 2>&1 &
	helper_pid=$!
	must_become 60 has_helper
}

has_helper() {
	read -r attached <$SYSFS/p/helper_pid
	[ "$attached" != 0 ]
}

pool_on() { must dmsetup create p --table "0 $pool_sectors chunkcache-pool $1"; }

volume_opens() {
	chunkctl volume up v --pool p --store $STORE --config $conf "$@" >$WORK/up.log 2>&1 || {
		cat $WORK/up.log $WORK/helper.log
		fail "the volume does not open: $scene"
	}
}

# power_cut : at once, whatever is under way
power_cut() {
	helper_kill
	if [ -e /dev/mapper/v ]; then
		must dmsetup wipe_table --noflush v
		must_become 30 dmsetup remove v
	fi
	must dmsetup remove p
}

# judged PROMISE [OPTION...] : $WORK/scene/history against what v has
judged() {
	local promise=$1

	shift
	cc-volcheck check --log $WORK/scene/history --promise "$promise" --base $WORK/base "$@" /dev/mapper/v \
		>$WORK/judge.log 2>&1 || {
		cat $WORK/judge.log $WORK/helper.log
		fail "$promise is not kept: $scene"
	}
}

# record_load RUN : of a life on device a, from now to its power cut; $WORK/start, $WORK/base are what it began with
record_load() {
	must dd if=/dev/mapper/a of=$WORK/start bs=1M 2>/dev/null
	must dd if=/dev/zero of=/dev/mapper/record bs=1M count=1 oflag=direct 2>/dev/null
	must dmsetup create rec --table "0 $pool_sectors log-writes /dev/mapper/a /dev/mapper/record"
	pool_on /dev/mapper/rec
	helper $store LD_PRELOAD=/bin/cc-mark.so CC_MARK=rec
	volume_opens
	must cp /dev/mapper/v $WORK/base
	# every other life without any: the timer's pages and full ones only
	flushes="--flush 16 --fua"
	[ $(($1 % 2)) = 1 ] || flushes="--flush 0"
	# words
	# shellcheck disable=SC2086
	must cc-volcheck write --log $WORK/history --mark rec --run "$1" --seed "$((seed + $1))" --ops "$(short 350 1500)" \
		--threads 3 --discard $flushes /dev/mapper/v
	power_cut
	must dmsetup remove rec
	note "$(cc-crash count /dev/mapper/record)"
}

# image N : of the record, recovered and judged; the volume is left up
image() {
	rm -rf $WORK/scene
	scene=$(cc-crash image --seed "$1" --start $WORK/start --target /dev/mapper/image --history $WORK/history \
		--store $store --scene $WORK/scene /dev/mapper/record) || fail "no image"
	scene="seed $1: $scene"
	pool_on /dev/mapper/image
	helper $WORK/scene/store
	volume_opens
	judged flushed --save $WORK/found
	images_done=$((images_done + 1))
}

# drained : and then the store has what the volume had
drained() {
	must chunkctl volume down v --store file://$WORK/scene/store
	rm -f $WORK/export
	must chunkctl volume export v $WORK/export --store file://$WORK/scene/store >/dev/null
	cmp $WORK/export $WORK/found || fail "the store has something else than the volume had: $scene"
}

# host_lost N : the volume opens on a new device at some commit
host_lost() {
	rm -rf $WORK/scene
	must cc-crash store --seed "$1" --store $store --scene $WORK/scene /dev/mapper/record
	cp $WORK/history $WORK/scene/history
	scene="store alone, seed $1"
	must chunkctl format /dev/mapper/image --slot-size 64K --manifest-area 1M --force --dirty-max 4M >/dev/null
	pool_on /dev/mapper/image
	helper $WORK/scene/store
	volume_opens --take-over
	judged prefix
	alone_done=$((alone_done + 1))
}

must chunkctl format /dev/mapper/a --slot-size 64K --manifest-area 1M --force --dirty-max 4M >/dev/null
mkdir -p $store
must chunkctl volume create v --size 4M --chunk-size 64K --store file://$store
for round in $(seq "$rounds"); do
	record_load "$round"
	for n in $(seq "$alone"); do
		host_lost $((seed + round * 1000 + n))
		power_cut
	done
	for n in $(seq "$images"); do
		image $((seed + round * 1000 + n))
		[ $((n % 5)) != 0 ] || drained
		[ "$n" = "$images" ] || power_cut
	done
	# the next life goes on from the last image
	power_cut
	scene="a life that begins with $scene"
	must dd if=/dev/mapper/image of=/dev/mapper/a bs=1M oflag=direct 2>/dev/null
	rm -rf $store
	mv $WORK/scene/store $store
done
note "seed $seed: $images_done images of the device, $alone_done of the store alone, 0 wrong"
helper_pid=
finish
