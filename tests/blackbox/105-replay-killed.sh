#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The helper is killed while it replays a boot trace: no read fails, none gets wrong bytes, and the next helper goes
# on with what is asked for.  It replays nothing: what the guest has read by then nobody knows.
# catches: a replay that starts over in the middle, slots that stay with the dead helper.
# kernels: 6.12 6.1
. "${0%/*}/lib.sh"

disks() { cc-ask $WORK/$POOL.sock '{"v":1,"cmd":"disks"}'; }
ahead() { disks | sed -n "s/.*\"prefetch\":{[^}]*\"$1\":\([0-9]*\).*/\1/p"; }
replay_state() { disks | sed -n 's/.*"replay":{[^}]*"state":"\([a-z]*\)".*/\1/p'; }
none_is_filling() { [ "$(slots_filling)" = 0 ]; }
some_are_there() { [ "$(ahead ready)" -ge 4 ]; }

replay='replay = yes'
echo "path=/chunks/ rate=200000" >$WORK/script
http_store --script $WORK/script
load_module
image a --seed 105 --size 16M --chunk 64K
format 64K
pool_up
extra_store='connections = 4'
helper_start
awk -v d="$(digest a | cut -d: -f2)" 'BEGIN {
	printf "{\"digest\":\"%s\",\"state\":\"on\",\"touches\":[", d
	for (i = 0; i < 100; i++)
		printf "%s%d,%d", (i ? "," : ""), i * 37 % 100, i
	print "]}"
}' >$WORK/recording
must chunkctl record --from $WORK/recording --store file://$STORE_DIR

disk_up vm1 a
must_become 30 some_are_there
start_read vm1 a --seq --bs 64K --length 512K
helper_kill
note "killed after $(gets) GETs"
at_most "GETs before the kill" "$(gets)" 60
killed=$(gets)
helper_start
end_read $read_pid 60
equal "state" "$(replay_state)" none
equal "fetched ahead" "$(ahead fetched)" 0
at_most "GETs after the kill" $(($(gets) - killed)) 8
verify vm1 a --bs 4K --count 8
equal "errors" "$(disk_errors vm1)" 0
must_become 20 none_is_filling
finish
