#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# In the guest of `run vm`: the reads of a trace on a cold disk of the module, its store at 30 ms; without
# anything fetched ahead, which chunkctl records, and with that replayed.  Lines "boot WAY JSON".
# Arguments: TRACE DIVISOR SIZE CHUNK DIGEST.  The store is on $STORE_DISK.
. /t/lib.sh

trace=$1 divisor=$2 size=$3 chunk=$4
# shellcheck disable=SC2034 # lib.sh's
opts_a="--seed 1 --size $size --chunk $chunk" digest_a=$5 sectors_a=$((size / 512))

buffers='buffers = 64M'

# play WAY : on a pool made anew
play() {
	format "$chunk"
	pool_up
	helper_start
	disk_up vm1 a
	must_become 120 disk_is_loaded vm1
	# shellcheck disable=SC2086 # a list of words
	must cc-playback $opts_a --think-divisor "$divisor" /dev/mapper/vm1 "$trace" >$WORK/play.json
	echo "boot $1 $(cat $WORK/play.json)"
	echo "boot $1-gets $(gets)"
	[ "$1" != without ] || must chunkctl record vm1 --store "file://$STORE_DIR"
	disk_down vm1
	helper_stop
	pool_down
}

mkdir -p /etc/chunkcache && ln -s $CONF /etc/chunkcache/$POOL.conf
mount -t ext4 -o ro "$STORE_DISK" /mnt && cp -r /mnt/* $STORE_DIR || fail "store"
umount /mnt
echo "latency=30" >$WORK/rules
http_store --script $WORK/rules
play without
: >$WORK/access.log
prefetch='' replay=''
play replay
finish
