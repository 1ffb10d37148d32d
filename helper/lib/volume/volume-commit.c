// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From records and slots to packs and a commit.  Blocks that no record names may hold what somebody else wrote
 * there before: they leave as zeros.
 */
#include "volume-commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "place.h"
#include "volume-name.h"

#define ALIGN	4096

/* What goes into one commit. */
struct build {
	struct cc_volume_state *state;
	const struct cc_volume_dirty *dirty;
	struct cc_commit_counts *counts;
	const struct chunkcache_record *records; /* by place */
	size_t nr_records;
	struct cc_piece *pieces;
	uint32_t nr_pieces;
	uint64_t bytes;			/* of all pieces */
	uint8_t *buf;			/* of a pack, or what is to be in the commit */
	size_t size, room;
	uint32_t first;			/* piece in buf */
};

static int by_place(const void *a, const void *b)
{
	uint64_t x = ((const struct chunkcache_record *)a)->place, y = ((const struct chunkcache_record *)b)->place;

	return x < y ? -1 : x > y;
}

/* The first of n sorted records whose place is not below place. */
static size_t records_below(const struct chunkcache_record *r, size_t n, uint64_t place)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (r[middle].place < place)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

static uint64_t data_bytes(const struct chunkcache_record *r, size_t n)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < n; i++)
		if (r[i].type == CC_JOURNAL_WRITE)
			blocks += r[i].count;
	return blocks << CC_BLOCK_SHIFT;
}

/* The cut to commit to: one at least, and as many as CC_COMMIT_BYTES takes.  0: none is above what is committed. */
static uint64_t choose_cut(const struct build *b)
{
	const struct cc_volume_dirty *d = b->dirty;
	uint64_t upto = b->state->log.last.upto, chosen = 0;

	for (size_t i = 0; i < d->nr_cuts; i++) {
		uint64_t cut = d->cuts[i] & ~CC_PLACE_DATA;

		if (cut <= upto)
			continue;
		if (chosen && data_bytes(b->records, records_below(b->records, b->nr_records, cut)) > CC_COMMIT_BYTES)
			break;
		chosen = cut;
	}
	return chosen;
}

/* ---- pieces: one for each log chunk, from its first block to the last that is to be had ---- */

static uint32_t block_behind(const struct chunkcache_record *r)
{
	return cc_place_block(r->place) + r->count;
}

static int make_pieces(struct build *b)
{
	b->pieces = calloc(b->nr_records + 1, sizeof(*b->pieces));
	if (!b->pieces)
		return -ENOMEM;
	for (size_t i = 0; i < b->nr_records; i++) {
		const struct chunkcache_record *r = &b->records[i];
		struct cc_piece *p = b->nr_pieces ? &b->pieces[b->nr_pieces - 1] : NULL;

		if (r->type != CC_JOURNAL_WRITE)
			continue;
		if (!p || cc_place_log_key(p->place) != cc_place_log_key(r->place)) {
			p = &b->pieces[b->nr_pieces++];
			p->place = r->place;
		}
		if (block_behind(r) > cc_place_block(p->place) + p->count)
			p->count = block_behind(r) - cc_place_block(p->place);
	}
	for (uint32_t i = 0; i < b->nr_pieces; i++)
		b->bytes += (uint64_t)b->pieces[i].count << CC_BLOCK_SHIFT;
	return 0;
}

static void zero_blocks(uint8_t *data, uint64_t first, uint64_t end)
{
	if (end > first)
		memset(data + (first << CC_BLOCK_SHIFT), 0, (end - first) << CC_BLOCK_SHIFT);
}

/* What no record names becomes zeros. */
static void clean_piece(const struct build *b, const struct cc_piece *p, uint8_t *data)
{
	size_t i = records_below(b->records, b->nr_records, p->place);
	uint32_t base = cc_place_block(p->place);
	uint64_t done = 0;

	for (; i < b->nr_records && cc_place_log_key(b->records[i].place) == cc_place_log_key(p->place); i++) {
		const struct chunkcache_record *r = &b->records[i];

		if (r->type != CC_JOURNAL_WRITE)
			continue;
		zero_blocks(data, done, cc_place_block(r->place) - base);
		if (block_behind(r) - base > done)
			done = block_behind(r) - base;
	}
	zero_blocks(data, done, p->count);
}

static int make_buf_room(struct build *b, size_t more)
{
	size_t room = b->room ? b->room : 64 << 10;
	uint8_t *buf;

	if (b->size + more <= b->room)
		return 0;
	while (room < b->size + more)
		room *= 2;
	buf = aligned_alloc(ALIGN, room);
	if (!buf)
		return -ENOMEM;
	if (b->size)
		memcpy(buf, b->buf, b->size);
	free(b->buf);
	b->buf = buf;
	b->room = room;
	return 0;
}

static int add_piece(struct build *b, struct cc_piece *p)
{
	size_t bytes = (size_t)p->count << CC_BLOCK_SHIFT;
	uint8_t *data;
	int r = make_buf_room(b, bytes);

	if (r)
		return r;
	data = b->buf + b->size;
	r = b->dirty->read(b->dirty->arg, cc_place_log_key(p->place), cc_place_block(p->place), p->count, data);
	if (r)
		return r;
	clean_piece(b, p, data);
	cc_sha256(data, bytes, p->sha256);
	p->offset = b->size;
	b->size += bytes;
	return 0;
}

/* What is in buf, as a pack of the pieces from first up to end. */
static int put_pack(struct build *b, uint32_t end, char *err, size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX];
	uint8_t sha256[CC_ID_SIZE];

	if (!b->size)
		return 0;
	cc_sha256(b->buf, b->size, sha256);
	for (uint32_t i = b->first; i < end; i++) {
		b->pieces[i].pack_term = b->state->log.own_term;
		memcpy(b->pieces[i].pack, sha256, sizeof(sha256));
	}
	cc_pack_name(b->state->log.volume, b->state->log.own_term, sha256, name);
	if (cc_store_put(b->state->log.store, name, b->buf, b->size, err, errlen))
		return -EIO;
	b->counts->packs++;
	b->counts->bytes += b->size;
	b->first = end;
	b->size = 0;
	return 0;
}

static int add_pieces(struct build *b, char *err, size_t errlen)
{
	bool packs = b->bytes > CC_COMMIT_DATA_MAX;
	int r = 0;

	for (uint32_t i = 0; !r && i < b->nr_pieces; i++) {
		r = add_piece(b, &b->pieces[i]);
		if (r)
			snprintf(err, errlen, "reading what was written: %s", strerror(-r));
		else if (packs && b->size >= CC_PACK_SIZE)
			r = put_pack(b, i + 1, err, errlen);
	}
	if (!r && packs)
		r = put_pack(b, b->nr_pieces, err, errlen);
	return r;
}

static int append_commit(struct build *b, uint64_t upto, char *err, size_t errlen)
{
	uint64_t offset = cc_commit_data_offset(b->nr_pieces, b->nr_records);
	struct cc_commit c = {
		.type = CC_COMMIT_DATA, .upto = upto, .pieces = b->pieces, .nr_pieces = b->nr_pieces,
		.records = (struct chunkcache_record *)b->records, .nr_records = b->nr_records,
	};
	int r;

	for (uint32_t i = b->first; i < b->nr_pieces; i++)
		b->pieces[i].offset += offset;
	r = cc_volume_log_append(&b->state->log, &c, b->buf, b->size, err, errlen);
	if (!r) {
		b->counts->commits++;
		b->counts->bytes += offset + b->size;
	}
	return r;
}

/* The records from the last commit up to the next one. */
static uint64_t select_records(struct build *b)
{
	struct cc_volume_dirty *d = (struct cc_volume_dirty *)b->dirty;
	size_t below = records_below(d->records, d->nr_records, b->state->log.last.upto);
	uint64_t upto;

	b->records = d->records + below;
	b->nr_records = d->nr_records - below;
	upto = choose_cut(b);
	b->nr_records = records_below(b->records, b->nr_records, upto);
	return upto;
}

int cc_volume_commit(struct cc_volume_state *s, struct cc_volume_dirty *d, struct cc_commit_counts *counts,
		     uint64_t *ret_upto, char *err, size_t errlen)
{
	int r;

	qsort(d->records, d->nr_records, sizeof(*d->records), by_place);
	do {
		struct build b = { .state = s, .dirty = d, .counts = counts };
		uint64_t upto = select_records(&b);

		if (!upto) {
			r = 0;
			break;
		}
		snprintf(err, errlen, "out of memory");
		r = make_pieces(&b);
		if (!r)
			r = add_pieces(&b, err, errlen);
		if (!r)
			r = append_commit(&b, upto, err, errlen);
		free(b.pieces);
		free(b.buf);
	} while (r == -EAGAIN);		/* an own commit of an earlier life came first: what is behind it */
	*ret_upto = s->log.last.upto;
	return r;
}
