#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two disks wait for the same chunk; one is removed by force: the other's read still ends with data.
# catches: a fetch or fill that belongs to the disk that asked first.
# vm: -s 2 -n 64M
. "${0%/*}/lib.sh"

http_store
standard "--seed 34 --size 1M --chunk 64K"
disk_up vm2 a
must_become 20 disk_is_loaded vm1
must_become 20 disk_is_loaded vm2
kill -STOP "$helper_pid"
start_read vm1 a --seq --count 1
first=$read_pid
must_become 10 disk_waits vm1
start_read vm2 a --seq --count 1
second=$read_pid
must_become 10 disk_waits vm2
timeout 20 dmsetup remove -f --noflush vm1 2>/dev/null
end_read_badly "$first" 10
dmsetup info vm1 >/dev/null 2>&1 && must dmsetup remove vm1
gone "$second" && fail "the other disk's read ended as well"
kill -CONT "$helper_pid"
end_read "$second" 30
verify vm2 a --seq
equal_gets "$(distinct a)"
finish
