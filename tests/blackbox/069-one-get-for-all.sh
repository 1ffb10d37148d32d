#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# 64 readers of one cold chunk on two disks: exactly one GET. Ten clones of an image: the GETs of one.
# catches: single flight per disk or per miss, clones that do not share.
# vm: -s 2 -m 1536 -n 64M
# short: 6.12
. "${0%/*}/lib.sh"

http_store
standard "--seed 69 --size 2M --chunk 64K --holes 1/8"
disk_up vm2 a
for disk in vm1 vm2; do
	start_read $disk a --engine pread --threads 32 --seq --count 1 --bs 4K \
		--wait-file $WORK/go
	eval "read_$disk=$read_pid"
done
sleep 1
chunk=0
# the first chunk may be a hole of the image: then it proves nothing
# shellcheck disable=SC2046
[ "$(cc-mkimage $(opts a) --from 0 --to 1 --count | sed 's/.*distinct //')" = 1 ] || fail "chunk $chunk"
: >$WORK/go
# shellcheck disable=SC2154
end_read "$read_vm1" 60
# shellcheck disable=SC2154
end_read "$read_vm2" 60
equal_gets 1
sum=$(($(disk_reads vm1) + $(disk_reads vm2)))
equal "reads counted" $sum 64

for n in 3 4 5 6 7 8 9 10; do
	disk_up vm$n a
done
for n in 1 2 3 4 5 6 7 8 9 10; do
	start_read vm$n a --shuffle --step 64K --bs 64K --depth 4 --random-seed $n
	eval "clone_$n=$read_pid"
done
for n in 1 2 3 4 5 6 7 8 9 10; do
	eval "end_read \$clone_$n 120"
done
equal_gets "$(distinct a)"
finish
