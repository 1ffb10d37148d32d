/* SPDX-License-Identifier: GPL-2.0-only */
/* Before 6.5 block devices were opened with fmode_t. */
#include_next <linux/blkdev.h>

#ifndef _CC_COMPAT_LINUX_BLKDEV_H
#define _CC_COMPAT_LINUX_BLKDEV_H

#ifndef BLK_OPEN_READ
#define BLK_OPEN_READ	FMODE_READ
#define BLK_OPEN_WRITE	FMODE_WRITE
#define blk_mode_t	fmode_t
#endif

#endif
