#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Replies that don't fit into the helper's receive buffer are not lost misses: they are given out again.
# catches: misses left in SENT when their message could not be sent.
# vm: -m 1536 -n 64M
# short: uml
. "${0%/*}/lib.sh"

load_module
image a --seed 80 --size $((512 * 65536)) --chunk 64K --dup 1/2
format
pool_up
disk_up vm1 a
start_read vm1 a --shuffle --step 64K --bs 4K --depth 500
must_become 60 disk_waits vm1 500
# shellcheck disable=SC2046
nl -q $(opts a) <<'END'
pool /dev/mapper/cache0
attach
disks
state $disk loaded
rcvbuf 2048
flood 60 16
drain
sh echo "answers $drained with $drained_misses misses, errors $drained_errors"
sh test "$drained_misses" -lt 500
rcvbuf 4096
flood 30 256
drain
rcvbuf 262144
serve 60000 all max=512
END
end_read "$read_pid" 60
equal "errors" "$(disk_errors vm1)" 0
equal "reads waiting" "$(disk_waiting vm1)" 0

note "the same, and then another helper"
drop_disk vm1
start_read vm1 a --shuffle --step 64K --bs 4K --depth 500 --random-seed 3
must_become 60 disk_waits vm1 500
nl -q <<'END'
pool /dev/mapper/cache0
attach
rcvbuf 2048
flood 60 16
END
helper_start
end_read "$read_pid" 120
verify vm1 a --seq --bs 1M
equal "errors" "$(disk_errors vm1)" 0
finish
