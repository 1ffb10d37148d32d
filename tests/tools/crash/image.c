// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A device after a power cut.  What is certain is in the log up to the cut, as far as it was flushed or had FUA.  Of
 * what the device's cache had, a random part is there: whole, or with some sectors of 512 bytes only, in any order.
 */
#include "crash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COPY_SIZE (1u << 20)

struct image {
	char *bytes;
	uint64_t size;			/* a multiple of COPY_SIZE is written */
	unsigned int cached, whole, torn;
};

uint32_t cut_random(struct cut *c, uint32_t n)
{
	c->rng = (c->rng ^ c->rng >> 29) * 0x9e3779b97f4a7c15ULL + 1;
	return (c->rng >> 32) % n;
}

static bool can_be_cut(const struct entry *e, bool flushes)
{
	return flushes ? e->kind == ENTRY_FLUSH || e->kind == ENTRY_FUA : e->kind < ENTRY_FUA;
}

static uint64_t count_cuts(const struct record *r, bool flushes)
{
	uint64_t nr = 0;

	for (uint64_t i = 0; i < r->nr; i++)
		nr += can_be_cut(&r->entries[i], flushes);
	return nr;
}

struct cut cut_choose(const struct record *r, uint64_t seed)
{
	struct cut c = { .rng = seed * 0x94d049bb133111ebULL + 1 };
	uint64_t i, wanted, nr = count_cuts(r, true);
	bool flushes = nr;

	if (!flushes)
		nr = count_cuts(r, false);
	if (!nr)
		crash_die("%s: no write in it", r->path);
	cut_random(&c, 2);
	wanted = cut_random(&c, nr);
	for (i = 0; !can_be_cut(&r->entries[i], flushes) || wanted--; i++)
		;
	c.at = i;
	return c;
}

static void put_sectors(struct image *m, const struct entry *e, uint64_t first, uint64_t count)
{
	char *to = m->bytes + (e->sector + first) * SECTOR;

	if (e->sector + first + count > m->size / SECTOR)
		crash_die("a write behind the end, at sector %" PRIu64, e->sector + first);
	if (e->data)
		memcpy(to, e->data + first * SECTOR, count * SECTOR);
	else
		memset(to, 0, count * SECTOR);
}

static void put_whole(struct image *m, const struct entry *e)
{
	put_sectors(m, e, 0, e->count);
}

static void put_some(struct image *m, struct cut *c, const struct entry *e)
{
	for (uint64_t s = 0; s < e->count; s++)
		if (cut_random(c, 2))
			put_sectors(m, e, s, 1);
	m->torn++;
}

/* In the cache: there, or in part, or not. */
static void put_cached(struct image *m, struct cut *c, const struct entry *e, unsigned int percent)
{
	m->cached++;
	if (cut_random(c, 100) >= percent)
		return;
	if (e->kind != ENTRY_DISCARD && !cut_random(c, 3))
		return put_some(m, c, e);
	put_whole(m, e);
	m->whole++;
}

static void shuffle(struct cut *c, const struct entry **all, size_t nr)
{
	while (nr > 1) {
		size_t i = cut_random(c, nr--);
		const struct entry *e = all[i];

		all[i] = all[nr];
		all[nr] = e;
	}
}

/* Between a FUA write that is under way and the flush before it no other write can have been logged. */
static void put_last(struct image *m, const struct record *r, struct cut *c, uint64_t flushed)
{
	static const unsigned int percents[] = { 0, 20, 50, 80, 100 };
	unsigned int percent = percents[cut_random(c, 5)];
	const struct entry **cached = calloc(c->at - flushed + 1, sizeof(*cached)), *e;
	size_t nr = 0;
	uint64_t i;

	if (!cached)
		crash_die("no memory");
	for (i = flushed; i < c->at; i++) {
		e = &r->entries[i];
		if (e->kind == ENTRY_FUA)
			put_whole(m, e);
		else if (e->kind != ENTRY_MARK)
			cached[nr++] = e;
	}
	if (r->entries[c->at].kind == ENTRY_FUA)
		cached[nr++] = &r->entries[c->at];
	shuffle(c, cached, nr);
	for (i = 0; i < nr; i++)
		put_cached(m, c, cached[i], percent);
	free(cached);
}

static void read_start(struct image *m, const char *start)
{
	int fd = open(start, O_RDONLY | O_CLOEXEC);
	uint64_t at = 0;
	ssize_t n;

	m->size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	m->bytes = m->size ? aligned_alloc(4096, m->size) : NULL;
	if (!m->bytes || m->size % COPY_SIZE)
		crash_die("%s: cannot be read, or is not of whole MiB", start);
	for (; at < m->size; at += n) {
		n = pread(fd, m->bytes + at, m->size - at, at);
		if (n <= 0)
			crash_die("%s: %s", start, strerror(errno));
	}
	close(fd);
}

static void write_target(const struct image *m, const char *target)
{
	int fd = open(target, O_WRONLY | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		crash_die("%s: %s", target, strerror(errno));
	for (uint64_t at = 0; at < m->size; at += COPY_SIZE)
		if (pwrite(fd, m->bytes + at, COPY_SIZE, at) != COPY_SIZE)
			crash_die("%s: cannot be written", target);
	if (fsync(fd) || close(fd))
		crash_die("%s: %s", target, strerror(errno));
}

static const char *const kind_names[] = { "write", "discard", "write with FUA", "flush", "mark" };

void image_write(const struct record *r, struct cut *c, const char *start, const char *target)
{
	struct image m = { 0 };
	uint64_t i, flushed = 0;

	read_start(&m, start);
	for (i = 0; i < c->at; i++)
		if (r->entries[i].kind == ENTRY_FLUSH)
			flushed = i + 1;
	for (i = 0; i < flushed; i++)
		if (r->entries[i].kind < ENTRY_FLUSH)
			put_whole(&m, &r->entries[i]);
	put_last(&m, r, c, flushed);
	write_target(&m, target);
	free(m.bytes);
	printf("entry %" PRIu64 " of %" PRIu64 ", a %s; of %u in the cache %u whole, %u torn\n", c->at, r->nr,
	       kind_names[r->entries[c->at].kind], m.cached, m.whole, m.torn);
}
