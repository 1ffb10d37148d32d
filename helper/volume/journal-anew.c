// SPDX-License-Identifier: GPL-2.0-or-later
/* Records that are added anew; see journal-anew.h. */
#include "journal-anew.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "volume/place.h"

/*
 * Begins when half of the ring is in use, with its oldest part; and only while an eighth of the ring is in use for
 * nothing, or all would be copied for nothing.
 */
#define WINDOW_SHARE	32
#define GAIN_SHARE	8
#define STEP_MAX	2000		/* records at a time: a quarter of what the kernel has room for in memory */

/* What goes to the kernel in one message. */
struct anew_batch {
	struct cc_journal_anew *a;
	uint64_t limit;			/* what is in a page below it */
	struct chunkcache_record records[CHUNKCACHE_RECORD_BATCH_MAX];
	struct cc_journal_write *writes[CHUNKCACHE_RECORD_BATCH_MAX]; /* of volume; NULL: it is another record */
	uint32_t nr, sent;
	int error;
};

static void send_batch(struct anew_batch *b, struct cc_journal_volume *v)
{
	if (b->error || !b->nr)
		return;
	b->error = cc_channel_journal_add(b->a->channel, b->records, b->nr);
	for (uint32_t i = 0; !b->error && i < b->nr; i++)
		if (b->writes[i])
			cc_journal_volume_sent(v, b->writes[i]);
	b->sent += b->nr;
	b->nr = 0;
}

static void add_anew(struct anew_batch *b, struct cc_journal_volume *v, const struct chunkcache_record *r,
		     struct cc_journal_write *w)
{
	b->records[b->nr] = *r;
	b->records[b->nr].volume = v->handle;
	b->writes[b->nr++] = w;
	if (b->nr == CHUNKCACHE_RECORD_BATCH_MAX)
		send_batch(b, v);
}

static void add_name_anew(struct anew_batch *b, struct cc_journal_volume *v)
{
	uint64_t uuid[2];

	memcpy(uuid, v->uuid, sizeof(uuid));
	add_anew(b, v, &(struct chunkcache_record) {
		 .type = CC_JOURNAL_VOLUME, .count = v->term, .block = le64toh(uuid[0]),
		 .place = le64toh(uuid[1]) }, NULL);
}

static void add_place_anew(struct anew_batch *b, struct cc_journal_volume *v, uint8_t type, uint64_t place)
{
	add_anew(b, v, &(struct chunkcache_record) { .type = type, .place = place }, NULL);
}

static void add_names_anew(struct anew_batch *b, struct cc_journal_volume *v)
{
	if (v->named < b->limit)
		add_name_anew(b, v);
	if (v->committed_page && v->committed_page < b->limit)
		add_place_anew(b, v, CC_JOURNAL_COMMITTED, v->committed);
	if (v->nr_writes && v->cut > v->committed && v->cut_page < b->limit)
		add_place_anew(b, v, CC_JOURNAL_CUT, v->cut);
	for (size_t i = 0; i < v->nr_logs; i++) {
		const struct cc_journal_log *log = &v->logs[i];

		if (log->page < b->limit && log->slot != CC_NO_SLOT && !log->committed)
			add_anew(b, v, &(struct chunkcache_record) {
				 .type = CC_JOURNAL_OPEN, .block = log->slot, .count = log->gen,
				 .place = log->key | CC_PLACE_DATA }, NULL);
	}
}

/* Those that are on their way come first, or nobody could tell which of them has come. */
static void add_writes_anew(struct anew_batch *b, struct cc_journal_volume *v)
{
	if (v->nr_anew)
		return;
	for (size_t i = 0; i < v->nr_writes && !b->error && b->sent + b->nr < STEP_MAX; i++)
		if (v->writes[i].page < b->limit)
			add_anew(b, v, &v->writes[i].r, &v->writes[i]);
}

static void add_volume_anew(struct anew_batch *b, struct cc_journal_volume *v, bool names)
{
	if (v->leaving || !(v->runs || v->nr_writes || v->nr_logs))
		return;
	if (names)
		add_names_anew(b, v);
	add_writes_anew(b, v);
	send_batch(b, v);
}

/* Pages that all what counts would take, one record behind the other. */
static uint64_t live_pages(const struct cc_journal_state *s)
{
	uint64_t records = 0;

	cc_list_each(node, &s->volumes) {
		const struct cc_journal_volume *v = cc_list_entry(node, struct cc_journal_volume, node);

		records += v->nr_writes + v->nr_logs;
	}
	return records / CC_JOURNAL_RECORDS;
}

int cc_journal_anew_step(struct cc_journal_anew *a, uint64_t page, uint64_t tail)
{
	struct anew_batch b = { .a = a, .limit = tail + a->nr_positions / WINDOW_SHARE };
	uint64_t used = page - tail;
	bool names = a->names_due <= page;

	if (used < a->nr_positions / 2 || used < live_pages(a->state) + a->nr_positions / GAIN_SHARE)
		return 0;
	cc_list_each(node, &a->state->volumes)
		if (!b.error && b.sent < STEP_MAX)
			add_volume_anew(&b, cc_list_entry(node, struct cc_journal_volume, node), names);
	if (names && b.sent)
		a->names_due = page + 1;
	/* No room even for these: then commits are what is waited for. */
	return b.error == -ENOSPC ? 0 : b.error;
}
