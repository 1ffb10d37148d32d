/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tail of a cache device: where RAID and the like keep their signatures, so nothing of a
 * guest's may be there (CC_TAIL_SIZE).
 */
#ifndef CTL_TAIL_H
#define CTL_TAIL_H

#include <stdint.h>
#include "superblock.h"

/*
 * Make zeros of [from, from + size) of fd, a block device or a file, in the cheapest way that
 * it knows.  0 or -errno.
 */
int ctl_zero_range(int fd, uint64_t from, uint64_t size);
/* The same with the tail of a device, or of the part of it that a pool has, of so many bytes. */
int ctl_tail_zero(int fd, uint64_t bytes);
/*
 * A pool that an earlier version made or resized has slots in the tail of its device of so
 * many bytes: zero the tail, and take these slots out of the superblock.  Nothing happens if it
 * has none, or if somebody uses the device, since the kernel does not use such slots anyway.
 * 0 or -errno.
 */
int ctl_tail_reclaim(const char *path, const struct cc_pool_geometry *g, uint64_t bytes);

#endif
