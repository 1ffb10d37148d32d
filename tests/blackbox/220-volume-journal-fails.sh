#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The journal can't be written any more: one line says so, the pool's status, too; writes, flushes and zeros of volumes
# fail at once, also those that are held; reads go on; nothing that a flush acknowledged before is gone.
# catches: a flush that is acknowledged without its records; writes that wait for a journal that is gone.
# vm: -s 2 -n 128M
. "${0%/*}/lib.sh"

fails() {
	local start

	start=$(now_ms)
	must_fail timeout 20 "$@"
	at_most "ms until $1 fails" $(($(now_ms) - start)) 5000
}
held() { [ "$(volume_held v)" -gt 0 ]; }

load_module
dd if=/dev/urandom of=$WORK/data bs=64K count=48 2>/dev/null
under_device
format 64K "" 24
journal_at=$(($(od -An -t u8 -j 104 -N 8 "$cache_device") / 512))
journal_end=$((journal_at + $(od -An -t u8 -j 112 -N 8 "$cache_device") / 512))
pool_up
volume_up v 8192
volume_start v 8192
must dd if=$WORK/data of=/dev/mapper/v bs=4K count=16 oflag=direct conv=fsync 2>/dev/null
dd if=$WORK/data of=/dev/mapper/v bs=64K seek=1 count=40 oflag=direct 2>$WORK/dd &
writer=$!
must_become 10 held
must exchange under --table "0 $journal_at linear $NVME 0
$journal_at $((journal_end - journal_at)) error
$journal_end $((under_sectors - journal_end)) linear $NVME $journal_end"

note "a flush is not acknowledged"
# The writes that wait may have been the first to ask for a page.
blkdiscard -o 3145728 -l 65536 /dev/mapper/v 2>/dev/null ||
	equal "journal" "$(cat /sys/kernel/dm-chunkcache/$POOL/journal)" failed
fails dd if=/dev/null of=/dev/mapper/v conv=fsync,notrunc
must log_has "$POOL: journal failed: none of 16 places in a row can be written, as if the device had died; writes of volumes fail from now on, reads go on"
equal "lines" "$(dmesg | grep -c 'journal failed')" 1
must_become 5 gone $writer
wait $writer && fail "held writes ended well"
equal "journal" "$(cat /sys/kernel/dm-chunkcache/$POOL/journal)" failed
case $(dmsetup status $POOL) in *"journal failed"*) ;; *) fail "status: $(dmsetup status $POOL)" ;; esac

note "neither are writes, parts of blocks, zeros; reads are"
fails dd if=$WORK/data of=/dev/mapper/v bs=4K count=1 oflag=direct
fails cc-volcheck put /dev/mapper/v 3 1 1 1
fails blkdiscard -o 0 -l 65536 /dev/mapper/v
fails dd if=/dev/null of=/dev/mapper/v conv=fsync,notrunc
must cmp -n 65536 /dev/mapper/v $WORK/data
equal "state" "$(volume_state v)" running
equal "held" "$(volume_held v)" 0
must timeout 20 dmsetup suspend v
must dmsetup resume v
must cmp -n 65536 /dev/mapper/v $WORK/data
must timeout 20 dmsetup remove v
finish
