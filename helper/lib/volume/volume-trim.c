// SPDX-License-Identifier: GPL-2.0-or-later
/* Commits that nobody needs any more; see volume-trim.h. */
#include "volume-trim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BEFORE_MAX 64			/* objects that don't count, between an OPEN and what it was built on */

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct cc_trim_commit *)a)->number, y = ((const struct cc_trim_commit *)b)->number;

	return x < y ? -1 : x > y;
}

/* 0: it is there; -ENOENT: it has gone meanwhile. */
static int get_commit(struct cc_volume_log *l, uint64_t number, struct cc_commit *ret, char *err, size_t errlen)
{
	int r = cc_volume_log_get(l, number, ret, err, errlen);

	if (!r)
		cc_commit_free(ret);
	return r;
}

/*
 * Keeps what open, which is number i of them, was built on, and what is in between.  *ret_before: that; number 0: it
 * was not found, so open was made by one who had read the log long before.
 */
static int keep_before(struct cc_volume_log *l, struct cc_trim *t, size_t i, const struct cc_commit *open,
		       struct cc_commit *ret_before, char *err, size_t errlen)
{
	ret_before->number = 0;
	for (unsigned int n = 0; n < BEFORE_MAX && i && t->all[i - 1].number + 1 == t->all[i].number; n++) {
		struct cc_commit c;
		int r = get_commit(l, t->all[--i].number, &c, err, errlen);

		if (r)
			return r == -ENOENT ? 0 : r;
		t->all[i].keep = true;
		if (memcmp(c.digest, open->before, sizeof(c.digest)))
			continue;
		*ret_before = c;
		break;
	}
	return 0;
}

/* Was it taken from one who may have more than is in the log? */
static bool is_take_over(const struct cc_commit *before, const struct cc_commit *open)
{
	return before->number > 1 && before->type != CC_COMMIT_CLOSE &&
	       memcmp(before->owner, open->owner, sizeof(open->owner));
}

/* Is all from number on still there? */
static bool is_whole_from(const struct cc_volume_floor *floor, uint64_t number)
{
	for (unsigned int i = 0; i < floor->nr_forks; i++)
		if (floor->forks[i].number == number)
			return true;
	return number >= floor->number;
}

static int keep_fork(const struct cc_volume_log *l, struct cc_trim *t, const struct cc_commit *before,
		     const struct cc_commit *open)
{
	struct cc_volume_floor *f = &t->floor;
	uint64_t from = open->map_number ? open->map_number : 1;

	if (!is_whole_from(&l->floor, from))
		return 0;
	if (f->nr_forks == CC_FLOOR_FORKS_MAX)
		return -E2BIG;
	if (!f->nr_forks || f->forks[f->nr_forks - 1].term < before->term)
		f->forks[f->nr_forks++] = (struct cc_floor_fork){ .term = before->term, .number = from };
	for (size_t i = 0; i < t->nr; i++)
		t->all[i].keep |= t->all[i].number >= from && t->all[i].number <= open->number;
	return 0;
}

/* Only what has no pieces and no records can be an OPEN: its size tells that. */
static int look_at_commit(struct cc_volume_log *l, struct cc_trim *t, size_t i, int64_t forks_since, char *err,
			  size_t errlen)
{
	struct cc_commit c, before;
	int r;

	if (t->all[i].size != cc_commit_data_offset(0, 0))
		return 0;
	r = get_commit(l, t->all[i].number, &c, err, errlen);
	if (r || c.type != CC_COMMIT_OPEN)
		return r == -ENOENT ? 0 : r;
	t->all[i].keep = true;
	r = keep_before(l, t, i, &c, &before, err, errlen);
	if (!r && is_take_over(&before, &c) && t->all[i].time >= forks_since)
		r = keep_fork(l, t, &before, &c);
	return r;
}

int cc_volume_trim(struct cc_volume_log *l, struct cc_trim *t, int64_t forks_since, char *err, size_t errlen)
{
	bool all_stay = true;
	int r = 0;

	t->floor = (struct cc_volume_floor){ .index = l->floor.index, .number = l->last.map_number };
	if (t->floor.number < l->floor.number)
		t->floor = l->floor;
	if (t->nr)
		qsort(t->all, t->nr, sizeof(*t->all), by_number);
	for (size_t i = 0; i < t->nr; i++)
		t->all[i].keep |= t->all[i].number >= t->floor.number;
	for (size_t i = 0; !r && i < t->nr && t->all[i].number < t->floor.number; i++)
		r = look_at_commit(l, t, i, forks_since, err, errlen);
	for (size_t i = 0; i < t->nr; i++) {
		t->all[i].keep |= r != 0;
		all_stay &= t->all[i].keep;
	}
	t->raise = !all_stay && !cc_volume_floor_is_same(&t->floor, &l->floor);
	return r == -E2BIG ? 0 : r;
}
