/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What chunkctl format --upgrade does to a pool of an earlier version. */
#ifndef CTL_FORMAT_UPGRADE_H
#define CTL_FORMAT_UPGRADE_H

#include <stdint.h>
#include "superblock.h"

/*
 * Gives the pool on fd, which nobody else has open, a journal; *ret_geometry is the pool's then.  dirty_bytes as
 * for cc_superblock_add_journal().  Says what is lost, or what is wrong; returns an enum ctl_exit.
 */
int ctl_format_upgrade(const char *path, int fd, uint64_t dirty_bytes, struct cc_pool_geometry *ret_geometry);

#endif
