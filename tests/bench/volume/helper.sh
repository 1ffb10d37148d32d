#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# helper.sh REPEATS : the helper's code for volumes outside the VM, by the wall clock, all of it in RAM.  The store is
# cc-httpd, which answers after 30 ms.  Lines for the host:
#   PART NAME VALUE, as bench-volume-helper says, and "store bytes_per_s N" before each of upload and lag

set -eu -o pipefail
repeats=$1
objects=64 object_bytes=8388608 parallel=8	# as many at a time as the helper's packs
upload_bytes=$((1 << 30)) lag_seconds=20
ram=$(mktemp -d /dev/shm/bench-volume.XXXXXX)
store_pid=''
trap '[ -z "$store_pid" ] || kill $store_pid; rm -rf "$ram"' EXIT
trap 'exit 130' INT TERM HUP

# make_pool SIZE DIRTY_MAX
make_pool() {
	rm -f "$ram/pool"
	truncate -s "$1" "$ram/pool"
	build/chunkctl format --slot-size 1M --manifest-area 1M --no-discard --dirty-max "$2" "$ram/pool" >"$ram/log" ||
		cat "$ram/log" >&2
}

start_store() {
	rm -f "$ram/port"
	mkdir -p "$ram/store/bucket"
	echo "latency=30" >"$ram/rules"
	build/cc-httpd --root "$ram/store" --writable --port-file "$ram/port" --script "$ram/rules" &
	store_pid=$!
	until [ -s "$ram/port" ]; do
		kill -0 $store_pid
		sleep 0.1
	done
	endpoint=http://127.0.0.1:$(cat "$ram/port")
}

stop_store() {
	kill $store_pid
	wait $store_pid || :
	store_pid=''
	rm -rf "$ram/store"
}

measure() { build/bench-volume-helper "$@" 2>>"$ram/log" || { cat "$ram/log" >&2; exit 1; }; }

seconds() { date +%s.%N; }

# What others make of it: each object is put, and hashed, by a process of its own.
put_objects() {
	seq $objects | xargs -P $parallel -I N curl -sf -H Expect: -o "$ram/answer" -T "$ram/object.N" "$endpoint/bucket/N"
}
hash_objects() {
	seq $objects | xargs -P $parallel -I N openssl dgst -sha256 -out "$ram/hash" "$ram/object.N"
}

# Sets rate, of puts, and says what it is with the hashes.
measure_store() {
	local began put ended bytes=$((objects * object_bytes))

	began=$(seconds)
	put_objects
	put=$(seconds)
	hash_objects
	ended=$(seconds)
	rate=$(awk "BEGIN { printf \"%.0f\", $bytes / ($put - $began) }")
	awk "BEGIN { printf \"store bytes_per_s %.0f\n\", $bytes / ($ended - $began) }"
}

for _ in $(seq "$repeats"); do
	make_pool 20G 8G
	measure recovery "$ram/pool" 1000000
done

# 1000 commits behind the checkpoint, about as many as there can be.
make_pool 4G 1G
mkdir -p "$ram/store/bucket"
measure make "$ram/pool" "file://$ram/store/bucket" 1048576 1000
start_store
for _ in $(seq "$repeats"); do
	measure open "$ram/pool" s3://bucket "$endpoint"
done
stop_store

for i in $(seq $objects); do
	head -c $object_bytes /dev/urandom >"$ram/object.$i"
done
for _ in $(seq "$repeats"); do
	make_pool 4G 1G
	start_store
	measure_store
	measure upload "$ram/pool" s3://bucket "$endpoint" $upload_bytes
	stop_store
done
make_pool 4G 1G
start_store
measure_store >/dev/null
measure lag "$ram/pool" s3://bucket "$endpoint" $((rate / 2)) $lag_seconds
stop_store
