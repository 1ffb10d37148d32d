// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The slot table; see slot-table.h.  Keeps no copy of the table: a block is made anew from what
 * its owner knows whenever it is written.
 */
#include "slot-table.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crc32c.h"
#include "manifest.h"

#define BLOCK		4096u
#define PER_BLOCK	(BLOCK / (uint32_t)sizeof(struct cc_table_entry))
#define MAX_WRITES	16		/* in flight */
#define DELAY_NS	CC_SECOND	/* gather changes of a block so long */
#define READ_SIZE	(1u << 20)
#define NO_BLOCK	UINT32_MAX

struct table_write {
	struct cc_io io;
	struct cc_slot_table *table;
	uint32_t block;			/* NO_BLOCK: not in flight */
};

struct cc_slot_table {
	struct cc_pooldev *pd;
	cc_slot_record_fn *fn;
	void *arg;
	uint64_t *dirty;		/* a bit for each block */
	uint32_t nr_blocks;
	uint32_t nr_dirty;
	uint32_t cursor;		/* where the search for dirty blocks goes on */
	uint64_t due;			/* of the oldest change */
	void *buffers;			/* MAX_WRITES blocks */
	struct table_write writes[MAX_WRITES];
	unsigned int in_flight;
};

uint64_t cc_domain_key(const char *domain)
{
	uint8_t digest[CC_ID_SIZE];
	uint64_t key;

	cc_sha256(domain, strlen(domain), digest);
	memcpy(&key, digest, sizeof(key));
	return key;
}

/* ---- entries ---- */

void cc_table_entry_encode(const struct cc_slot_record *r, struct cc_table_entry *ret_entry)
{
	struct cc_table_entry e = { .instance = htole64(r->instance), .gen = htole32(r->gen) };

	memcpy(e.id, r->id, sizeof(e.id));
	memcpy(e.domain, &r->domain, sizeof(e.domain));
	e.crc = htole32(cc_crc32c(&e, sizeof(e)));
	*ret_entry = e;
}

int cc_table_entry_decode(const struct cc_table_entry *e, struct cc_slot_record *ret_record)
{
	struct cc_table_entry copy = *e;
	struct cc_slot_record r;

	if (cc_id_is_hole(e->id))
		return -ENOENT;
	copy.crc = 0;
	if (le32toh(e->crc) != cc_crc32c(&copy, sizeof(copy)))
		return -EILSEQ;
	if (e->flags)
		return -EINVAL;
	memcpy(r.id, e->id, sizeof(r.id));
	memcpy(&r.domain, e->domain, sizeof(r.domain));
	r.instance = le64toh(e->instance);
	r.gen = le32toh(e->gen);
	*ret_record = r;
	return 0;
}

static void load_piece(const struct cc_table_entry *e, uint32_t first, uint32_t nr,
		       cc_slot_table_fn *fn, void *arg)
{
	struct cc_slot_record r;

	for (uint32_t i = 0; i < nr; i++)
		if (!cc_table_entry_decode(&e[i], &r))
			fn(arg, first + i, &r);
}

int cc_slot_table_load(struct cc_pooldev *pd, cc_slot_table_fn *fn, void *arg)
{
	const struct cc_pool_geometry *g = cc_pooldev_geometry(pd);
	const uint32_t per_piece = READ_SIZE / sizeof(struct cc_table_entry);
	uint64_t slot = 0;
	void *buf;
	int r = 0;

	if (posix_memalign(&buf, BLOCK, READ_SIZE))
		return -ENOMEM;
	while (!r && slot < g->nr_slots) {
		uint64_t pos = slot * sizeof(struct cc_table_entry);
		uint64_t len = g->table_size - pos < READ_SIZE ? g->table_size - pos : READ_SIZE;
		uint64_t nr = g->nr_slots - slot < per_piece ? g->nr_slots - slot : per_piece;

		r = cc_pooldev_read(pd, buf, len, g->table_offset + pos);
		if (!r)
			load_piece(buf, (uint32_t)slot, (uint32_t)nr, fn, arg);
		slot += nr;
	}
	free(buf);
	return r;
}

/* ---- writing ---- */

static void written(struct cc_io *io, int error)
{
	struct table_write *w = cc_list_entry(io, struct table_write, io);

	/* What could not be written is only not known to the next helper. */
	(void)error;
	w->block = NO_BLOCK;
	w->table->in_flight--;
}

int cc_slot_table_open(struct cc_pooldev *pd, cc_slot_record_fn *fn, void *arg,
		       struct cc_slot_table **ret_table)
{
	struct cc_slot_table *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->pd = pd;
	t->fn = fn;
	t->arg = arg;
	t->due = UINT64_MAX;
	t->nr_blocks = (uint32_t)(cc_pooldev_geometry(pd)->table_size / BLOCK);
	t->dirty = calloc((t->nr_blocks + 63) / 64, sizeof(*t->dirty));
	if (!t->dirty)
		goto err_free;
	if (posix_memalign(&t->buffers, BLOCK, MAX_WRITES * BLOCK))
		goto err_dirty;
	for (int i = 0; i < MAX_WRITES; i++) {
		t->writes[i].table = t;
		t->writes[i].block = NO_BLOCK;
	}
	*ret_table = t;
	return 0;
err_dirty:
	free(t->dirty);
err_free:
	free(t);
	return -ENOMEM;
}

void cc_slot_table_close(struct cc_slot_table *t)
{
	if (!t)
		return;
	free(t->buffers);
	free(t->dirty);
	free(t);
}

void cc_slot_table_mark(struct cc_slot_table *t, uint32_t slot, uint64_t now_ns)
{
	uint32_t block = slot / PER_BLOCK;
	uint64_t bit = 1ULL << (block % 64);

	if (t->dirty[block / 64] & bit)
		return;
	t->dirty[block / 64] |= bit;
	if (!t->nr_dirty++)
		t->due = now_ns + DELAY_NS;
}

/* Two writes of one block could land in either order. */
static bool block_in_flight(const struct cc_slot_table *t, uint32_t block)
{
	for (int i = 0; i < MAX_WRITES; i++)
		if (t->writes[i].block == block)
			return true;
	return false;
}

/* The next dirty block that is not in flight, or NO_BLOCK after one time around. */
static uint32_t next_dirty(struct cc_slot_table *t)
{
	uint32_t nr_words = (t->nr_blocks + 63) / 64;

	for (uint32_t n = 0; n <= nr_words; n++) {
		uint32_t word = (t->cursor / 64 + n) % nr_words;
		uint64_t bits = t->dirty[word];

		while (bits) {
			uint32_t block = word * 64 + (uint32_t)__builtin_ctzll(bits);

			if (!block_in_flight(t, block)) {
				t->cursor = block;
				return block;
			}
			bits &= bits - 1;
		}
	}
	return NO_BLOCK;
}

static void write_block(struct cc_slot_table *t, struct table_write *w, uint32_t block)
{
	const struct cc_pool_geometry *g = cc_pooldev_geometry(t->pd);
	uint64_t max = cc_superblock_max_slots(g);
	struct cc_table_entry *e = (void *)((char *)t->buffers + (size_t)(w - t->writes) * BLOCK);
	struct cc_slot_record r;

	memset(e, 0, BLOCK);
	for (uint32_t i = 0; i < PER_BLOCK; i++) {
		uint64_t slot = (uint64_t)block * PER_BLOCK + i;

		if (slot < max && t->fn(t->arg, (uint32_t)slot, &r))
			cc_table_entry_encode(&r, &e[i]);
	}
	t->dirty[block / 64] &= ~(1ULL << (block % 64));
	t->nr_dirty--;
	t->in_flight++;
	w->block = block;
	w->io = (struct cc_io) {
		.write = true, .buf = e, .len = BLOCK, .done = written,
		.offset = g->table_offset + (uint64_t)block * BLOCK,
	};
	cc_pooldev_submit(t->pd, &w->io);
}

uint64_t cc_slot_table_step(struct cc_slot_table *t, uint64_t now_ns, bool force)
{
	if (!t->nr_dirty)
		return UINT64_MAX;
	if (!force && now_ns < t->due)
		return t->due;
	for (int i = 0; i < MAX_WRITES && t->nr_dirty; i++) {
		uint32_t block;

		if (t->writes[i].block != NO_BLOCK)
			continue;
		block = next_dirty(t);
		if (block == NO_BLOCK)
			break;
		write_block(t, &t->writes[i], block);
	}
	if (!t->nr_dirty)
		t->due = UINT64_MAX;
	/* What is left waits for a completion, which runs the loop. */
	return UINT64_MAX;
}

bool cc_slot_table_clean(const struct cc_slot_table *t)
{
	return !t->nr_dirty && !t->in_flight;
}
