// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The manifest area; see manifest-area.h.  Owns the directory's copy in memory and the writes to the area.  A
 * directory entry and the bytes it names may reach the device in any order, or not at all: whoever
 * reads compares the digest.
 */
#include "manifest-area.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crc32c.h"
#include "manifest.h"

#define BLOCK		4096u
#define PER_BLOCK	(BLOCK / (uint32_t)sizeof(struct cc_manifest_entry))
#define MAX_STORE	(64u << 20)	/* larger manifests are fetched each time */
#define IO_MAX		(1u << 20)

struct cc_manifest_area {
	struct cc_pooldev *pd;
	uint64_t offset;		/* of the blocks behind the directory */
	uint64_t nr_blocks;
	struct cc_manifest_entry *dir;	/* CC_MANIFEST_DIR_ENTRIES, aligned */
};

/* One manifest on its way to the area: the data in pieces, then its directory block. */
struct store_op {
	struct cc_manifest_area *a;
	struct cc_io io;
	void *data;
	uint64_t offset;		/* of the data */
	uint32_t len;			/* padded */
	uint32_t done;
	uint32_t entry;
	uint8_t block[BLOCK] __attribute__((aligned(4096)));
};

static uint64_t blocks(uint32_t size)
{
	return ((uint64_t)size + BLOCK - 1) / BLOCK;
}

static bool entry_used(const struct cc_manifest_entry *e)
{
	return !cc_id_is_hole(e->digest);
}

static bool entry_good(const struct cc_manifest_area *a, const struct cc_manifest_entry *e)
{
	struct cc_manifest_entry copy = *e;
	uint64_t first = le32toh(e->block), nr = blocks(le32toh(e->size));

	copy.crc = 0;
	return le32toh(e->crc) == cc_crc32c(&copy, sizeof(copy)) && nr && nr <= blocks(MAX_STORE) &&
	       first < a->nr_blocks && nr <= a->nr_blocks - first;
}

int cc_manifest_area_open(struct cc_pooldev *pd, struct cc_manifest_area **ret_area)
{
	const struct cc_pool_geometry *g = cc_pooldev_geometry(pd);
	struct cc_manifest_area *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->pd = pd;
	a->offset = g->manifest_offset + CC_MANIFEST_DIR_SIZE;
	a->nr_blocks = (g->manifest_size - CC_MANIFEST_DIR_SIZE) / BLOCK;
	if (posix_memalign((void **)&a->dir, BLOCK, CC_MANIFEST_DIR_SIZE)) {
		free(a);
		return -ENOMEM;
	}
	r = cc_pooldev_read(pd, a->dir, CC_MANIFEST_DIR_SIZE, g->manifest_offset);
	if (r) {
		cc_manifest_area_close(a);
		return r;
	}
	for (uint32_t i = 0; i < CC_MANIFEST_DIR_ENTRIES; i++)
		if (entry_used(&a->dir[i]) && !entry_good(a, &a->dir[i]))
			memset(&a->dir[i], 0, sizeof(a->dir[i]));
	*ret_area = a;
	return 0;
}

void cc_manifest_area_close(struct cc_manifest_area *a)
{
	if (!a)
		return;
	free(a->dir);
	free(a);
}

static struct cc_manifest_entry *find_entry(struct cc_manifest_area *a, uint64_t domain, const uint8_t *digest)
{
	for (uint32_t i = 0; i < CC_MANIFEST_DIR_ENTRIES; i++) {
		struct cc_manifest_entry *e = &a->dir[i];

		if (!memcmp(e->digest, digest, CC_ID_SIZE) && !memcmp(e->domain, &domain, sizeof(domain)))
			return e;
	}
	return NULL;
}

/* A changed entry goes to the device with the next manifest of its directory block. */
static void seal(struct cc_manifest_entry *e)
{
	e->used = htole64((uint64_t)time(NULL));
	e->crc = 0;
	e->crc = htole32(cc_crc32c(e, sizeof(*e)));
}

int cc_manifest_area_find(struct cc_manifest_area *a, uint64_t domain, const uint8_t digest[CC_ID_SIZE],
			  uint64_t *ret_offset, uint32_t *ret_size)
{
	struct cc_manifest_entry *e = find_entry(a, domain, digest);

	if (!e)
		return -ENOENT;
	seal(e);
	*ret_offset = a->offset + (uint64_t)le32toh(e->block) * BLOCK;
	*ret_size = le32toh(e->size);
	return 0;
}

void cc_manifest_area_forget(struct cc_manifest_area *a, uint64_t domain, const uint8_t digest[CC_ID_SIZE])
{
	struct cc_manifest_entry *e = find_entry(a, domain, digest);

	if (e)
		memset(e, 0, sizeof(*e));
}

/* ---- room ---- */

/* The entries in use, in two orders. */
struct view {
	uint32_t nr;
	struct cc_manifest_entry *by_block[CC_MANIFEST_DIR_ENTRIES];
	struct cc_manifest_entry *by_age[CC_MANIFEST_DIR_ENTRIES]; /* oldest first */
	uint32_t age[CC_MANIFEST_DIR_ENTRIES]; /* of each entry of the directory, its place in by_age */
};

static int compare_block(const void *va, const void *vb)
{
	const struct cc_manifest_entry *a = *(const struct cc_manifest_entry *const *)va;
	const struct cc_manifest_entry *b = *(const struct cc_manifest_entry *const *)vb;
	uint32_t x = le32toh(a->block), y = le32toh(b->block);

	return x < y ? -1 : x > y;
}

static int compare_age(const void *va, const void *vb)
{
	const struct cc_manifest_entry *a = *(const struct cc_manifest_entry *const *)va;
	const struct cc_manifest_entry *b = *(const struct cc_manifest_entry *const *)vb;
	uint64_t x = le64toh(a->used), y = le64toh(b->used);

	if (x != y)
		return x < y ? -1 : 1;
	return a < b ? -1 : a > b;
}

static void make_view(struct cc_manifest_area *a, struct view *v)
{
	v->nr = 0;
	for (uint32_t i = 0; i < CC_MANIFEST_DIR_ENTRIES; i++)
		if (entry_used(&a->dir[i]))
			v->by_block[v->nr++] = &a->dir[i];
	memcpy(v->by_age, v->by_block, v->nr * sizeof(v->by_age[0]));
	qsort(v->by_block, v->nr, sizeof(v->by_block[0]), compare_block);
	qsort(v->by_age, v->nr, sizeof(v->by_age[0]), compare_age);
	for (uint32_t i = 0; i < v->nr; i++)
		v->age[v->by_age[i] - a->dir] = i;
}

/* First block of nr in a row that are free without the oldest ones, or UINT64_MAX. */
static uint64_t find_room(const struct cc_manifest_area *a, const struct view *v, uint32_t oldest, uint64_t nr)
{
	uint64_t pos = 0;

	for (uint32_t i = 0; i < v->nr; i++) {
		const struct cc_manifest_entry *e = v->by_block[i];
		uint64_t first = le32toh(e->block), end = first + blocks(le32toh(e->size));

		if (v->age[e - a->dir] < oldest)
			continue;
		if (first >= pos + nr)
			return pos;
		if (end > pos)
			pos = end;
	}
	return a->nr_blocks >= pos + nr ? pos : UINT64_MAX;
}

/*
 * Drops as many of the oldest as it takes, found by halving: the control loop waits, and one after the other
 * would take seconds where a large manifest comes to thousands of small ones.  nr is not more than there is.
 */
static uint64_t evict_oldest(struct cc_manifest_area *a, uint64_t nr)
{
	uint32_t few, many;
	struct view v;

	make_view(a, &v);
	few = v.nr == CC_MANIFEST_DIR_ENTRIES;
	for (many = v.nr; few < many;) {
		uint32_t half = few + (many - few) / 2;

		if (find_room(a, &v, half, nr) == UINT64_MAX)
			few = half + 1;
		else
			many = half;
	}
	for (uint32_t i = 0; i < few; i++)
		memset(v.by_age[i], 0, sizeof(*v.by_age[i]));
	/* By its age each is skipped, whatever it is now. */
	return find_room(a, &v, few, nr);
}

/* There is one. */
static struct cc_manifest_entry *free_entry(struct cc_manifest_area *a)
{
	struct cc_manifest_entry *e = a->dir;

	while (entry_used(e))
		e++;
	return e;
}

/* ---- writing ---- */

static void store_end(struct store_op *op)
{
	free(op->data);
	free(op);
}

static void dir_written(struct cc_io *io, int error)
{
	(void)error;
	store_end(cc_list_entry(io, struct store_op, io));
}

static void write_dir(struct store_op *op)
{
	struct cc_manifest_area *a = op->a;
	uint32_t block = op->entry / PER_BLOCK;

	memcpy(op->block, &a->dir[block * PER_BLOCK], BLOCK);
	op->io = (struct cc_io) {
		.write = true, .buf = op->block, .len = BLOCK, .done = dir_written,
		.offset = a->offset - CC_MANIFEST_DIR_SIZE + (uint64_t)block * BLOCK,
	};
	cc_pooldev_submit(a->pd, &op->io);
}

static void write_data(struct store_op *op);

static void data_written(struct cc_io *io, int error)
{
	struct store_op *op = cc_list_entry(io, struct store_op, io);

	op->done += io->len;
	if (error)
		store_end(op);
	else if (op->done < op->len)
		write_data(op);
	else
		write_dir(op);
}

static void write_data(struct store_op *op)
{
	uint32_t len = op->len - op->done < IO_MAX ? op->len - op->done : IO_MAX;

	op->io = (struct cc_io) {
		.write = true, .buf = (char *)op->data + op->done, .len = len, .done = data_written,
		.offset = op->offset + op->done,
	};
	cc_pooldev_submit(op->a->pd, &op->io);
}

static struct store_op *store_op_new(struct cc_manifest_area *a, const void *data, uint32_t size)
{
	struct store_op *op;

	if (posix_memalign((void **)&op, BLOCK, sizeof(*op)))
		return NULL;
	memset(op, 0, sizeof(*op));
	op->a = a;
	op->len = (uint32_t)(blocks(size) * BLOCK);
	if (posix_memalign(&op->data, BLOCK, op->len)) {
		free(op);
		return NULL;
	}
	memcpy(op->data, data, size);
	memset((char *)op->data + size, 0, op->len - size);
	return op;
}

void cc_manifest_area_store(struct cc_manifest_area *a, uint64_t domain, const uint8_t digest[CC_ID_SIZE],
			    const void *data, uint32_t size)
{
	struct cc_manifest_entry *e;
	struct store_op *op;
	uint64_t room;

	if (!size || size > MAX_STORE || blocks(size) > a->nr_blocks || find_entry(a, domain, digest))
		return;
	op = store_op_new(a, data, size);
	if (!op)
		return;
	room = evict_oldest(a, blocks(size));
	e = free_entry(a);
	memcpy(e->digest, digest, CC_ID_SIZE);
	memcpy(e->domain, &domain, sizeof(domain));
	e->block = htole32((uint32_t)room);
	e->size = htole32(size);
	memset(e->reserved, 0, sizeof(e->reserved));
	seal(e);
	op->entry = (uint32_t)(e - a->dir);
	op->offset = a->offset + room * BLOCK;
	write_data(op);
}
