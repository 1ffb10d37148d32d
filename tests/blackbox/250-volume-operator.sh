#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A volume as its operator meets it. While the store is away, helper, metrics and `volume show' say how much only this
# host has and how old it is; `down' takes the time it is given, says what is left, and what is left goes to the
# store later, without a device; another host is told who has the volume and since when, with a status of its own; who
# takes over is told what may be lost first; the host that lost it does not take its writes for the volume's.
# catches: a window that nobody sees, a drain without end, a take-over by accident, a fork that is opened.
# vm: -n 512M -t 300
# short: uml
. "${0%/*}/lib.sh"

load_module
two_hosts 240

store_away() { must mv "$STORE_DIR" "$STORE_DIR.away"; }
store_back() { must mv "$STORE_DIR.away" "$STORE_DIR"; }

# says STATUS TEXT COMMAND... : its exit status, and a line that it prints
says() {
	status=$1 text=$2
	shift 2
	timeout 120 "$@" >$WORK/said 2>&1
	got=$?
	if [ $got != "$status" ] || ! grep -q -- "$text" $WORK/said; then
		cat $WORK/said
		fail "$*: status $got, should be $status, and say: $text"
	fi
}

# scrape : metrics of p0's helper, which are at most a second old; metric NAME : as of then
scrape() {
	sleep 1.1
	timeout 20 bash -c "exec 3<>/dev/tcp/127.0.0.1/9441
		printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n' >&3; cat <&3" 2>/dev/null >$WORK/metrics
}

metric() { sed -n "s/^dm_chunkcache_$1{.*} //p" $WORK/metrics | head -n 1; }

shown() { chunkctl volume show v --json --store "$store_url" >$WORK/shown && json "$1" $WORK/shown; }
is_clean() { [ "$(shown dirty_bytes)" = 0 ]; }
is_closed() { chunkctl volume show v --json --store "$store_url" | grep -q '"open":false'; }
# write_mib COUNT [DEVICE]
write_mib() { timeout 60 dd if=/dev/urandom of="/dev/mapper/${2:-v}" bs=64K oflag=direct conv=fsync count=$(($1 * 16)) 2>/dev/null; }

new_pool_of p0 a 256 "metrics_listen = 127.0.0.1:9441"
pid0=$pid
new_pool_of p1 b 256
pid1=$pid
etc_chunkcache volumes
cp $WORK/p0.conf $WORK/p1.conf /etc/chunkcache/
must chunkctl volume create v --size 32M --chunk-size 64K --store "$store_url"
printf '[volume]\npool = p0\nstore = %s\n' "$STORE" >/etc/chunkcache/volumes/v.conf

note "up, by its file, and again"
says 2 "no pool, store or feature" chunkctl volume up v --from-config --pool p0
must chunkctl volume up v --from-config
equal "state at once" "$(volume_state v)" running
says 0 "is up already" chunkctl volume up v --from-config
says 1 "on another pool" chunkctl volume up v --pool p1 --config $WORK/p1.conf
write_mib 4 || fail "write"
wait_until 20 is_clean || fail "committed"
scrape
at_least "commits" "$(metric volume_commits_total)" 1
at_least "bytes put" "$(metric volume_stored_bytes_total)" 4194304
equal "bytes written" "$(metric volume_written_bytes_total)" 4194304
equal "bytes at risk" "$(metric volume_dirty_bytes)" 0

note "the store is away"
store_away
write_mib 2 || fail "write"
sleep 3
scrape
at_least "bytes at risk" "$(metric volume_dirty_bytes)" 2097152
metric volume_oldest_dirty_seconds | awk '{ exit !($1 >= 3 && $1 < 60) }' || fail "their age"
equal "it is said that commits fail" "$(metric volume_failed)" 1
store_back
wait_until 30 is_clean || fail "committed when the store is back"
scrape
equal "none fails any more" "$(metric volume_failed)" 0

note "down in a bounded time"
store_away
write_mib 1 || fail "write"
says 1 "after 3 s the volume is not closed: .*; in no store yet: 1 MiB, the oldest for" chunkctl volume down v --wait 3
[ ! -b /dev/mapper/v ] || fail "the device is there"
store_back
wait_until 30 is_closed || fail "what was left is committed and closed without a device"
must chunkctl volume up v --from-config
store_away
write_mib 1 || fail "write"
says 0 "in no store yet: 1 MiB, the oldest for" chunkctl volume down v --now
store_back
wait_until 30 is_closed || fail "closed after --now"
must chunkctl volume up v --from-config
write_mib 1 || fail "write"
kill -STOP $pid0
start=$(now_ms)
says 1 "the device is gone, but after 3 s the volume is not closed: the helper of p0" chunkctl volume down v --wait 3
at_most "ms of a drain of 3 s" $(($(now_ms) - start)) 30000
kill -CONT $pid0
wait_until 30 is_closed || fail "closed when the helper goes on"
must chunkctl volume up v --from-config
write_mib 1 || fail "write"
must chunkctl volume down v --json >$WORK/said
grep -q '"closed":true' $WORK/said || fail "down says that it is closed"

# A device of one UUID is there once on a host: here the first host's has none.
note "another host"
table="0 65536 chunkcache-vol /dev/mapper/p0 $STORE $(cat "$STORE_DIR/volume-names/v")"
must dmsetup create mine --table "$table"
mine_is() { [ "$(volume_state mine)" = "$1" ]; }
wait_until 30 mine_is running || fail "open by table"
write_mib 1 mine || fail "write"
wait_until 30 is_clean || fail "committed"
says 4 "is open on .* since .*its last commit is of .* ago: what it wrote since then is lost" \
	chunkctl volume up v --pool p1 --config $WORK/p1.conf
kill -STOP $pid0
write_mib 1 mine || fail "write that the store never gets"
says 0 "taken over, as of" chunkctl volume up v --pool p1 --config $WORK/p1.conf --take-over
grep -q "what it wrote since then stays there" $WORK/said || fail "what is lost is said first"
equal "state" "$(volume_state v)" running
kill -CONT $pid0
wait_until 30 mine_is failed || fail "the zombie finds out"
must chunkctl volume down v

note "what the first host wrote is not taken for the volume's"
says 0 "had failed" chunkctl volume down mine
for more in "" --take-over; do
	says 4 "this host has writes of term .* that no store has (1 MiB" chunkctl volume up v --pool p0 $more
done
[ ! -b /dev/mapper/v ] || fail "the fork is open"
must chunkctl volume up v --pool p1 --config $WORK/p1.conf
must chunkctl volume down v
helper_stop $pid0
helper_stop $pid1
finish
