/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of misses for programs whose kernel has none: each command finds that what it is about is gone.
 * To be included once, behind channel.h.
 */
#ifndef NO_MISSES_H
#define NO_MISSES_H

#include <errno.h>
#include "channel.h"

int cc_channel_miss_data(struct cc_channel *c, const struct chunkcache_miss *m, uint32_t offset, const void *data,
			 uint32_t len, bool last)
{
	return -ENOENT;
}

int cc_channel_map(struct cc_channel *c, const struct chunkcache_map *maps, uint32_t nr, struct cc_refusals *refused)
{
	return -ENOENT;
}

int cc_channel_miss_fail(struct cc_channel *c, const struct chunkcache_fail *fails, uint32_t nr,
			 struct cc_refusals *refused)
{
	return -ENOENT;
}

int cc_channel_slot_alloc(struct cc_channel *c, uint32_t count, bool prefetch, struct chunkcache_slot *s, uint32_t *nr)
{
	return -ENOENT;
}

int cc_channel_slot_done(struct cc_channel *c, struct chunkcache_slot slot, uint64_t key, bool prefetch,
			 const struct chunkcache_map *maps, uint32_t nr, struct cc_refusals *refused)
{
	return -ENOENT;
}

int cc_channel_slot_release(struct cc_channel *c, const struct chunkcache_slot *s, uint32_t nr, bool bad)
{
	return -ENOENT;
}

#endif
