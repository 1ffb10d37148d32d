// SPDX-License-Identifier: GPL-2.0-or-later
/* What the fill engine keeps of each disk; see disk-reads.h. */
#include "disk-reads.h"

#include <errno.h>
#include <stdlib.h>

#include "clock.h"

_Static_assert(CC_PREFETCH_WINDOW_MAX <= CC_STREAM_WINDOW_MAX, "a window that may be set is one of streams");

int cc_disk_reads_new(struct cc_disk *disk)
{
	disk->reads = calloc(1, sizeof(*disk->reads));
	if (!disk->reads)
		return -ENOMEM;
	disk->reads->disk = disk;
	cc_replay_init(&disk->reads->replay);
	return 0;
}

void cc_disk_reads_free(struct cc_disk *disk)
{
	cc_replay_free(&disk->reads->replay);
	cc_recording_free(&disk->reads->recording);
	free(disk->reads);
}

void cc_disk_reads_start(struct cc_disk *disk, bool fresh, uint32_t window)
{
	cc_streams_init(&disk->reads->streams, disk->nr_chunks, window);
	if (fresh)
		cc_recording_start(&disk->reads->recording, disk->nr_chunks, cc_now_ns());
}

bool cc_disk_reads_listen(const struct cc_disk *disk, uint64_t chunk)
{
	return cc_recording_listens(&disk->reads->recording, chunk);
}
