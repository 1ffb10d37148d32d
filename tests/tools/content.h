/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a test image holds: each sector is a function of its chunk's content number and of its
 * place in the chunk, so that any sector that is read proves by itself where it came from.
 * Used by the tools that write images and by those that verify reads; owns no I/O.
 *
 * A content number is seed << 32 | kind << 31 | n: n is the chunk's index, or, with kind 1
 * (a duplicate), the number of one of CONTENT_DUPS contents of the image that recur.  0 is a hole.
 */
#ifndef CC_TESTS_CONTENT_H
#define CC_TESTS_CONTENT_H

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR		512
#define CONTENT_MAGIC	0x726f746365534343ULL	/* "CCSector" */
#define CONTENT_DUPS	4

struct ratio {
	unsigned int k, n;		/* k of n chunks; n 0: none */
};

struct content {
	uint64_t seed;			/* 1..2^32-1 */
	uint64_t size;			/* bytes of the image, a multiple of SECTOR */
	uint64_t chunk;			/* bytes of a chunk, a power of two */
	struct ratio holes, dup, shared;
	uint64_t shared_seed;		/* of the chunks that other images have at the same index */
};

static const struct content content_default = {
	.seed = 1, .size = 64 << 20, .chunk = 1 << 20,
};

enum { OPT_CONTENT = 1000, OPT_SEED = OPT_CONTENT, OPT_SIZE, OPT_CHUNK, OPT_HOLES, OPT_DUP,
       OPT_SHARED, OPT_SHARED_SEED, OPT_CONTENT_END };

#define CONTENT_OPTIONS						\
	{ "seed", 1, NULL, OPT_SEED },				\
	{ "size", 1, NULL, OPT_SIZE },				\
	{ "chunk", 1, NULL, OPT_CHUNK },			\
	{ "holes", 1, NULL, OPT_HOLES },			\
	{ "dup", 1, NULL, OPT_DUP },				\
	{ "shared", 1, NULL, OPT_SHARED },			\
	{ "shared-seed", 1, NULL, OPT_SHARED_SEED }

#define CONTENT_HELP						\
	"Content (the same options for writer and reader):\n"	\
	"  --seed N            1..4294967295 (1)\n"		\
	"  --size BYTES        of the image, multiple of 512 (64M)\n" \
	"  --chunk BYTES       power of two (1M)\n"		\
	"  --holes K/N         so many chunks are zeros\n"	\
	"  --dup K/N           so many chunks are one of four that recur\n" \
	"  --shared K/N        so many chunks are those of --shared-seed N\n"

static inline void die(const char *what, const char *value)
{
	fprintf(stderr, "%s: %s\n", what, value);
	exit(2);
}

/* "4096", "64K", "1M", "2G"; exits on anything else. */
static inline uint64_t parse_size(const char *name, const char *s)
{
	static const char units[] = "KMGT";
	char *end;
	const char *unit;
	uint64_t v;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (end == s || errno || *s == '-')
		die(name, "expected a number, with K, M, G or T if you like");
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		v <<= 10 * (unit - units + 1);
		end++;
	}
	if (*end)
		die(name, "expected a number, with K, M, G or T if you like");
	return v;
}

static inline struct ratio parse_ratio(const char *name, const char *s)
{
	struct ratio r;
	char tail;

	if (sscanf(s, "%u/%u%c", &r.k, &r.n, &tail) != 2 || !r.n || r.k > r.n)
		die(name, "expected K/N, K <= N");
	return r;
}

/* Take one of CONTENT_OPTIONS. Returns false if opt is none of them. */
static inline bool content_option(struct content *c, int opt, const char *arg)
{
	switch (opt) {
	case OPT_SEED:		c->seed = parse_size("--seed", arg); return true;
	case OPT_SIZE:		c->size = parse_size("--size", arg); return true;
	case OPT_CHUNK:		c->chunk = parse_size("--chunk", arg); return true;
	case OPT_HOLES:		c->holes = parse_ratio("--holes", arg); return true;
	case OPT_DUP:		c->dup = parse_ratio("--dup", arg); return true;
	case OPT_SHARED:	c->shared = parse_ratio("--shared", arg); return true;
	case OPT_SHARED_SEED:	c->shared_seed = parse_size("--shared-seed", arg); return true;
	}
	return false;
}

static inline void content_check(const struct content *c)
{
	if (!c->seed || c->seed > UINT32_MAX)
		die("--seed", "expected 1..4294967295");
	if (!c->size || c->size % SECTOR)
		die("--size", "expected a multiple of 512, not 0");
	if (c->chunk < SECTOR || c->chunk & (c->chunk - 1))
		die("--chunk", "expected a power of two, at least 512");
	if (c->shared.n && (!c->shared_seed || c->shared_seed > UINT32_MAX))
		die("--shared", "needs --shared-seed, 1..4294967295");
}

static inline uint64_t content_mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline bool content_pick(struct ratio r, uint64_t seed, uint64_t chunk, unsigned int salt)
{
	return r.n && content_mix(seed * 0x9e3779b97f4a7c15ULL + chunk * 8 + salt) % r.n < r.k;
}

static inline uint64_t content_nr_chunks(const struct content *c)
{
	return (c->size + c->chunk - 1) / c->chunk;
}

/* Content number of a chunk of the image; 0: hole. */
static inline uint64_t content_number(const struct content *c, uint64_t chunk)
{
	if (content_pick(c->holes, c->seed, chunk, 1))
		return 0;
	if (content_pick(c->shared, c->shared_seed, chunk, 2))
		return c->shared_seed << 32 | (uint32_t)chunk;
	if (content_pick(c->dup, c->seed, chunk, 3))
		return c->seed << 32 | 1ULL << 31 | content_mix(chunk) % CONTENT_DUPS;
	return c->seed << 32 | (uint32_t)chunk;
}

/* The sector'th sector of a chunk with this content. */
static inline void content_sector(uint64_t number, uint64_t sector, uint64_t words[SECTOR / 8])
{
	uint64_t z = content_mix(number * 0x9e3779b97f4a7c15ULL + sector);
	unsigned int i;

	if (!number) {
		memset(words, 0, SECTOR);
		return;
	}
	words[0] = CONTENT_MAGIC;
	words[1] = number;
	words[2] = sector;
	for (i = 3; i < SECTOR / 8; i++) {
		z = (z + 0x9e3779b97f4a7c15ULL) * 0xd1342543de82ef95ULL;
		words[i] = z ^ (z >> 29);
	}
}

/* The bytes at pos (a multiple of SECTOR) of the image; zeros past its end. */
static inline void content_fill(const struct content *c, uint64_t pos, void *buf, size_t len)
{
	char *p = buf;
	uint64_t n;

	for (; len; len -= SECTOR, pos += SECTOR, p += SECTOR) {
		n = pos < c->size ? content_number(c, pos / c->chunk) : 0;
		content_sector(n, pos % c->chunk / SECTOR, (uint64_t *)p);
	}
}

/* What a sector holds, in words for people. */
static inline void content_describe(const void *sector, char *buf, size_t len)
{
	static const uint64_t zero[SECTOR / 8];
	const uint64_t *w = sector;

	if (!memcmp(sector, zero, SECTOR))
		snprintf(buf, len, "zeros");
	else if (w[0] == CONTENT_MAGIC)
		snprintf(buf, len, "content seed %u %s %u sector %llu",
			 (uint32_t)(w[1] >> 32), w[1] >> 31 & 1 ? "duplicate" : "chunk",
			 (uint32_t)w[1] & 0x7fffffff, (unsigned long long)w[2]);
	else
		snprintf(buf, len, "%016llx %016llx ...", (unsigned long long)w[0],
			 (unsigned long long)w[1]);
}

#endif
