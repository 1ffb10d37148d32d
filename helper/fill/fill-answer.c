// SPDX-License-Identifier: GPL-2.0-or-later
/* Answers to misses by bytes and by error; what the channel's own answers mean for the engine. */
#include "fill-impl.h"

#include <errno.h>

void cc_fills_channel_result(struct cc_fills *f, int r)
{
	if (r && r != -ENOENT && r != -ESTALE)
		f->error = r;
	if (r == -ENOTCONN)
		f->lost = true;
}

void cc_fills_short_of_memory(struct cc_fills *f)
{
	if (!f->error)
		f->error = -ENOMEM;
}

void cc_fill_answer(struct cc_fills *f, const struct chunkcache_miss *m, const void *data)
{
	uint64_t pos = m->offset & ~511u;
	uint64_t end = (uint64_t)m->offset + (m->len ? m->len : 512);
	int r = 0;

	if (end > cc_fills_chunk_size(f))
		end = cc_fills_chunk_size(f);
	end = (end + 511) & ~511ULL;
	f->stats->data++;
	while (!r && !f->lost && pos < end) {
		uint32_t n = end - pos < CHUNKCACHE_DATA_MAX ? (uint32_t)(end - pos) : CHUNKCACHE_DATA_MAX;

		r = cc_channel_miss_data(f->c.channel, m, (uint32_t)pos, (const char *)data + pos, n,
					 pos + n == end);
		pos += n;
	}
	cc_fills_channel_result(f, r);
}

void cc_fill_answer_error(struct cc_fills *f, const struct chunkcache_miss *m, uint32_t class)
{
	struct chunkcache_fail fail = {
		.disk = m->disk, .chunk = m->chunk, .cookie = m->cookie, .class = class,
	};

	struct cc_disk *disk = cc_disks_find(f->c.disks, m->disk);

	f->stats->failed++;
	if (disk)
		disk->reads->failure = (struct cc_disk_failure) {
			.count = disk->reads->failure.count + 1, .chunk = m->chunk, .at_ns = cc_now_ns(),
			.class = class,
		};
	if (!f->lost)
		cc_fills_channel_result(f, cc_channel_miss_fail(f->c.channel, &fail, 1, &f->refusals));
}

void cc_fill_answer_all(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	cc_list_each_safe(n, &fill->waiters) {
		struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);

		cc_fill_answer(f, &w->m, fill->chunk->buf->data);
		cc_waiters_free(f->waiters, w);
	}
}

void cc_fill_answer_must(struct cc_fill *fill)
{
	struct cc_fills *f = fill->f;

	cc_list_each_safe(n, &fill->waiters) {
		struct cc_waiter *w = cc_list_entry(n, struct cc_waiter, node);

		if (!(w->m.flags & CHUNKCACHE_MISS_DATA))
			continue;
		cc_fill_answer(f, &w->m, fill->chunk->buf->data);
		cc_waiters_free(f->waiters, w);
	}
}
