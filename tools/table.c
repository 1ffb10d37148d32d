// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading what the kernel says of pools, disks and volumes.
 */
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* " journal STATE USED/SIZE log N/MAX" at the end. */
static void parse_journal(const char *text, struct ctl_pool_status *s)
{
	const char *at = strstr(text, " journal ");

	strcpy(s->journal, "none");
	s->journal_used = s->journal_size = s->log = s->dirty_max = 0;
	if (at)
		sscanf(at, " journal %15s %" SCNu64 "/%" SCNu64 " log %" SCNu64 "/%" SCNu64, s->journal, &s->journal_used,
		       &s->journal_size, &s->log, &s->dirty_max);
}

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
	parse_journal(text, &s);
	*ret_status = s;
	return 0;
}

/* ret_used: bytes of the text that were read. */
static int parse_disk_part(const char *text, struct ctl_disk_status *ret_status, int *ret_used)
{
	struct ctl_disk_status s;
	int n = sscanf(text,
		       "%" SCNu64 " %" SCNu64 " %" SCNu64 "/%" SCNu64 " %" SCNu64 " %" SCNu64
		       " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %15s %15s%n",
		       &s.id, &s.chunk_sectors, &s.mapped, &s.chunks, &s.hits, &s.misses,
		       &s.coalesced, &s.holes, &s.errors, &s.waiting, &s.oldest_ms, s.manifest,
		       s.mode, ret_used);

	if (n != 13)
		return -EINVAL;
	*ret_status = s;
	return 0;
}

int ctl_disk_status_parse(const char *text, struct ctl_disk_status *ret_status)
{
	int used;

	return parse_disk_part(text, ret_status, &used);
}

int ctl_volume_status_parse(const char *text, struct ctl_volume_status *ret_status)
{
	struct ctl_volume_status s;
	int used, n;

	if (parse_disk_part(text, &s.disk, &used))
		return -EINVAL;
	n = sscanf(text + used, " %15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64, s.state, &s.handle, &s.term, &s.writes, &s.flushes,
		   &s.discarded_sectors, &s.write_errors, &s.held, &s.throttled_us);
	if (n != 9)
		return -EINVAL;
	*ret_status = s;
	return 0;
}

int ctl_volume_table_parse(const char *text, struct ctl_volume_table *ret_table)
{
	struct ctl_volume_table t;

	if (sscanf(text, "%127s %127s %39s", t.pool, t.store, t.uuid) != 3)
		return -EINVAL;
	*ret_table = t;
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
