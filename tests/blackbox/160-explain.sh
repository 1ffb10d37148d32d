#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# chunkctl explain names what is wrong: a helper that is dead or stopped, a store that does not
# answer, an object that is missing, a suspended pool, a suspended disk, a refused manifest, a pool
# removed by force; and finds nothing wrong with a disk that is well.
# catches: a cause that is blamed on another part, or not seen.
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

# explain STATUS PATTERN... : of vm1; all must be in the text, on however many lines
explain() { explain_of vm1 "$@"; }
explain_of() {
	local disk=$1 status=$2 pattern text

	shift 2
	chunkctl explain $disk >$WORK/explain 2>&1
	equal "status of explain" "$?" "$status"
	text=$(tr -s ' \n' '  ' <$WORK/explain)
	for pattern; do
		echo "$text" | grep -q -- "$pattern" ||
			{ cat $WORK/explain; fail "explain does not say '$pattern'"; }
	done
	chunkctl explain $disk --json >$WORK/explain.json
	equal "status of explain --json" "$?" "$status"
	grep -q "\"well\":$([ "$status" = 0 ] && echo true || echo false)" $WORK/explain.json ||
		fail "explain --json"
}

load_module
image a --seed 160 --size 16M --chunk 64K
image b --seed 161 --size 1M --chunk 64K
http_store
format
pool_up
etc_chunkcache
ln -s $CONF /etc/chunkcache/$POOL.conf
helper_start
disk_up vm1 a

verify vm1 a --seq --bs 64K --length 1M
explain 0 "disk ok" "pool ok cache0" "helper ok pid $helper_pid" "store ok main: http://" \
	"Nothing is wrong with vm1" "half waited less than about"

# the helper, dead and stopped
helper_kill
explain 3 "helper BAD not running" "The helper of cache0 does not run" \
	"Next: systemctl restart chunkcached@cache0" "store ? main: not known"
start_read vm1 a --seq --bs 64K --offset 1M --length 1M
must_become 5 disk_waits vm1
explain 3 "does not run" "read[s]* wait[s]* now, the oldest for"
helper_start
end_read "$read_pid" 30
kill -STOP "$helper_pid"
explain 3 "pid $helper_pid: stopped by a signal" "Next: kill -CONT $helper_pid"
kill -CONT "$helper_pid"
explain 0 "Nothing is wrong"

# the store
http_stop
start_read vm1 a --seq --bs 64K --offset 2M --length 1M
must_become 5 disk_waits vm1
store_failed() { chunkctl stat --json | grep -q '"failed_ms"'; }
must_become 20 store_failed
explain 3 "store BAD main: does not answer (http://127" "Store main has not answered for" \
	"wait until it does; none fails of it" "chunkctl images --store main"
# what is worst is said first
disk_up vm2 b
explain_of vm2 3 "disk odd its manifest is not here yet" "Store main has not answered.* The helper has not got the manifest"
disk_down vm2
cc-httpd --root $STORE_DIR --port "$http_port" --log $WORK/access.log >>$WORK/httpd.log 2>&1 &
httpd_pid=$!
end_read "$read_pid" 60
explain 0 "Nothing is wrong"

# an object
gone=$(chunk_file a 100)
mv "$gone" $WORK/gone
read_errno vm1 ENODATA --seq --bs 64K --offset 6400K --length 64K
explain 3 "store BAD main: lacks a chunk" "Chunk 100 of vm1 ($(basename "$gone" | cut -c1-16)) is not in" \
	"ENODATA" "chunkctl verify $(digest a) --store main" "chunkctl import"
mv $WORK/gone "$gone"
helper_stop
helper_start
explain 5 "disk odd [0-9]* reads failed for lack of data" "before this helper started" "clear_stats"
must dmsetup message vm1 0 clear_stats
disk_down vm1
disk_up vm1 a

# pool and disk
must dmsetup suspend --noflush $POOL
explain 3 "pool BAD cache0: suspended" "nothing can be written into its slots" "dmsetup resume $POOL"
must dmsetup resume $POOL
must dmsetup suspend --noflush vm1
explain 3 "disk BAD suspended" "dmsetup resume vm1"
must dmsetup resume vm1
explain 0 "Nothing is wrong"

# a manifest
helper_stop
STORE=other
helper_start
must_become 10 disk_is_refused vm1
explain 3 "disk BAD its manifest was refused" "no store 'main'" "add \[store main\] to"
helper_stop
STORE=main

# a pool removed by force
must_fail chunkctl pool-down --force $POOL
explain 3 "pool BAD gone: it was removed by force" "chunkctl pool-up"

# what is no disk
chunkctl explain nope 2>$WORK/err && fail "explain of nothing"
grep -q "nope: no such disk" $WORK/err || fail "$(cat $WORK/err)"
chunkctl explain $POOL 2>$WORK/err && fail "explain of a pool"
grep -q "error table" $WORK/err || fail "$(cat $WORK/err)"
disk_down vm1
finish
