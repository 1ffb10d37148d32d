// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the log of a volume begins; see volume-floor.h. */
#include "volume-floor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chunkcache/journal.h"
#include "volume-name.h"

#define LINE_MAX_BYTES	48
#define TEXT_MAX	((CC_FLOOR_FORKS_MAX + 1) * LINE_MAX_BYTES)

static struct cc_numbered numbered_floors(struct cc_store *s, const uint8_t volume[16], unsigned int parallel)
{
	return (struct cc_numbered){ .store = s, .volume = volume, .name = cc_floor_name, .parallel = parallel };
}

/* ---- its text: the number, then a line "<term> <number>" for each fork ---- */

static size_t write_floor(const struct cc_volume_floor *f, char text[TEXT_MAX])
{
	size_t size = snprintf(text, TEXT_MAX, "%" PRIu64 "\n", f->number);

	for (unsigned int i = 0; i < f->nr_forks; i++)
		size += snprintf(text + size, TEXT_MAX - size, "%" PRIu32 " %" PRIu64 "\n", f->forks[i].term,
				 f->forks[i].number);
	return size;
}

/* A decimal number from 1 to max, and what ends it; NULL if it is none. */
static const char *take_decimal(const char *s, char end, uint64_t max, uint64_t *ret)
{
	char *behind;

	if (!s || *s < '1' || *s > '9')
		return NULL;
	errno = 0;
	*ret = strtoull(s, &behind, 10);
	return errno || *ret > max || *behind != end ? NULL : behind + 1;
}

static const char *take_fork(const char *s, struct cc_volume_floor *f)
{
	struct cc_floor_fork *k = &f->forks[f->nr_forks];
	uint64_t term;

	if (f->nr_forks == CC_FLOOR_FORKS_MAX)
		return NULL;
	s = take_decimal(s, ' ', CC_LOG_TERM_MAX, &term);
	s = take_decimal(s, '\n', f->number - 1, &k->number);
	if (!s || (f->nr_forks && term <= k[-1].term))
		return NULL;
	k->term = term;
	f->nr_forks++;
	return s;
}

static bool parse_floor(const char *s, struct cc_volume_floor *f)
{
	f->nr_forks = 0;
	s = take_decimal(s, '\n', INT64_MAX, &f->number);
	while (s && *s)
		s = take_fork(s, f);
	return s;
}

/* ---- */

static int get_floor(struct cc_store *s, const uint8_t volume[16], uint64_t index, struct cc_volume_floor *f, char *err,
		     size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX], text[TEXT_MAX + 1];
	struct cc_volume_floor got = { .index = index };
	void *data;
	size_t size;
	int r;

	cc_floor_name(volume, index, name);
	r = cc_store_errno(cc_store_get(s, name, TEXT_MAX, &data, &size, err, errlen));
	if (r)
		return r == -ENOENT ? -EIO : r;
	memcpy(text, data, size);
	text[size] = '\0';
	free(data);
	if (strlen(text) != size || !parse_floor(text, &got) || got.number < f->number) {
		snprintf(err, errlen, "%s: expected the number of a commit, then lines of a term and a number", name);
		return -EBADMSG;
	}
	*f = got;
	return 0;
}

int cc_volume_floor_read(struct cc_store *s, const uint8_t volume[16], unsigned int parallel, struct cc_volume_floor *f,
			 char *err, size_t errlen)
{
	struct cc_numbered n = numbered_floors(s, volume, parallel);
	uint64_t last;
	int r = cc_numbered_last(&n, f->index, &last, err, errlen);

	return r || last == f->index ? r : get_floor(s, volume, last, f, err, errlen);
}

bool cc_volume_floor_is_same(const struct cc_volume_floor *a, const struct cc_volume_floor *b)
{
	return a->number == b->number && a->nr_forks == b->nr_forks &&
	       !memcmp(a->forks, b->forks, a->nr_forks * sizeof(*a->forks));
}

int cc_volume_floor_create(struct cc_store *s, const uint8_t volume[16], struct cc_volume_floor *f, char *err,
			   size_t errlen)
{
	struct cc_volume_floor there = { 0 };
	char name[CC_OBJECT_NAME_MAX], text[TEXT_MAX];
	size_t size = write_floor(f, text);
	int r;

	cc_floor_name(volume, f->index + 1, name);
	r = cc_store_errno(cc_store_create(s, name, text, size, err, errlen));
	if (r && r != -EEXIST)
		return -EIO;
	/* It may be ours, if the answer to a first attempt was lost. */
	if (r)
		r = get_floor(s, volume, f->index + 1, &there, err, errlen);
	if (r)
		return r;
	if (there.index && !cc_volume_floor_is_same(&there, f)) {
		snprintf(err, errlen, "%s: another gc has made it", name);
		return -ESTALE;
	}
	f->index++;
	return 0;
}

uint64_t cc_volume_floor_of_term(const struct cc_volume_floor *f, uint32_t term)
{
	for (unsigned int i = 0; i < f->nr_forks; i++)
		if (f->forks[i].term >= term)
			return f->forks[i].number;
	return f->index ? f->number : 1;
}
