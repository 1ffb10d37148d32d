#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A helper that loses its sockets may attach again by the descriptor of the pool that it has.  What it was given before
# is given to nobody while that is open, as writes may be under way; when it is closed all its sessions end.
# catches: sessions by one open file that wait for each other's reference, one that is drained while the file is open.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 96 --size 1M --chunk 64K
format 64K 16
pool_up
all_free() { [ "$(slots_free)" = 16 ]; }
cat >$WORK/draining <<'END'
n=0
until dmsetup status cache0 | grep -q ' draining '; do sleep 0.1; n=$((n + 1)); [ $n -lt 100 ] || exit 1; done
END
nl <<'END'
pool /dev/mapper/cache0
attach
alloc 8
is $nr_slots_got 8
reopen
sh sh /tmp/case/draining
attach
alloc 4
is $nr_slots_got 4
reopen
sh sh /tmp/case/draining
attach
echo longer than from one look at the file to the next
sleep 1200
alloc 16
is $nr_slots_got 4
END
must_become 10 pool_has_no_helper
must_become 10 all_free

note "one that detaches is no longer waited for, nor does it take the other with it"
nl <<'END'
pool /dev/mapper/cache0
attach
alloc 8
reopen
sh sh /tmp/case/draining
attach
detach
sleep 1200
slots cache0
is $slots_filling 8
END
must_become 10 pool_has_no_helper
helper_start
disk_up vm1 a
verify vm1 a --seq --bs 64K
equal "errors" "$(disk_errors vm1)" 0
finish
