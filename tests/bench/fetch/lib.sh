# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the fetch benchmarks share: images, a pool file, stores and the helper, all in RAM and on the
# loopback, outside the VM.  Sourced by run; needs $top, $build and $work (a directory in RAM).
#
# $prefetch and $pool_manifests are the pool's `prefetch` (no) and its room for manifests (1M).
# $at_end COMMAND is run when the readers have ended, with the helper still up.
# With $helper_under, words, the helper is run by that command.
# With `clock=1` store, helper and readers are on a clock of their own (tests/tools/clock/clock.h).

addresses="127.0.0.1 127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.5 127.0.0.6 127.0.0.7 127.0.0.8"
clock= clock_pid= store_pid= helper_pid= helper_cpu=

say() { echo "${bench:-bench-fetch}: $*" >&2; }
die() { say "$@"; exit 1; }

# quietly FILE COMMAND... : shows FILE, where its output went, if it fails
quietly() {
	local out=$1

	shift
	"$@" >"$out" 2>&1 || { tail -n 20 "$out" >&2; die "status $?: $*"; }
}

# stop PID [SIGNAL] : without a word of the shell's
stop() {
	kill "-${2:-TERM}" "$1" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}

# wait_file FILE PID : until FILE is there, while PID lives
wait_file() {
	until [ -s "$1" ] || [ -S "$1" ]; do
		kill -0 "$2" 2>/dev/null || die "ended before it made $1: $(tail -n 5 "$work"/*.log)"
		sleep 0.02
	done
}

# field FILE NAME : of one flat JSON object
field() {
	local value

	value=$(grep -oE "\"$2\":-?[0-9.]+" "$1" | head -n 1)
	[ -n "$value" ] || die "$1: no $2"
	echo "${value##*:}"
}

# calc EXPRESSION : with the precision that figures have
calc() { awk "BEGIN { printf \"%.4f\", $1 }"; }

# median NUMBER...
median() {
	printf '%s\n' "$@" | sort -g |
		awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# ---- image and pool ----

# image NAME SIZE CHUNK : leaves $image_opts and $image_digest
image() {
	image_opts="--seed 1 --size $2 --chunk $3"
	if [ ! -e "$work/$1.digest" ]; then
		# a list of words
		# shellcheck disable=SC2086
		"$build/cc-mkimage" $image_opts --store "$work/store" --name "$1" >"$work/$1.digest" ||
			die "image $1"
		chmod -R a+rX "$work"
	fi
	image_digest=$(cat "$work/$1.digest")
}

# pool SIZE SLOT_SIZE
pool() {
	rm -f "$work/pool"
	truncate -s "$1" "$work/pool"
	quietly "$work/format" "$build/chunkctl" format --slot-size "$2" --manifest-area "${pool_manifests:-1M}" "$work/pool"
}

# ---- stores ----

start_clock() {
	rm -f "$work/clock"
	"$build/cc-clock" --page "$work/clock" --processes 3 >"$work/clock.json" &
	clock_pid=$!
	wait_file "$work/clock" $clock_pid
}

# on_clock COMMAND... : with the preloads of $preload
on_clock() {
	if [ -n "$clock" ]; then
		CC_CLOCK=$work/clock LD_PRELOAD="$build/cc-clock.so ${preload:-}" exec "$@"
	else
		LD_PRELOAD=${preload:-} exec "$@"
	fi
}

# store SEED RULES : like S3; leaves $store_url
store() {
	local port

	[ -z "$clock" ] || start_clock
	rm -f "$work/port" "$work/access.log"
	printf '%s\n' "$2" >"$work/rules"
	# shellcheck disable=SC2046
	on_clock "$build/cc-httpd" --root "$work/store" --port-file "$work/port" --seed "$1" \
		--script "$work/rules" --log "$work/access.log" \
		$(printf -- '--address %s ' $addresses) &
	store_pid=$!
	wait_file "$work/port" $store_pid
	port=$(cat "$work/port")
	store_url=http://store.test:$port
}

stop_store() {
	stop "$store_pid" KILL
	[ -z "$clock_pid" ] || stop "$clock_pid"
	store_pid= clock_pid=
}

# get_count [TEXT] : GETs of chunks that the store has seen, of paths with TEXT
get_count() { grep -c "GET /chunks/.*${1:-}" "$work/access.log"; }

# static_store : nginx over HTTP and HTTPS, as fast as it goes; leaves $store_url, $tls_url
static_store() {
	local port tls

	port=$(free_port) tls=$(free_port)
	quietly "$work/openssl.log" openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
		-keyout "$work/key.pem" -out "$work/ca.pem"
	cat >"$work/nginx.conf" <<-END
	user root;
	worker_processes 1;
	pid $work/nginx.pid;
	error_log $work/nginx.log;
	daemon off;
	events { worker_connections 1024; }
	http {
		access_log off;
		sendfile on;
		tcp_nopush on;
		keepalive_requests 1000000;
		server {
			listen 127.0.0.1:$port;
			listen 127.0.0.1:$tls ssl;
			ssl_certificate $work/ca.pem;
			ssl_certificate_key $work/key.pem;
			ssl_protocols TLSv1.3;
			root $work/store;
		}
	}
	END
	nginx -c "$work/nginx.conf" -p "$work" 2>"$work/nginx.err" &
	store_pid=$!
	store_url=http://127.0.0.1:$port tls_url=https://127.0.0.1:$tls
	until curl -s -o /dev/null "$store_url/"; do
		kill -0 $store_pid 2>/dev/null || { cat "$work/nginx.err" >&2; die "nginx ended"; }
		sleep 0.05
	done
}

stop_static_store() {
	stop "$store_pid" QUIT
	store_pid=
}

# free_port : one that nobody listens on now
free_port() {
	local port

	while :; do
		port=$((20000 + RANDOM % 12000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
	done
}

# ---- the helper, and readers in the place of a kernel ----

# config URL POOL_KEYS STORE_KEYS
config() {
	{
		printf '[pool]\nname = cache0\ndevice = %s\ncontrol_socket = %s\nlock_memory = no\nprefetch = %s\n%s\n' \
			"$work/pool" "$work/control" "${prefetch:-no}" "$2"
		printf '[store main]\nurl = %s\n%s\n' "$1" "$3"
	} >"$work/cache0.conf"
}

# helper_ticks : CPU time so far, in hundredths of a second
helper_ticks() { awk '{ print $14 + $15 }' "/proc/$helper_pid/stat"; }

# helper_switches : of all its threads, voluntary and not
helper_switches() {
	cat "/proc/$helper_pid/task/"*/status | awk '/ctxt_switches/ { n += $2 } END { print n }'
}

# readers NAME OPTIONS... : starts kernel and helper, runs the readers (of cc-kernel, or $program);
# leaves $work/NAME.json, $helper_cpu (seconds), $helper_switched.  The helper is gone afterwards.
readers() {
	local name=$1 kernel_pid

	shift
	rm -f "$work/kernel" "$work/$name.json"
	# shellcheck disable=SC2086
	on_clock "$build/${program:-cc-kernel}" $image_opts --socket "$work/kernel" --pool "$work/pool" \
		--digest "$image_digest" "$@" >"$work/out.json" 2>"$work/kernel.log" &
	kernel_pid=$!
	wait_file "$work/kernel" $kernel_pid
	# shellcheck disable=SC2086 # $helper_under is a list of words
	preload=$build/cc-shim.so CC_KERNEL=$work/kernel CC_HOSTS=$addresses \
		on_clock ${helper_under:-} "$build/chunkcached" -c "$work/cache0.conf" >"$work/helper.log" 2>&1 &
	helper_pid=$!
	until grep -q '}' "$work/out.json"; do
		kill -0 $kernel_pid 2>/dev/null || grep -q '}' "$work/out.json" || {
			cat "$work/kernel.log" "$work/helper.log" >&2
			die "$name: the readers ended"
		}
		kill -0 $helper_pid 2>/dev/null || { cat "$work/helper.log" >&2; die "$name: the helper ended"; }
		sleep 0.1
	done
	helper_cpu=$(calc "$(helper_ticks) / 100")
	helper_switched=$(helper_switches)
	ask_helper fetch >"$work/$name.fetch.json"
	${at_end:-:}
	# one that is profiled writes its profile; others may need time that does not pass any more
	stop $helper_pid "$([ -n "${helper_under:-}" ] && echo TERM || echo KILL)"
	stop $kernel_pid
	mv "$work/out.json" "$work/$name.json"
	[ "$(field "$work/$name.json" wrong)" = 0 ] || die "$name: wrong bytes were read"
}

# ask_helper COMMAND : over the control socket
ask_helper() { timeout 10 "$build/cc-ask" "$work/control" "{\"v\":1,\"cmd\":\"$1\"}"; }

cleanup() {
	for pid in $helper_pid $store_pid $clock_pid; do
		stop "$pid" KILL
	done
	rm -rf "$work"
}
