// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Objects of a volume's log, as whoever can write to the store may make them: with sums that are right.
 *
 * What is taken encodes to the same bytes again; its pieces and records lie where the rules of chunkcache/volume.h
 * have them.  A second look at the same object finds the same.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "fuzz.h"
#include "manifest.h"
#include "volume/commit.h"
#include "volume/place.h"

static void mend_sums(uint8_t *object, size_t size)
{
	struct cc_commit_header *h = (void *)object;
	uint64_t offset;

	if (size < sizeof(*h))
		return;
	offset = le64toh(h->data_offset);
	if (offset < sizeof(*h) || offset > size)
		return;
	memcpy(h->magic, CC_COMMIT_MAGIC, sizeof(h->magic));
	h->crc = 0;
	memset(h->digest, 0, sizeof(h->digest));
	cc_sha256(object, offset, h->digest);
	h->crc = htole32(cc_crc32c(object, offset));
}

static void check_pieces(const struct cc_commit *c, uint64_t size)
{
	for (uint32_t i = 0; i < c->nr_pieces; i++) {
		const struct cc_piece *p = &c->pieces[i];
		uint64_t bytes = (uint64_t)p->count << CC_BLOCK_SHIFT;

		fuzz_check(cc_place_is_data(p->place) && p->count);
		fuzz_check((cc_place_block(p->place) + (uint64_t)p->count) << CC_BLOCK_SHIFT <= 1ULL << c->chunk_shift);
		if (p->pack_term)
			fuzz_check(p->offset + bytes <= CC_PACK_SIZE_MAX && p->pack_term <= c->term);
		else
			fuzz_check(p->offset <= size && bytes <= size - p->offset && p->commit == c->number);
		if (i)
			fuzz_check(p->place > p[-1].place &&
				   (p->place - p[-1].place) >> CC_PLACE_BLOCK_SHIFT >= p[-1].count);
	}
}

static bool in_a_piece(const struct cc_commit *c, const struct chunkcache_record *r)
{
	for (uint32_t i = 0; i < c->nr_pieces; i++) {
		const struct cc_piece *p = &c->pieces[i];
		uint64_t at = (r->place - p->place) >> CC_PLACE_BLOCK_SHIFT;

		if (r->place >= p->place && at < p->count && r->count <= p->count - at)
			return true;
	}
	return false;
}

static void check_records(const struct cc_commit *c)
{
	for (uint32_t i = 0; i < c->nr_records; i++) {
		const struct chunkcache_record *r = &c->records[i];

		fuzz_check(r->count && r->block < c->size / CC_BLOCK_SIZE &&
			   r->count <= c->size / CC_BLOCK_SIZE - r->block);
		fuzz_check(r->type == CC_JOURNAL_ZERO || in_a_piece(c, r));
		fuzz_check(!i || r->place >= r[-1].place);
	}
}

static void check_again(const uint8_t *object, size_t size, struct cc_commit *c)
{
	uint64_t offset = cc_commit_data_offset(c->nr_pieces, c->nr_records);
	uint8_t digest[CC_ID_SIZE];
	size_t again_size;
	void *again;

	memcpy(digest, c->digest, sizeof(digest));
	fuzz_check(!cc_commit_encode(c, object + offset, size - offset, &again, &again_size));
	fuzz_check(again_size == size && !memcmp(again, object, size));
	fuzz_check(!memcmp(digest, c->digest, sizeof(digest)));
	free(again);
}

static void decode(const uint8_t *object, size_t size)
{
	struct cc_commit c;
	char err[160] = "";
	int r = cc_commit_decode(object, size, size, &c, err, sizeof(err));

	fuzz_check(cc_commit_head_size(object, size) <= CC_COMMIT_HEAD_MAX);
	if (r) {
		fuzz_check(r == -EINVAL || r == -EILSEQ || r == -ENOMEM);
		fuzz_check_reason(err);
		return;
	}
	check_pieces(&c, size);
	check_records(&c);
	check_again(object, size, &c);
	cc_commit_free(&c);
	/* Only the head is needed for the same result. */
	fuzz_check(!cc_commit_decode(object, cc_commit_head_size(object, size), size, &c, err, sizeof(err)));
	cc_commit_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *object = fuzz_copy(data, size);

	decode(object, size);
	mend_sums(object, size);
	decode(object, size);
	free(object);
	return 0;
}

/* ---- seeds ---- */

static struct cc_commit example(enum cc_commit_type type)
{
	struct cc_commit c = {
		.type = type, .term = 2, .chunk_shift = 20, .number = 7, .size = 1 << 30, .time = 1700000000,
		.before = { 1 }, .volume = { 2 }, .owner = { 3 }, .nonce = type == CC_COMMIT_OPEN, .host = "host",
	};

	if (type == CC_COMMIT_CHECKPOINT) {
		c.map[0] = 9;
		c.map_number = c.number;
		c.map_term = c.term;
	}
	return c;
}

static void put(const char *name, struct cc_commit *c, const void *data, size_t data_size)
{
	size_t size;
	void *object;

	if (cc_commit_encode(c, data, data_size, &object, &size))
		abort();
	fuzz_seed(name, object, size);
	free(object);
}

/* Pieces in itself and in a pack, records of all types; at places from first on. */
static void put_data(const char *name, uint64_t first, uint32_t term)
{
	static const uint8_t data[CC_BLOCK_SIZE];
	struct cc_piece pieces[] = {
		{ .place = first, .count = 1, .offset = cc_commit_data_offset(2, 3), .sha256 = { 1 } },
		{ .place = cc_place_nth(first, 1), .count = 2, .pack_term = 1, .pack = { 1 }, .sha256 = { 1 } },
	};
	const uint64_t zeros = cc_place_nth(first, 3) & ~CC_PLACE_DATA;
	struct chunkcache_record records[] = {
		{ .type = CC_JOURNAL_WRITE, .count = 1, .block = 5, .place = first },
		{ .type = CC_JOURNAL_WRITE, .count = 1, .block = 9, .place = cc_place_nth(first, 2) },
		{ .type = CC_JOURNAL_ZERO, .count = 100, .block = 50, .place = zeros },
	};
	struct cc_commit c = example(CC_COMMIT_DATA);

	c.term = term;
	c.upto = zeros;
	c.pieces = pieces;
	c.nr_pieces = 2;
	c.records = records;
	c.nr_records = 3;
	put(name, &c, data, sizeof(data));
}

void fuzz_seeds(void)
{
	static const enum cc_commit_type types[] = {
		CC_COMMIT_OPEN, CC_COMMIT_CLOSE, CC_COMMIT_RESIZE, CC_COMMIT_CHECKPOINT,
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct cc_commit c = example(types[i]);

		put(cc_commit_type_name(types[i]), &c, NULL, 0);
	}
	put_data("data", cc_place(cc_log_number(2, 1), 4), 2);
	put_data("data-last-place", cc_place(cc_log_number(CC_LOG_TERM_MAX, UINT32_MAX), 252), CC_LOG_TERM_MAX);
}
