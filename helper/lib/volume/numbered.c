// SPDX-License-Identifier: GPL-2.0-or-later
/* The last of objects that have numbers; see numbered.h. */
#include "numbered.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "parallel.h"

int cc_store_errno(enum cc_store_result r)
{
	switch (r) {
	case CC_STORE_OK:
		return 0;
	case CC_STORE_NOTFOUND:
		return -ENOENT;
	case CC_STORE_EXISTS:
		return -EEXIST;
	case CC_STORE_TOOBIG:
	case CC_STORE_CORRUPT:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

int cc_numbered_is_there(const struct cc_numbered *n, uint64_t number, bool *ret_there, char *err, size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX];
	uint64_t size;
	int r;

	n->name(n->volume, number, name);
	r = cc_store_errno(cc_store_head(n->store, name, &size, err, errlen));
	*ret_there = !r;
	return r == -ENOENT ? 0 : r;
}

struct question {
	const struct cc_numbered *of;
	uint64_t numbers[CC_PARALLEL_MAX]; /* ascending */
	bool there[CC_PARALLEL_MAX];
	int r[CC_PARALLEL_MAX];
	char err[CC_PARALLEL_MAX][300];
};

static void ask_number(void *arg, unsigned int i)
{
	struct question *q = arg;

	q->r[i] = cc_numbered_is_there(q->of, q->numbers[i], &q->there[i], q->err[i], sizeof(q->err[i]));
}

/* Moves low up to the last one that is there, high (0: not known) down to the first that is not. */
static int ask_numbers(struct question *q, unsigned int nr, uint64_t *low, uint64_t *high, char *err, size_t errlen)
{
	cc_parallel(nr, nr, ask_number, q);
	for (unsigned int i = 0; i < nr; i++) {
		if (q->r[i]) {
			snprintf(err, errlen, "%s", q->err[i]);
			return q->r[i];
		}
		if (!q->there[i]) {
			*high = q->numbers[i];
			break;
		}
		*low = q->numbers[i];
	}
	return 0;
}

/* Between low and high, or upwards in ever larger steps from base; at least one number that is not known. */
static unsigned int choose_numbers(struct question *q, uint64_t base, uint64_t low, uint64_t high)
{
	unsigned int max = q->of->parallel, nr = 0;

	if (!high) {
		uint64_t step = low > base ? (low - base) * 2 : 1, end = 1ULL << 62;
		unsigned int factor = max == 1 ? 2 : 4;

		for (; nr < max && step < end; step *= factor)
			q->numbers[nr++] = base + step;
		return nr;
	}
	if (max > high - low - 1)
		max = high - low - 1;
	for (; nr < max; nr++)
		q->numbers[nr] = low + (high - low) * (nr + 1) / (max + 1);
	return nr;
}

int cc_numbered_last(const struct cc_numbered *n, uint64_t base, uint64_t *ret_number, char *err, size_t errlen)
{
	struct question *q = malloc(sizeof(*q));
	uint64_t low = base, high = 0;
	int r = q ? 0 : -ENOMEM;

	if (q)
		q->of = n;
	while (!r && high != low + 1) {
		unsigned int nr = choose_numbers(q, base, low, high);

		if (!nr)
			break;
		r = ask_numbers(q, nr, &low, &high, err, errlen);
	}
	free(q);
	*ret_number = low;
	return r;
}
