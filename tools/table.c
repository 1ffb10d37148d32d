// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading what the kernel says of pools and disks.
 */
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

int ctl_pool_status_parse(const char *text, struct ctl_pool_status *ret_status)
{
	struct ctl_pool_status s;
	int n = sscanf(text,
		       "%" SCNu64 " %" SCNu64 "/%" SCNu64 "/%" SCNu64 "/%" SCNu64 "/%" SCNu64
		       " of %" SCNu64 " %" SCNu64 " %" SCNu64 " %15s %" SCNu64 " %15s",
		       &s.slot_sectors, &s.free, &s.filling, &s.valid, &s.dying, &s.bad, &s.total,
		       &s.fills, &s.evictions, s.helper, &s.session, s.mode);

	if (n != 12)
		return -EINVAL;
	*ret_status = s;
	return 0;
}

int ctl_disk_status_parse(const char *text, struct ctl_disk_status *ret_status)
{
	struct ctl_disk_status s;
	int n = sscanf(text,
		       "%" SCNu64 " %" SCNu64 " %" SCNu64 "/%" SCNu64 " %" SCNu64 " %" SCNu64
		       " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %15s %15s",
		       &s.id, &s.chunk_sectors, &s.mapped, &s.chunks, &s.hits, &s.misses,
		       &s.coalesced, &s.holes, &s.errors, &s.waiting, &s.oldest_ms, s.manifest,
		       s.mode);

	if (n != 13)
		return -EINVAL;
	*ret_status = s;
	return 0;
}

int ctl_disk_table_parse(const char *text, struct ctl_disk_table *ret_table)
{
	struct ctl_disk_table t;

	if (sscanf(text, "%127s %127s %79s", t.pool, t.store, t.digest) != 3)
		return -EINVAL;
	*ret_table = t;
	return 0;
}
