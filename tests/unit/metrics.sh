#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a whole helper shows as metrics: the real chunkcached, a store, and the kernel's side in user
# space (tests/tools/kernel).  Against what Documentation/metrics.rst lists, against the number of reads that
# were made, by promtool and by the strict parser of OpenMetrics where tests/setup.sh has put them.  TAP on
# stdout.

. "$(dirname "$0")/chunkctl.inc"
build=$(dirname "$ctl")
promtool=${CHUNKCACHE_CACHE:-$HOME/.cache/dm-chunkcache}/promtool
pids=()
touch out err
trap 'kill -KILL "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$dir"' EXIT

give_up() { echo "Bail out! $*"; cat ./*.log; exit 1; }

# until_true COMMAND... : for a minute
until_true()
{
	for _ in {1..600}; do
		! "$@" 2>/dev/null || return 0
		sleep 0.1
	done
	ok 1 "within a minute: $*"
	cat ./*.log
	exit 1
}

# get PORT [HEADER] : the body of GET /metrics
get()
{
	exec 3<>"/dev/tcp/127.0.0.1/$1" || return
	printf 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n%s\r\n' "${2:+$2$'\r\n'}" >&3
	sed '1,/^\r$/d' <&3
	exec 3>&-
}

free_port()
{
	port=$((20000 + RANDOM % 12000))
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
		port=$((port + 1))
	done
}

# ---- a pool of 64 slots, three disks, 300 reads ----

content="--seed 1 --size 16M --chunk 256K"
# a list of words
# shellcheck disable=SC2086
digest=$("$build/cc-mkimage" $content --store store --name image) || give_up "no image"
truncate -s 20M pool
"$ctl" format --slot-size 256K --manifest-area 1M pool >/dev/null 2>format.log || give_up "no pool"
"$build/cc-httpd" --root store --port-file http 2>store.log &
pids+=($!)
until_true test -s http
free_port
cat >p.conf <<-END
	[pool]
	name = p
	device = $dir/pool
	control_socket = $dir/p.sock
	metrics_listen = 127.0.0.1:$port
	lock_memory = no
	prefetch = no
	replay = no
	[store main]
	url = http://127.0.0.1:$(cat http)
	[store spare]
	url = file://$dir/store
END
# shellcheck disable=SC2086
"$build/cc-kernel" $content --socket kernel --pool pool --digest "$digest" --disks 3 --readers 3 --pattern own \
	--no-memory 2 --read-size 4096 --stay --log >kernel.json 2>kernel.log &
pids+=($!)
until_true test -S kernel
ASAN_OPTIONS=$ASAN_OPTIONS:verify_asan_link_order=0 LD_PRELOAD=$build/cc-shim.so CC_KERNEL=$dir/kernel \
	"$build/chunkcached" -c p.conf 2>helper.log &
helper=$!
pids+=("$helper")
until_true grep -q wrong kernel.json
# The text before may be a second old.
sleep 1.1
get "$port" >text || give_up "no metrics"
get "$port" "Accept: application/openmetrics-text" >openmetrics

grep -q "pull misses: out of memory" helper.log && grep -q "disks: out of memory" helper.log
ok $? "a kernel that was short of memory is asked again"

# ---- what it says ----

# value NAME LABELS : of a sample of pool p
value() { sed -n "s/^$1{pool=\"p\"$2} //p" text; }
# is NAME LABELS NUMBER : that is its value
is()
{
	[ "$(value "$1" "$2")" = "$3" ]
	ok $? "$1$2 is $3 ($(value "$1" "$2"))"
}

# sum NAME : of all samples
sum() { awk -v name="$1{" 'index($0, name) == 1 { n += $NF } END { print n + 0 }' text; }
sums()
{
	[ "$(sum "$1")" = "$2" ]
	ok $? "all of $1 are $2 ($(sum "$1"))"
}

reads=$(sed -n 's/.*"hits":\([0-9]*\),"misses":\([0-9]*\),.*/\1 \2/p' kernel.json)
is dm_chunkcache_module_up '' 1
is dm_chunkcache_helper_attached '' 1
is dm_chunkcache_pool_slot_bytes '' 262144
is dm_chunkcache_disk_chunks ',disk="vm3"' 64
is dm_chunkcache_disk_size_bytes ',disk="vm1"' 16777216
is dm_chunkcache_store_down ',store="spare"' 0
is dm_chunkcache_endpoint_breaker ',store="main",state="closed"' 1
sums dm_chunkcache_endpoint_results_total "$(value dm_chunkcache_endpoint_gets_total ',store="main"')"
is dm_chunkcache_endpoint_get_seconds_count ',store="main"' \
	"$(value dm_chunkcache_endpoint_results_total ',store="main",result="ok"')"
sums dm_chunkcache_disk_reads_total $((${reads% *} + ${reads#* }))
sums dm_chunkcache_disk_miss_wait_seconds_count "${reads#* }"
sums dm_chunkcache_disk_gets_total $(($(value dm_chunkcache_endpoint_gets_total ',store="main"') -
	$(value dm_chunkcache_unattributed_gets_total '')))
check "no endpoint is a directory" [ -z "$(value dm_chunkcache_endpoint_gets_total ',store="spare"')" ]
check "no URL and no path in it" [ -z "$(grep -F -e ://127 -e "$dir" text)" ]

# ---- both formats, and what is documented ----

samples() { grep -v '^#' "$1" | grep -v -e ^process_ -e _seconds_bucket -e _messages_total; }
samples text >text.samples
samples openmetrics >openmetrics.samples
check "the same samples in both formats" diff text.samples openmetrics.samples

# NAME KIND LABELS, of a scrape and of the documentation
shown() {
	awk '/^# TYPE/ { kind = $4; order[++n] = $3; k[$3] = kind; next }
	/^#/ { next }
	{ name = $0; sub(/{.*/, "", name); sub(/_(bucket|sum|count)$/, "", name)
	  if (!(name in k)) { name = $0; sub(/{.*/, "", name) }
	  rest = $0; while (match(rest, /[a-z_]+="/)) {
		label = substr(rest, RSTART, RLENGTH - 2); rest = substr(rest, RSTART + RLENGTH)
		if (label != "pool" && label != "le" && !seen[name, label]++) labels[name] = labels[name] " " label } }
	END { for (i = 1; i <= n; i++) print order[i], k[order[i]] labels[order[i]] }' text
}
documented() {
	# an info is a gauge in the older format; of volumes there are none here
	sed -nE 's/^``(\w+)`` \((\w+)(.*)\)$/\1 \2\3/p' "$here/../../Documentation/metrics.rst" |
		sed -E 's/[;,]//g; s/``//g; s/_info info/_info gauge/; s/(_(volume|store_packs|store_uploads)_\w+ \w+).*/\1/'
}
shown >shown.list
documented >documented.list
check "as Documentation/metrics.rst has it" diff shown.list documented.list

if [ -x "$promtool" ]; then
	check "promtool check metrics" "$promtool" check metrics <text
else
	echo "# no promtool here (tests/setup.sh lint)"
fi
python=/usr/bin/python3
if $python -c 'import prometheus_client' 2>/dev/null; then
	check "the strict parser takes the OpenMetrics" $python -c 'import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
sys.exit(len(list(text_string_to_metric_families(open("openmetrics").read()))) < 70)'
else
	echo "# no prometheus_client here (tests/setup.sh lint)"
fi

# ---- its end ----

kill "$helper"
wait "$helper"
check "the helper ends well" [ $? -eq 0 ]
check "and so does its socket" [ ! -e p.metrics ]
end
