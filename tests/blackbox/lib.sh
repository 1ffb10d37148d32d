# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=sh
#
# What black-box cases share: set-up of store, pool, helper and disks in the guest,
# reading of counters, cleaning up at every exit.  Sourced by sh; a case ends with
# `finish`, which takes all down and unloads the module.  Times are guest time.
#
# Names: pool $POOL, store $STORE (directory $STORE_DIR), disks and images as the case
# calls them.  `image NAME OPTIONS` keeps the generator's options in $opts_NAME,
# the digest in $digest_NAME, the length in $sectors_NAME.

set -u

POOL=cache0
STORE=main
STORE_DIR=/tmp/store
WORK=/tmp/case
CONF=$WORK/$POOL.conf
HELPER_LOG=$WORK/helper.log
SYSFS=/sys/kernel/dm-chunkcache
LONG=
[ "${1:-}" = long ] && LONG=1
helper_pid=
httpd_pid=
store_url=file://$STORE_DIR
extra_store=
extra_pool=
# Most cases count the GETs of what they read; with it, what is read ahead is fetched, too.
prefetch='prefetch = no'
replay='replay = no'
buffers='buffers = 4M'
exit_hooks=

mkdir -p $WORK $STORE_DIR

note() { echo "# $*"; }

fail() {
	echo "FAILED: $*"
	exit 1
}

skip() {
	echo "skip: $*"
	exit 77
}

# on_exit COMMAND : run at every exit, last one first
on_exit() {
	exit_hooks="$1
$exit_hooks"
}

# short SIZE LONG_SIZE : the one that fits the run
short() { [ -n "$LONG" ] && echo "$2" || echo "$1"; }

now_ms() { awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime; }

# must COMMAND... | must_fail COMMAND... : with what it said
must() {
	"$@" || fail "status $?: $*"
}

must_fail() {
	if "$@"; then
		fail "should have failed: $*"
	fi
}

# equal WHAT GOT WANTED
equal() { [ "$2" = "$3" ] || fail "$1: $2, should be $3"; }

# at_most WHAT GOT LIMIT | at_least WHAT GOT LIMIT
at_most() { [ "$2" -le "$3" ] || fail "$1: $2, should be at most $3"; }
at_least() { [ "$2" -ge "$3" ] || fail "$1: $2, should be at least $3"; }

# wait_until SECONDS COMMAND... : 1 if it does not come true in time
wait_until() {
	local end

	end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@"; do
		[ "$(now_ms)" -lt $end ] || return 1
		sleep 0.05
	done
}

must_become() { wait_until "$@" || fail "not within $1 s: $(shift; echo "$*")"; }

gone() { ! kill -0 "$1" 2>/dev/null; }

# wait_for PID SECONDS : its status; a process that does not end is a failure
wait_for() {
	must_become "$2" gone "$1"
	wait "$1"
}

# ---- store and images ----

# image NAME OPTIONS... : into the store, without a helper's doing
image() {
	local name=$1 digest size

	shift
	digest=$(cc-mkimage "$@" --store $STORE_DIR --name "$name") || fail "image $name"
	size=$(stat -c %s "$STORE_DIR/manifests/${digest#sha256:}") || fail "no manifest of $name"
	[ "$size" -gt 40 ] || fail "manifest of $name is too small"
	eval "opts_$name='$*' digest_$name=$digest"
	eval "sectors_$name=$(image_sectors "${digest#sha256:}")"
}

# image_sectors DIGEST : from the manifest's header
image_sectors() {
	echo $(($(od -An -t u8 -j 16 -N 8 "$STORE_DIR/manifests/$1") / 512))
}

opts() { eval "echo \"\$opts_$1\""; }
digest() { eval "echo \"\$digest_$1\""; }
sectors() { eval "echo \"\$sectors_$1\""; }

# distinct IMAGE [--from N --to N] : distinct chunks that are no holes
distinct() {
	local name=$1

	shift
	# shellcheck disable=SC2046
	cc-mkimage $(opts "$name") "$@" --count | sed 's/.*distinct //'
}

# chunk_id IMAGE CHUNK | chunk_file IMAGE CHUNK
chunk_id() {
	# shellcheck disable=SC2046
	cc-mkimage $(opts "$1") --id "$2"
}

chunk_file() {
	local id

	id=$(chunk_id "$1" "$2")
	echo "$STORE_DIR/chunks/$(echo "$id" | cut -c1-2)/$id"
}

# http_store [OPTION...] : from now on the store is served over HTTP, and GETs are logged
http_store() {
	: >$WORK/access.log
	rm -f $WORK/port
	cc-httpd --root $STORE_DIR --port 0 --port-file $WORK/port --log $WORK/access.log "$@" \
		>>$WORK/httpd.log 2>&1 &
	httpd_pid=$!
	must_become 10 test -s $WORK/port
	http_port=$(cat $WORK/port)
	store_url=http://127.0.0.1:$http_port
}

http_stop() {
	[ -n "$httpd_pid" ] || return 0
	kill "$httpd_pid" 2>/dev/null
	wait "$httpd_pid" 2>/dev/null
	httpd_pid=
}

# gets [PATTERN] : GETs of chunks so far
gets() { grep -c "GET /chunks/.*${1:-}" $WORK/access.log; }

# equal_gets WANTED : GETs of chunks so far; shows those made more than once
equal_gets() {
	[ "$(gets)" = "$1" ] && return
	awk '{ n[$3]++; all[$3] = all[$3] "\n  " $0 }
	     END { for (p in n) if (n[p] > 1 && p ~ /chunks/) print "# twice:" all[p] }' $WORK/access.log
	fail "GETs of chunks: $(gets), should be $1"
}

# ---- pool ----

load_module() {
	must modprobe dm-chunkcache
	on_exit "rmmod dm_chunkcache 2>/dev/null"
}

# cut_device BYTES : a linear device of that size on the NVMe; sets $cache_device
cut_device() {
	must dmsetup create cut --table "0 $(($1 / 512)) linear $NVME 0"
	cache_device=/dev/mapper/cut
}

cache_device=${NVME:-}

# under_device [TARGET...] : the pool's device is one of our own over the NVMe, linear or as said; sets $under_sectors
under_device() {
	under_sectors=$(device_sectors "$NVME")
	must dmsetup create under --table "0 $under_sectors ${*:-linear $NVME 0}"
	cache_device=/dev/mapper/under
}

# exchange DEVICE TABLE... : from now on, as dmsetup load takes it; what is under way is not waited for
exchange() {
	local device=$1

	shift
	dmsetup load "$device" "$@" || return
	must dmsetup suspend --noflush --nolockfs "$device"
	must dmsetup resume "$device"
}

# null_device NAME SETTING... : a null_blk that keeps what is written; sets $null, where its settings are
null_device() {
	local name=$1 setting

	shift
	modprobe null_blk nr_devices=0
	null=/sys/kernel/config/nullb/$name
	must mkdir "$null"
	on_exit "rmmod null_blk 2>/dev/null"
	on_exit "rmdir $null 2>/dev/null"
	for setting in memory_backed=1 size=64 "$@" power=1; do
		echo "${setting#*=}" >"$null/${setting%%=*}" || fail "null_blk: $setting"
	done
}

# format [SLOT_SIZE [SLOTS [DIRTY]]] : with SLOTS, on a device just large enough for that many; with DIRTY, for
# volumes, of whose slots so many may be dirty
format() {
	local size=${1:-64K} journal=--no-journal room=0

	slot_bytes=$(bytes "$size")
	if [ -n "${3:-}" ]; then
		journal="--dirty-max $(($3 * slot_bytes))"
		room=$journal_room
	fi
	if [ -n "${2:-}" ]; then
		cut_device $((meta_bytes + room + $2 * slot_bytes))
	fi
	# shellcheck disable=SC2086
	chunkctl format "$cache_device" --slot-size "$size" --manifest-area 1M --force $journal \
		>$WORK/format.log 2>&1 || { cat $WORK/format.log; fail "format"; }
}

# Where slots begin: behind the head, a manifest area of 1M, the slot table of a few slots.
slots_start=$((10 * 1048576))
# What a pool has beside its slots: these and the tail.
tail_bytes=$((2 * 1048576))
meta_bytes=$((slots_start + tail_bytes))
# What slots make room for, if not more than 60 MiB may be dirty.
journal_room=$((2 * 1048576))

bytes() {
	case $1 in
	*K) echo $((${1%K} * 1024)) ;;
	*M) echo $((${1%M} * 1048576)) ;;
	*)  echo "$1" ;;
	esac
}

device_sectors() { blockdev --getsz "$1"; }

pool_table() { echo "0 $(device_sectors "$cache_device") chunkcache-pool $cache_device"; }

pool_up() {
	must dmsetup create $POOL --table "$(pool_table)"
}

pool_down() { must dmsetup remove $POOL; }

# A field of a status line by its place behind the target's name.
status_word() { dmsetup status "$1" | awk -v n="$2" '{ print $(3 + n) }'; }

# "<slot sectors> <free>/<filling>/<valid>/<dying>/<bad> of <total> <fills> ..."
slots_of() { status_word $POOL 2 | cut -d/ -f"$1"; }
slots_free() { slots_of 1; }
slots_filling() { slots_of 2; }
slots_valid() { slots_of 3; }
slots_dying() { slots_of 4; }
slots_bad() { slots_of 5; }
slots_log() { dmsetup status $POOL | sed "s,.* log \\([0-9]*\\)/.*,\\1,"; }
slots_total() { status_word $POOL 4; }
pool_fills() { status_word $POOL 5; }
pool_evictions() { status_word $POOL 6; }
pool_helper() { status_word $POOL 7; }
pool_session() { status_word $POOL 8; }
pool_mode() { status_word $POOL 9; }
pool_has_helper() { [ "$(status_word "${1:-$POOL}" 7)" = attached ]; }
pool_has_no_helper() { [ "$(pool_helper)" = none ]; }

# pool_counter NAME : from sysfs
pool_counter() { cat "$SYSFS/$POOL/$1"; }

# ---- helper ----

# Cases count GETs; with second ones beside them on a slow host no count would be exact.
hedging="hedge_budget = 0"
sockets=$WORK

write_config() {
	cat >$CONF <<-END
	[pool]
	name = $POOL
	control_socket = $sockets/$POOL.sock
	$buffers
	$prefetch
	$replay
	$extra_pool
	[store $STORE]
	url = $store_url
	$hedging
	$extra_store
	END
}

# etc_chunkcache [FOLDER] : where chunkctl looks; the next case finds nothing there
etc_chunkcache() {
	mkdir -p "/etc/chunkcache/${1:-}"
	on_exit "rm -rf /etc/chunkcache"
}

helper_run() {
	write_config
	chunkcached -c $CONF >>$HELPER_LOG 2>&1 &
	helper_pid=$!
}

helper_start() {
	helper_run
	wait_until 90 pool_has_helper || { tail -n 20 $HELPER_LOG; fail "the helper did not attach"; }
}

# helper_stop [PID] | helper_kill [PID] : without, the one of helper_start
helper_stop() {
	local pid=${1:-$helper_pid}

	[ -n "$pid" ] || return 0
	kill -TERM "$pid"
	must_become 15 gone "$pid"
	wait "$pid" || fail "the helper ended with status $?"
	[ -n "${1:-}" ] || helper_pid=
}

helper_kill() {
	local pid=${1:-$helper_pid}

	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	[ -n "${1:-}" ] || helper_pid=
}

# ---- disks ----

# disk_table IMAGE [FEATURES] : FEATURES counted already, as "2 miss_timeout_ms 500"
disk_table() {
	echo "0 $(sectors "$1") chunkcache /dev/mapper/$POOL $STORE $(digest "$1")${2:+ $2}"
}

disk_up() {
	must dmsetup create -r "$1" --table "$(disk_table "$2" "${3:-}")"
}

disk_down() { must dmsetup remove "$1"; }

disk_id() { status_word "$1" 1; }
disk_mapped() { status_word "$1" 3 | cut -d/ -f1; }
disk_hits() { status_word "$1" 4; }
disk_misses() { status_word "$1" 5; }
disk_coalesced() { status_word "$1" 6; }
disk_holes() { status_word "$1" 7; }
disk_errors() { status_word "$1" 8; }
disk_waiting() { status_word "$1" 9; }
disk_oldest() { status_word "$1" 10; }
disk_manifest() { status_word "$1" 11; }
disk_mode() { status_word "$1" 12; }
disk_reads() {
	dmsetup status "$1" | awk '{ print $7 + $8 + $9 + $10 + $11 }'
}
disk_is_loaded() { [ "$(disk_manifest "$1")" = loaded ]; }
disk_is_refused() { [ "$(disk_manifest "$1")" = refused ]; }
disk_waits() { [ "$(disk_waiting "$1")" -ge "${2:-1}" ]; }
disk_waits_not() { [ "$(disk_waiting "$1")" = 0 ]; }
# disk_counter DISK NAME : from sysfs
disk_counter() { cat "$SYSFS/$POOL/$1/$2"; }

# ---- reading ----

# verify DISK IMAGE [OPTION...] : reads must be right, and end within 120 s
verify() {
	local disk=$1 image=$2

	shift 2
	# shellcheck disable=SC2046
	cc-io --verify $(opts "$image") --timeout 120 "$@" "/dev/mapper/$disk" ||
		fail "verify $disk as $image: $*"
}

# read_errno DISK ERRNO [OPTION...] : each read must fail with it
read_errno() {
	local disk=$1 errno=$2

	shift 2
	cc-io --expect-errno "$errno" --timeout 120 "$@" "/dev/mapper/$disk" ||
		fail "reads of $disk should fail with $errno: $*"
}

# start_read DISK IMAGE [OPTION...] : in the background; sets $read_pid, result in $WORK/read.N
reads=0
start_read() {
	local disk=$1 image=$2

	shift 2
	reads=$((reads + 1))
	# shellcheck disable=SC2046
	cc-io --verify $(opts "$image") "$@" "/dev/mapper/$disk" >$WORK/read.$reads 2>&1 &
	read_pid=$!
	ln -sf $WORK/read.$reads $WORK/read-by.$read_pid
}

# end_read PID SECONDS : it must end well
end_read() {
	wait_for "$1" "$2" || { head -n 5 "$WORK/read-by.$1"; fail "a read in the background"; }
}

# end_read_badly PID SECONDS : it must end, and not well
end_read_badly() {
	must_become "$2" gone "$1"
	if wait "$1"; then
		cat "$WORK/read-by.$1"
		fail "a read in the background should have failed"
	fi
}

drop_page_cache() { echo 3 >/proc/sys/vm/drop_caches; }

drop_disk() { must dmsetup message "$1" 0 drop; }
drop_pool() { must dmsetup message $POOL 0 drop; }

# log_has PATTERN : in the kernel's log since boot
log_has() { dmesg | grep -q -- "$1"; }

# A ready-made start: module, pool of 64K slots, image a, helper, disk vm1.
standard() {
	load_module
	# shellcheck disable=SC2086
	image a ${1:---seed 1 --size 16M --chunk 64K --holes 1/8 --dup 1/8}
	format 64K "${2:-}"
	pool_up
	helper_start
	disk_up vm1 a
}

# json FIELD FILE : a number of cc-io's --json line
json() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$2"; }

# ---- by hand: the protocol, crafted objects, slow devices ----

# nl [OPTION...] : commands for cc-nl on standard input; each must end as it says
nl() { cc-nl --chunk 64K "$@" || fail "the netlink client, see above"; }

# slow_device : the pool's device becomes a dm-delay one with no delay yet
slow_device() {
	must dmsetup create slow --table "$(slow_table 0 0)"
	cache_device=/dev/mapper/slow
}

slow_table() { echo "0 $slow_sectors delay $slow_under 0 $1 $slow_under 0 $2"; }
slow_under=${NVME:-}
slow_sectors=$((96 * 2048))

# slow_down READ_MS WRITE_MS : from now on; what is under way keeps its delay
slow_down() {
	must exchange slow --table "$(slow_table "$1" "$2")"
}

# manifest_put FILE : into the store under its own digest, which is left in $digest
manifest_put() {
	digest=$(sha256sum "$1" | cut -d' ' -f1)
	cp "$1" "$STORE_DIR/manifests/$digest"
	digest=sha256:$digest
}

# le BYTES NUMBER : little-endian, as hex
le() { awk -v n="$1" -v v="$2" 'BEGIN { while (n--) { printf "%02x", v % 256; v = int(v / 256) } }'; }

# manifest_hex IMAGE_BYTES ID... : version 1, 64K chunks, raw
manifest_hex() {
	printf '63636d616e69660a%s%s%s%s%s' "$(le 4 1)" "$(le 4 16)" "$(le 8 "$1")" "$(le 4 0)" \
		"$(le 4 0)"
	shift
	printf '%s' "$@"
}

# crafted NAME IMAGE_BYTES ID... : an image made of any chunks
crafted() {
	local name=$1 size=$2

	shift 2
	manifest_hex "$size" "$@" | xxd -r -p >$WORK/manifest
	manifest_put $WORK/manifest
	eval "digest_$name=$digest sectors_$name=$((size / 512)) opts_$name="
}

. "${0%/*}/volumes.sh"

# ---- the end ----

all_devices() { dmsetup ls --target "$1" 2>/dev/null | awk '!/^No dev/ { print $1 }'; }

# remove_all [-f] TARGET...
remove_all() {
	local force="" target d

	[ "$1" != -f ] || { force="-f --noflush"; shift; }
	for target in "$@"; do
		for d in $(all_devices "$target"); do
			# FORCE is words or nothing
			# shellcheck disable=SC2086
			timeout 20 dmsetup remove $force "$d" || echo "# $d is still there"
		done
	done
}

above="snapshot snapshot-origin thin thin-pool"
ours="chunkcache chunkcache-vol"
below="chunkcache-pool flakey delay linear"

# Everything is taken down in order; what can't be is a failure.
finish() {
	# words
	# shellcheck disable=SC2086
	remove_all $above $ours
	helper_stop
	http_stop
	# shellcheck disable=SC2086
	remove_all $below
	equal "devices left over" "$(for target in $ours chunkcache-pool; do all_devices "$target"; done)" ""
	must_become 10 module_unloads
	exit 0
}

module_unloads() {
	[ ! -d /sys/module/dm_chunkcache ] || rmmod dm_chunkcache 2>$WORK/rmmod.log
}

at_end() {
	local status=$? hook log

	trap - EXIT
	if [ $status -ne 0 ] && [ $status -ne 77 ]; then
		echo "# --- state at the failure"
		timeout 5 dmsetup status
		for log in "$WORK"/helper*.log; do
			[ ! -e "$log" ] || { echo "# --- $(basename "$log" .log)"; tail -n 15 "$log"; }
		done
	fi
	[ -z "$helper_pid" ] || kill -KILL "$helper_pid" 2>/dev/null
	http_stop
	# shellcheck disable=SC2086
	remove_all -f $above $ours $below error >/dev/null 2>&1
	echo "$exit_hooks" | while read -r hook; do
		eval "$hook"
	done
	exit $status
}

trap at_end EXIT
trap 'exit 130' INT TERM
