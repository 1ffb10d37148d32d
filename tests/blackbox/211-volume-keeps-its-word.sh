#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Writes that overlap, flushes, FUA, discards and write-zeroes of several threads, without a helper: what the volume
# holds is what was acknowledged, also after a suspend and after its base was dropped.
# catches: a lower place that wins, zeros over what came later, a write that is lost at the end of a log chunk.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

load_module
format 64K "" 700
pool_up
volume_up v 8192
volume_start v 8192
volcheck_options="--fua --discard --threads 4"
for flush in $(short "8 64" "8 64 16 32 4 128"); do
	# shellcheck disable=SC2086
	must cc-volcheck write --log $WORK/volcheck.log --run $flush --ops 600 --flush $flush \
		$volcheck_options /dev/mapper/v
	# shellcheck disable=SC2046
	must cc-volcheck check --log $WORK/volcheck.log --promise all \
		$([ $flush = 8 ] || echo --base $WORK/base) --save $WORK/base.new /dev/mapper/v
	mv $WORK/base.new $WORK/base
	must dmsetup suspend v
	must dmsetup resume v
	must dmsetup message v 0 drop
	# 600 operations fill most of what may be dirty
	volume_commit v
done
must cmp -n 4194304 /dev/mapper/v $WORK/base
note "$(dmsetup status v)"
note "$(dmsetup status $POOL)"
equal "errors" "$(volume_word v 7)" 0
must dmsetup remove v
note "$(cc-journal "$cache_device" | head -n 1)"
finish
