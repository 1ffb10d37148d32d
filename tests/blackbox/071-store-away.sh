#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The store cannot be reached for 12 s (long: 5 min) under load, then is back: hits go on, a hard disk's reads wait
# and then all end well without an error, a soft disk's fail at their deadline.
# catches: reads given up, a backoff that outlasts the outage by far, a storm of connections meanwhile.
# vm: -n 64M -t 1200
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

away=$(short 12 300)
load_module
image a --seed 71 --size 8M --chunk 64K
http_store
format
pool_up
helper_start
disk_up hard a
disk_up soft a "2 miss_timeout_ms 3000"
verify hard a --seq --bs 64K --length 2M
must_become 20 disk_is_loaded soft
verify soft a --seq --bs 64K --length 1M

note "the store goes away under load"
start_read hard a --bs 4K --depth 16 --count 500
random=$read_pid
start_read hard a --seq --bs 64K --offset 2M --depth 8
http_stop
end=$(($(now_ms) + away * 1000))
start=$(now_ms)
read_errno soft ETIMEDOUT --seq --count 1 --offset 7M
took=$(($(now_ms) - start))
at_least "ms until the soft disk gave up" $took 2900
at_most "ms until the soft disk gave up" $took 8000
verify hard a --bs 4K --length 2M --count 200
must_become 30 grep -q "store $STORE does not answer" $HELPER_LOG
while [ "$(now_ms)" -lt $end ]; do
	gone "$read_pid" && fail "a read that must wait ended: $(cat "$WORK/read-by.$read_pid")"
	sleep 2
done
verify hard a --bs 4K --length 2M --count 200
at_most "lines in the log" "$(wc -l <$HELPER_LOG)" $((away * 2 + 40))

note "and is back"
http_store --port "$http_port"
start=$(now_ms)
end_read "$read_pid" 60
end_read "$random" 60
took=$(($(now_ms) - start))
note "all reads had ended $took ms after"
at_most "ms until all had ended" $took 30000
equal "errors of the hard disk" "$(disk_errors hard)" 0
verify soft a --seq --bs 64K
grep -q "store $STORE answers again" $HELPER_LOG || fail "the log does not say that it is back"
finish
