#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# With thirty thousand misses, who asks for all of them, lists them or reads the status of their disk holds no lock for
# as long as that takes, nor does a message that makes holes of sixteen million chunks keep the CPU: whoever wants it has
# it in between.
# catches: a walk over misses, or their bios, under one hold of a spinlock; one over chunks without a break.
# vm: -m 1024 -n 64M -t 900
# kernels: uml
. "${0%/*}/lib.sh"

load_module
chunks=32768
sectors_many=$((chunks * 128)) digest_many=$(printf 'sha256:%064d' 107)
format
pool_up
sectors_huge=$((16777216 * 128)) digest_huge=$(printf 'sha256:%064d' 1107)
disk_up huge huge
disk_up many many "4 miss_timeout_ms 300 max_misses 1048576"
mount -t debugfs none /sys/kernel/debug 2>/dev/null
list=/sys/kernel/debug/dm-chunkcache/$POOL/misses

note "reads of a disk time out, and their misses stay"
from=0
while [ $from -lt $chunks ]; do
	cc-io --seq --step 64K --offset $((from * 65536)) --count 8192 --depth 8192 --allow-errors \
		--timeout 60 /dev/mapper/many >/dev/null || fail "reads that time out"
	from=$((from + 8192))
done
misses=$(grep -c '^many ' $list)
note "$misses misses"
at_least "misses" "$misses" $((chunks * 9 / 10))

# alongside COMMAND... : beside somebody who wants the CPU all the while; sets $ticks, its time in the kernel in hundredths
# of a second, and $given, how often it gave the CPU up then. A walk without a break gives it up once, at its end.
alongside() {
	while :; do :; done &
	other=$!
	busybox time -f '%c %S' -o $WORK/cost "$@" >/dev/null || fail "$*"
	kill $other
	wait $other 2>/dev/null
	read -r given ticks <$WORK/cost
	ticks=$((${ticks%.*} * 100 + 1${ticks#*.} - 100))
}

cat >$WORK/all <<END
pool /dev/mapper/$POOL
attach
misses 1 all
misses 1 all
misses 1 all
misses 1 all
misses 1 all
misses 1 all
misses 1 all
misses 1 all
detach
END
cat >$WORK/holes <<END
pool /dev/mapper/$POOL
attach
disks
hole \$disk_huge 0 16777216
detach
END

for what in "dmsetup status many" "cat $list" "cc-nl --chunk 64K -q $WORK/all" "cc-nl --chunk 64K -q $WORK/holes"; do
	# words
	# shellcheck disable=SC2086
	alongside $what
	note "$what: $ticks ticks in the kernel, the CPU given to another $given times"
	at_least "times that another ran beside $what, of $ticks ticks" "$given" $((ticks / 2))
done
finish
