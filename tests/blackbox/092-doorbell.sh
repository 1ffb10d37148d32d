#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A pull that returns nothing arms the bell: the next miss rings it at once, and once; what comes before the helper
# has pulled again rings no more.
# catches: a bell that is not armed again, a miss that rings between a pull and the arming, a bell per miss.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 92 --size 1M --chunk 64K
format 64K
pool_up
disk_up vm1 a
read_a="cc-io --verify $(opts a) --seq --count 1"
cat >$WORK/two-wait <<'END'
until [ "$(dmsetup status vm1 | cut -d' ' -f12)" = 2 ]; do sleep 0.1; done
END
export read_a
nl --seed 92 <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
misses 8
echo what came before is pending no more
misses 8
is $nr_misses 0
is $pending 0
sh $read_a /dev/mapper/vm1 >/tmp/case/0 2>&1 &
bell 3000
misses 8
is $nr_misses 1
data $disk0 $chunk0 $cookie0 $offset0 $len0 92 0 last
echo not armed: a pull that returned a miss does not arm it
sh $read_a --offset 64K /dev/mapper/vm1 >/tmp/case/1 2>&1 &
expect ETIMEDOUT bell 700
misses 8
is $nr_misses 1
is $chunk0 1
data $disk0 $chunk0 $cookie0 $offset0 $len0 92 1 last
misses 8
is $nr_misses 0
is $pending 0
echo armed: two misses, one bell
sh $read_a --offset 128K /dev/mapper/vm1 >/tmp/case/2 2>&1 &
bell 3000
sh $read_a --offset 192K /dev/mapper/vm1 >/tmp/case/3 2>&1 &
sh timeout 60 sh /tmp/case/two-wait
expect ETIMEDOUT bell 700
misses 8
is $nr_misses 2
data $disk0 $chunk0 $cookie0 $offset0 $len0 92 $chunk0 last
data $disk1 $chunk1 $cookie1 $offset1 $len1 92 $chunk1 last
sleep 300
sh for n in 0 1 2 3; do grep -q 'result ok' /tmp/case/$n || exit 1; done
END
helper_start
verify vm1 a --seq
equal "errors" "$(disk_errors vm1)" 0
finish
