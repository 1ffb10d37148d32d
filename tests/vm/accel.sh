# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Whether this host can run guests with KVM.  Sourced by bash after lib.sh.

# can_kvm KERNEL_IMAGE : /dev/kvm may be there and yet run nothing, so a boot is tried once
# per boot of the host; without a root file system the kernel panics and
# qemu ends by itself
can_kvm() {
	local memo id

	id=$(cat /proc/sys/kernel/random/boot_id)
	memo=$CACHE/kvm
	[ -w /dev/kvm ] || return 1
	if ! grep -qs "^$id " "$memo"; then
		say "trying KVM (once)"
		if timeout -k 1 10 qemu-system-x86_64 -accel kvm -cpu host -display none \
			-nodefaults -no-reboot -m 512 -serial stdio -kernel "$1" \
			-append "console=ttyS0 panic=-1" </dev/null 2>&1 |
			grep -aq 'Kernel panic'; then
			echo "$id yes" >"$memo"
		else
			echo "$id no" >"$memo"
		fi
	fi
	grep -qs "^$id yes" "$memo"
}
