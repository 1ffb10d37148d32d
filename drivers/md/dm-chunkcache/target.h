/* SPDX-License-Identifier: GPL-2.0-only */
/* The two device-mapper targets. */
#ifndef CC_TARGET_H
#define CC_TARGET_H

struct target_type;

extern struct target_type cc_disk_target, cc_pool_target;

#endif
