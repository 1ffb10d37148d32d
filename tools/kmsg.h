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
 * Closes fd, which may be negative.  0 and what device-mapper's table code said since of the
 * target ("Device lookup failed (-ENODEV)"), or -ENODATA.
 */
int ctl_kmsg_reason(int fd, const char *target, char *ret_reason, size_t size);

#endif
