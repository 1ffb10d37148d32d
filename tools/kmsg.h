/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why the kernel refused a dm table: it says so in its log only.
 */
#ifndef CTL_KMSG_H
#define CTL_KMSG_H

#include <stddef.h>

/* Call before the table is loaded; a descriptor for ctl_kmsg_reason(), or -errno. */
int ctl_kmsg_start(void);
/*
 * Closes fd, which may be negative.  0 and what device-mapper's table code said since of a table of target's
 * that failed with error, of device ("253:0"): "Device lookup failed (-ENODEV)".  A device that was only made
 * for the table, and went with it, is "": then -ENOTUNIQ if others' tables failed in the same way at the same
 * time.  -ENODATA: nothing was said.
 */
int ctl_kmsg_reason(int fd, const char *device, const char *target, int error, char *ret_reason, size_t size);

#endif
