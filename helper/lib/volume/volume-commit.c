// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From records and slots to packs and a commit.  Blocks that no record names may hold what somebody else wrote
 * there before: they leave as zeros.
 */
#include "volume-commit.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "place.h"

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
	uint64_t pack_size;		/* a pack is full then; 0: all goes into the commit */
	struct cc_pack *pack;		/* what goes into the commit; NULL: nothing does */
	struct cc_pack_batch batch;
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

/* The cut to commit to: one at least, and as many as one object takes.  0: none is above what is committed. */
static uint64_t choose_cut(const struct build *b)
{
	const struct cc_volume_dirty *d = b->dirty;
	uint64_t upto = b->state->log.last.upto, chosen = 0;

	for (size_t i = 0; i < d->nr_cuts; i++) {
		uint64_t cut = d->cuts[i] & ~CC_PLACE_DATA;
		size_t n = records_below(b->records, b->nr_records, cut);

		if (cut <= upto)
			continue;
		if (chosen && (n > CC_COMMIT_RECORDS || data_bytes(b->records, n) > CC_COMMIT_BYTES))
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

static uint64_t chunk_bytes(const struct build *b)
{
	return 1ULL << b->state->log.last.chunk_shift;
}

static int add_piece(const struct build *b, struct cc_pack *pack, struct cc_piece *p)
{
	size_t bytes = (size_t)p->count << CC_BLOCK_SHIFT;
	uint8_t *data = pack->buf + pack->size;
	int r = b->dirty->read(b->dirty->arg, cc_place_log_key(p->place), cc_place_block(p->place), p->count, data);

	if (r)
		return r;
	clean_piece(b, p, data);
	cc_sha256(data, bytes, p->sha256);
	p->offset = pack->size;
	pack->size += bytes;
	return 0;
}

static uint64_t bytes_of(const struct cc_piece *pieces, uint32_t nr)
{
	uint64_t blocks = 0;

	for (uint32_t i = 0; i < nr; i++)
		blocks += pieces[i].count;
	return blocks << CC_BLOCK_SHIFT;
}

static int fill_pack(const struct build *b, struct cc_pack *pack, char *err, size_t errlen)
{
	int r = 0;

	pack->size = 0;
	pack->buf = aligned_alloc(ALIGN, bytes_of(pack->pieces, pack->nr_pieces) + ALIGN);
	if (!pack->buf)
		return -ENOMEM;
	for (uint32_t i = 0; !r && i < pack->nr_pieces; i++)
		r = add_piece(b, pack, &pack->pieces[i]);
	if (r)
		snprintf(err, errlen, "reading what was written: %s", strerror(-r));
	return r;
}

/*
 * The commit's number makes its name another than that of a pack with the same bytes before, which a gc may be about to
 * delete.
 */
static int fill_numbered_pack(struct cc_pack *pack, void *arg, char *err, size_t errlen)
{
	const struct build *b = arg;
	uint64_t number = htole64(b->state->log.next);
	int r;

	snprintf(err, errlen, "out of memory");
	r = fill_pack(b, pack, err, errlen);
	if (r)
		return r;
	memcpy(pack->buf + pack->size, &number, sizeof(number));
	pack->size += sizeof(number);
	return 0;
}

/*
 * As few objects as can be: all in the commit, or as many packs as there are CC_PACK_SIZE in it, of equal size, as
 * the rest would be one more.
 */
static void choose_pack_size(struct build *b)
{
	uint64_t max = CC_PACK_SIZE_MAX - chunk_bytes(b);

	if (b->bytes <= CC_COMMIT_DATA_MAX)
		return;
	b->pack_size = (b->bytes - 1) / (b->bytes / CC_PACK_SIZE) + 1;
	b->pack_size = (b->pack_size + ALIGN - 1) / ALIGN * ALIGN;
	if (b->pack_size > max)
		b->pack_size = max;
}

/* Of the pieces from first on, as many as fill one. */
static void choose_pieces(const struct build *b, uint32_t first, struct cc_pack *pack)
{
	uint64_t size = 0;
	uint32_t end = first;

	while (end < b->nr_pieces && !(b->pack_size && size >= b->pack_size))
		size += (uint64_t)b->pieces[end++].count << CC_BLOCK_SHIFT;
	pack->pieces = &b->pieces[first];
	pack->nr_pieces = end - first;
}

static int send_pack(struct build *b, struct cc_pack *pack, char *err, size_t errlen)
{
	/* What can't be read side by side is by this thread, one after the other. */
	int r = b->batch.fill ? 0 : fill_numbered_pack(pack, b, err, errlen);

	if (r) {
		cc_pack_release(b->dirty->uploads, pack);
		return r;
	}
	b->counts->packs++;
	b->counts->bytes += bytes_of(pack->pieces, pack->nr_pieces) + sizeof(uint64_t);
	cc_pack_put(b->dirty->uploads, pack, &b->batch);
	return 0;
}

static int send_pieces(struct build *b, char *err, size_t errlen)
{
	uint32_t first = 0;
	int r = 0;

	while (!r && first < b->nr_pieces) {
		struct cc_pack *pack = cc_pack_get(b->dirty->uploads, &b->batch);

		if (!pack)
			return -ECANCELED;
		choose_pieces(b, first, pack);
		first += pack->nr_pieces;
		if (b->pack_size)
			r = send_pack(b, pack, err, errlen);
		else
			r = fill_pack(b, b->pack = pack, err, errlen);
	}
	return r;
}

static int add_pieces(struct build *b, char *err, size_t errlen)
{
	int r, packs;

	b->batch.volume = b->state->log.volume;
	b->batch.term = b->state->log.own_term;
	b->batch.fill = b->dirty->read_side_by_side ? fill_numbered_pack : NULL;
	b->batch.arg = b;
	choose_pack_size(b);
	r = send_pieces(b, err, errlen);
	/* The threads use the pieces, whatever has happened. */
	packs = cc_pack_batch_wait(b->dirty->uploads, &b->batch);
	if (!packs || (r && r != -ECANCELED))
		return r;
	snprintf(err, errlen, "%s", b->batch.err);
	return packs;
}

static int append_commit(struct build *b, uint64_t upto, char *err, size_t errlen)
{
	uint64_t offset = cc_commit_data_offset(b->nr_pieces, b->nr_records);
	struct cc_commit c = {
		.type = CC_COMMIT_DATA, .upto = upto, .pieces = b->pieces, .nr_pieces = b->nr_pieces,
		.records = (struct chunkcache_record *)b->records, .nr_records = b->nr_records,
	};
	size_t size = b->pack ? b->pack->size : 0;
	int r;

	for (uint32_t i = 0; b->pack && i < b->nr_pieces; i++)
		b->pieces[i].offset += offset;
	r = cc_uploads_wait_turn(b->dirty->uploads, offset + size);
	if (!r)
		r = cc_volume_log_append(&b->state->log, &c, size ? b->pack->buf : NULL, size, err, errlen);
	if (!r) {
		b->counts->commits++;
		b->counts->bytes += offset + size;
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

	if (d->nr_records)
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
		if (b.pack)
			cc_pack_release(d->uploads, b.pack);
	} while (r == -EAGAIN);		/* an own commit of an earlier life came first: what is behind it */
	*ret_upto = s->log.last.upto;
	return r;
}
