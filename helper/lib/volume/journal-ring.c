// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading the ring; see journal-ring.h.  The chain is followed from its newest page back, and read forward: all
 * that has to be remembered of it is where a page is not preceded by the one of the number before.
 */
#include "journal-ring.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW		128u		/* positions that are read at once: 1 MiB */
#define TRIES		5		/* of a page that is being written */

/* Page number is preceded by prev, and those between were never durable. */
struct chain_gap {
	uint64_t number, prev;
};

struct cc_journal_ring {
	uint8_t uuid[16];
	uint64_t nr_positions;
	cc_journal_read_fn *read;
	void *arg;
	uint8_t *window;
	uint64_t window_at;		/* first position in it */
	unsigned int window_nr;		/* positions; 0: nothing is in it */

	uint64_t first, newest;		/* of the chain; 0: none */
	struct chain_gap *gaps;		/* by number, falling */
	size_t nr_gaps, max_gaps;
	uint64_t next;			/* page to be handed out; 0: all were */
	size_t next_gap;		/* gaps behind it that were passed, from the end */
	char why[160];
};

static __attribute__((format(printf, 3, 4)))
int because(struct cc_journal_ring *r, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
	return error;
}

int cc_journal_ring_open(const uint8_t uuid[16], uint64_t size, cc_journal_read_fn *read, void *arg,
			 struct cc_journal_ring **ret_ring)
{
	struct cc_journal_ring *r = calloc(1, sizeof(*r));
	void *window;

	if (!r || posix_memalign(&window, CC_JOURNAL_PAGE, WINDOW * CC_JOURNAL_POSITION)) {
		free(r);
		return -ENOMEM;
	}
	memcpy(r->uuid, uuid, sizeof(r->uuid));
	r->nr_positions = size / CC_JOURNAL_POSITION;
	r->read = read;
	r->arg = arg;
	r->window = window;
	*ret_ring = r;
	return 0;
}

void cc_journal_ring_close(struct cc_journal_ring *r)
{
	if (!r)
		return;
	free(r->window);
	free(r->gaps);
	free(r);
}

/* ---- positions ---- */

static int load_window(struct cc_journal_ring *r, uint64_t at, unsigned int nr)
{
	int error = r->read(r->arg, r->window, (size_t)nr * CC_JOURNAL_POSITION, at * CC_JOURNAL_POSITION);

	r->window_at = at;
	r->window_nr = error ? 0 : nr;
	return error;
}

/* The two places of a position; what is beside it, which is asked for next, is read along if that can be read. */
static int load_position(struct cc_journal_ring *r, uint64_t position, bool backward, const uint8_t **ret_places)
{
	uint64_t at = position, nr = r->nr_positions - position;

	if (backward) {
		nr = position + 1 < WINDOW ? position + 1 : WINDOW;
		at = position + 1 - nr;
	}
	if (position < r->window_at || position >= r->window_at + r->window_nr) {
		int error = load_window(r, at, (unsigned int)(nr < WINDOW ? nr : WINDOW));

		if (error)
			error = load_window(r, position, 1);
		if (error)
			return error;
	}
	*ret_places = r->window + (position - r->window_at) * CC_JOURNAL_POSITION;
	return 0;
}

/* Is it a page, and in the place where one of its number and version has to be? */
static bool take_place(const struct cc_journal_ring *r, const uint8_t *places, uint64_t position, unsigned int place,
		       struct cc_journal_head *ret_head)
{
	return !cc_journal_page_check(places + place * CC_JOURNAL_PAGE, r->uuid, ret_head) &&
	       ret_head->number % r->nr_positions == position && ret_head->version % 2 == place;
}

/* Version of the page of that number in each of its places; the higher one counts.  NULL: none. */
static const uint8_t *pick_version(const struct cc_journal_ring *r, const uint8_t *places, uint64_t number,
				   struct cc_journal_head *ret_head)
{
	const uint8_t *best = NULL;
	struct cc_journal_head h;

	for (unsigned int place = 0; place < 2; place++) {
		if (!take_place(r, places, number % r->nr_positions, place, &h) || h.number != number)
			continue;
		if (!best || h.version > ret_head->version) {
			best = places + place * CC_JOURNAL_PAGE;
			*ret_head = h;
		}
	}
	return best;
}

/* While the kernel writes there may be moments in which neither place can be read whole. */
static int load_page(struct cc_journal_ring *r, uint64_t number, bool backward, struct cc_journal_head *ret_head,
		     const uint8_t **ret_page)
{
	uint64_t position = number % r->nr_positions;

	for (unsigned int i = 0; i < TRIES; i++) {
		const uint8_t *places;
		int error = load_position(r, position, backward, &places);

		if (error)
			return because(r, error, "page %" PRIu64 " can't be read: %s", number, strerror(-error));
		*ret_page = pick_version(r, places, number, ret_head);
		if (*ret_page)
			return 0;
		r->window_nr = 0;
	}
	return because(r, -EBADMSG, "page %" PRIu64 " is not there or damaged", number);
}

/* ---- the newest page ---- */

static void note_page(struct cc_journal_found *f, const struct cc_journal_head *h, bool counts)
{
	if (h->number > f->highest)
		f->highest = h->number;
	if (counts && h->number > f->newest)
		f->newest = h->number;
}

int cc_journal_ring_scan(struct cc_journal_ring *r, struct cc_journal_found *ret_found)
{
	struct cc_journal_found f = { 0, 0 };

	r->window_nr = 0;
	for (uint64_t position = 0; position < r->nr_positions; position++) {
		const uint8_t *places;
		struct cc_journal_head h;

		if (load_position(r, position, false, &places))
			continue;
		for (unsigned int place = 0; place < 2; place++) {
			bool counts = take_place(r, places, position, place, &h);

			if (counts || !cc_journal_page_check(places + place * CC_JOURNAL_PAGE, r->uuid, &h))
				note_page(&f, &h, counts);
		}
	}
	if (f.highest >= CC_JOURNAL_NUMBER_MAX)
		return because(r, -ERANGE, "a page has the number %" PRIu64 ", behind which there are none", f.highest);
	*ret_found = f;
	return 0;
}

/* ---- the chain ---- */

static int add_gap(struct cc_journal_ring *r, uint64_t number, uint64_t prev)
{
	struct chain_gap *gaps;

	if (r->nr_gaps == r->max_gaps) {
		size_t max = r->max_gaps ? 2 * r->max_gaps : 16;

		gaps = realloc(r->gaps, max * sizeof(*gaps));
		if (!gaps)
			return because(r, -ENOMEM, "out of memory");
		r->gaps = gaps;
		r->max_gaps = max;
	}
	r->gaps[r->nr_gaps++] = (struct chain_gap) { number, prev };
	return 0;
}

/*
 * A page that counts may be behind the newest that was found: the next, or, if the writes of some failed, one of those
 * behind that.  0: none was found.
 */
static int check_behind(struct cc_journal_ring *r, uint64_t newest)
{
	struct cc_journal_head h = { .tail = 1 };
	const uint8_t *page, *places;
	int error = newest ? load_page(r, newest, true, &h, &page) : 0;

	for (uint64_t n = newest + 1; !error && n <= newest + CC_JOURNAL_TRIES && n - h.tail < r->nr_positions; n++) {
		error = load_position(r, n % r->nr_positions, false, &places);
		if (error)
			because(r, error, "page %" PRIu64 ", if there is one, can't be read: %s", n, strerror(-error));
	}
	return error;
}

static int walk_back(struct cc_journal_ring *r, uint64_t newest, uint64_t from)
{
	struct cc_journal_head h;
	const uint8_t *page;
	uint64_t number = newest;
	int error = load_page(r, number, true, &h, &page);

	if (!error && !from)
		from = h.tail;
	if (!error && newest - from >= r->nr_positions)
		return because(r, -ERANGE, "pages %" PRIu64 " to %" PRIu64 " are more than the ring has", from, newest);
	while (!error && h.prev && h.prev >= from) {
		if (h.prev != number - 1)
			error = add_gap(r, number, h.prev);
		number = h.prev;
		if (!error)
			error = load_page(r, number, true, &h, &page);
	}
	if (error)
		return error;
	r->first = number;
	r->newest = newest;
	return 0;
}

int cc_journal_ring_walk(struct cc_journal_ring *r, uint64_t newest, uint64_t from, bool scanned)
{
	int error = 0;

	r->first = 0;
	r->newest = 0;
	r->nr_gaps = 0;
	r->window_nr = 0;
	r->why[0] = 0;
	if (scanned)
		error = check_behind(r, newest);
	if (newest && !error)
		error = walk_back(r, newest, from);
	cc_journal_ring_rewind(r);
	return error;
}

void cc_journal_ring_rewind(struct cc_journal_ring *r)
{
	r->next = r->first;
	r->next_gap = r->nr_gaps;
}

static void pass_page(struct cc_journal_ring *r)
{
	if (r->next == r->newest) {
		r->next = 0;
		return;
	}
	if (r->next_gap && r->gaps[r->next_gap - 1].prev == r->next)
		r->next = r->gaps[--r->next_gap].number;
	else
		r->next++;
}

int cc_journal_ring_next(struct cc_journal_ring *r, struct cc_journal_head *ret_head, const void **ret_page)
{
	const uint8_t *page;
	int error;

	if (!r->next)
		return 0;
	error = load_page(r, r->next, false, ret_head, &page);
	if (error)
		return error;
	*ret_page = page;
	pass_page(r);
	return 1;
}

uint64_t cc_journal_ring_first(const struct cc_journal_ring *r)
{
	return r->first;
}

const char *cc_journal_ring_why(const struct cc_journal_ring *r)
{
	return r->why;
}
