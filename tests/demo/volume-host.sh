#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The volume demo's part inside a machine.  volume-host.sh a|b: the first writes until it is killed, the second takes
# over and compares with /t/acks: "@ack NUMBER SHA256 MILLISECONDS" for each file that fsync had acknowledged.
. "${0%/*}/lib.sh"

host=$1
store_disk=${NVMES##* }
NVME=${NVMES%% *}
cache_device=$NVME
mnt=/tmp/mnt
mkdir -p "$STORE_DIR" $mnt /etc/chunkcache
hostname "host-$host"
must mount -t ext4 "$store_disk" "$STORE_DIR"
load_module
must chunkctl format "$NVME" --slot-size 64K --manifest-area 1M --dirty-max 32M --force
write_config
must cp "$CONF" "/etc/chunkcache/$POOL.conf"
must chunkctl pool-up "$POOL" "$NVME"
helper_start
up() { chunkctl volume up data --pool "$POOL" --store "$STORE" --config "$CONF" "$@"; }

write_files() {
	must chunkctl volume create data --size 128M --chunk-size 64K --store "$STORE" --config "$CONF"
	must up
	must mke2fs -q -t ext4 -E nodiscard /dev/mapper/data
	must mount -t ext4 /dev/mapper/data $mnt
	i=0
	while [ $i -lt 1000 ]; do
		head -c 65536 /dev/urandom >$WORK/file
		dd if=$WORK/file of=$mnt/f$i bs=64K conv=fsync 2>/dev/null || fail "write"
		echo "@ack $i $(sha256sum <$WORK/file | cut -c1-64) $(now_ms)"
		i=$((i + 1))
	done
	fail "nobody killed this host"
}

compare_files() {
	present=0 missing=0 first=0
	while read -r _ i sum ms; do
		if [ -f "$mnt/f$i" ] && [ "$(sha256sum <"$mnt/f$i" | cut -c1-64)" = "$sum" ]; then
			present=$((present + 1))
		else
			missing=$((missing + 1))
			[ $first -ne 0 ] || first=$ms
		fi
		last=$ms
	done </t/acks
	echo "@value present $present"
	echo "@value missing $missing"
	echo "@value window_ms $((missing ? last - first : 0))"
	[ $present -gt 0 ] || fail "no file survived"
}

take_over() {
	up >$WORK/said 2>&1
	equal "status without --take-over" $? 4
	echo "@value refused $(sed 's/.*: data: //' $WORK/said)"
	must up --take-over
	must mount -t ext4 /dev/mapper/data $mnt
	must umount $mnt
	must e2fsck -fn /dev/mapper/data
	must mount -t ext4 -o ro /dev/mapper/data $mnt
	compare_files
	must umount $mnt
	must chunkctl volume down data --config "$CONF"
	helper_stop
}

if [ "$host" = a ]; then
	write_files
else
	take_over
fi
finish
