#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Each command needs CAP_SYS_ADMIN and CAP_NET_ADMIN, and the initial network namespace.
# catches: a command without the flag, a dump that is not checked, netnsok.
# vm: -n 64M
. "${0%/*}/lib.sh"

load_module
image a --seed 21 --size 1M --chunk 64K
format
pool_up
disk_up vm1 a

# all_commands ERRNO : each, well-formed
all_commands() {
	local s="session=u64:1"

	cat <<-END
	expect $1 attach
	expect $1 raw detach $s
	expect $1 raw disk_get dump $s
	expect $1 raw disk_state $s disk=u64:1 disk_state=u32:1
	expect $1 raw miss_get $s count=u32:1
	expect $1 raw slot_alloc $s count=u32:1
	expect $1 raw slot_done $s slots=zeros:8 key=u64:1
	expect $1 raw slot_release $s slots=zeros:8
	expect $1 raw slot_keep $s slots=zeros:8
	expect $1 raw map $s maps=zeros:40
	expect $1 raw miss_data $s disk=u64:1 chunk=u64:0 cookie=u64:1 offset=u32:0 data=zeros:512
	expect $1 raw miss_fail $s fails=zeros:32
	END
}

dumps() {
	cat <<-END
	expect $1 slots $POOL
	expect $1 stats
	END
}

for cap in sys_admin net_admin; do
	note "without CAP_$cap"
	{ echo "pool /dev/mapper/$POOL"; echo stats; echo "dropcap $cap"
	  all_commands EPERM; dumps EPERM; } | nl || exit 1
done
note "in another network namespace"
{ echo "pool /dev/mapper/$POOL"; echo stats; echo netns
  all_commands "EPERM|ENOENT"; dumps "EPERM|ENOENT"; } | nl || exit 1
note "privileged, but not attached"
{ echo "pool /dev/mapper/$POOL"; all_commands ENOTCONN | grep -v attach; echo "slots $POOL"
  echo stats; echo "expect EOPNOTSUPP raw doorbell session=u64:1"
  echo "expect EOPNOTSUPP raw 77 session=u64:1"; } | nl || exit 1
note "beside an attached helper"
helper_start
{ echo "pool /dev/mapper/$POOL"; echo "expect EBUSY attach"
  all_commands ENOTCONN | grep -v attach; echo stats; echo "slots $POOL"; } | nl || exit 1
verify vm1 a --seq
finish
