#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Random reads of all sizes return the image's bytes: cold, half warm, warm; and warm reads
# need neither the store nor the helper.
# catches: a wrong slot offset, a bio split or advanced wrongly, a mapping of another chunk,
# a hit that asks the helper.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

standard "--seed 7 --size $(short 24M 512M) --chunk 64K --holes 1/8 --dup 1/8"
count=$(short 400 20000)

note cold
verify vm1 a --bs 512-1M --vec 4 --depth 8 --threads 2 --count "$count"
at_least "misses" "$(disk_misses vm1)" 1
note half warm
drop_disk vm1
verify vm1 a --length 12M --seq --bs 256K
verify vm1 a --bs 4K-256K --align 4096 --engine pread --threads 4 --count "$count"
verify vm1 a --seq --bs 1M

note warm, without a helper
must_become 10 disk_waits_not vm1
misses=$(disk_misses vm1)
helper_kill
verify vm1 a --bs 512-1M --vec 4 --depth 16 --threads 2 --count "$count" --random-seed 9
verify vm1 a --bs 4K --align 4096 --engine pread --threads 2 --count "$count"
equal "misses of the warm pass" "$(disk_misses vm1)" "$misses"
equal "errors" "$(disk_errors vm1)" 0
finish
