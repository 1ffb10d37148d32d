// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading a journal from a device; see journal-read.h. */
#include "journal-read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "volume/journal-ring.h"

struct area {
	int fd;
	uint64_t offset;
};

static int read_area(void *arg, void *buf, size_t len, uint64_t offset)
{
	const struct area *a = arg;
	ssize_t n = pread(a->fd, buf, len, (off_t)(a->offset + offset));

	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

typedef int ctl_page_fn(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page);

static int apply_whole_page(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page)
{
	return cc_journal_state_apply(s, head, page, 0);
}

static int each_page(struct cc_journal_ring *ring, struct cc_journal_state *s, ctl_page_fn *fn)
{
	struct cc_journal_head head;
	const void *page;
	int more, r = 0;

	cc_journal_ring_rewind(ring);
	while (!r && (more = cc_journal_ring_next(ring, &head, &page)))
		r = more < 0 ? more : fn(s, &head, page);
	return r;
}

static int read_ring(struct cc_journal_ring *ring, struct ctl_journal *j)
{
	struct cc_journal_found found;
	int r = cc_journal_ring_scan(ring, &found);

	if (!r)
		r = cc_journal_ring_walk(ring, found.newest, 0, true);
	if (!r)
		r = each_page(ring, &j->state, cc_journal_state_bind);
	if (!r)
		r = each_page(ring, &j->state, apply_whole_page);
	if (r)
		return r;
	j->first = cc_journal_ring_first(ring);
	j->newest = found.newest;
	return cc_journal_state_check(&j->state);
}

int ctl_journal_read(int fd, const struct cc_pool_geometry *g, struct ctl_journal *ret, char *err, size_t errlen)
{
	struct area area = { fd, g->journal_offset };
	struct cc_journal_ring *ring = NULL;
	const char *why = "";
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->nr_positions = g->journal_size / CC_JOURNAL_POSITION;
	r = cc_journal_state_open(&ret->state);
	if (!r)
		r = cc_journal_ring_open(g->uuid, g->journal_size, read_area, &area, &ring);
	if (!r)
		r = read_ring(ring, ret);
	if (r) {
		if (ring)
			why = *cc_journal_ring_why(ring) ? cc_journal_ring_why(ring) : ret->state.why;
		snprintf(err, errlen, "journal: %s", *why ? why : strerror(-r));
		cc_journal_state_close(&ret->state);
	}
	cc_journal_ring_close(ring);
	return r;
}

void ctl_journal_free(struct ctl_journal *j)
{
	cc_journal_state_close(&j->state);
}

struct ctl_dirty ctl_journal_dirty(const struct ctl_journal *j)
{
	struct ctl_dirty d = { 0, 0 };

	cc_list_each(node, &j->state.volumes) {
		const struct cc_journal_volume *v = cc_list_entry(node, struct cc_journal_volume, node);

		d.nr_volumes += cc_journal_volume_is_dirty(v);
		d.bytes += v->dirty_blocks << CC_BLOCK_SHIFT;
	}
	return d;
}
