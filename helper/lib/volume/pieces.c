// SPDX-License-Identifier: GPL-2.0-or-later
/* Pieces in a sorted array: commits append to its end, but for those of the cleaner. */
#include "pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"

/* The number of pieces whose places are below place. */
static size_t pieces_below(const struct cc_pieces *p, uint64_t place)
{
	size_t low = 0, high = p->nr;

	if (p->nr && p->all[p->nr - 1].place < place)
		return p->nr;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->all[middle].place < place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A position. */
static uint64_t piece_end(const struct cc_piece *piece)
{
	return cc_place_position(piece->place) + piece->count;
}

static int make_piece_room(struct cc_pieces *p)
{
	size_t room = p->room ? p->room * 2 : 64;
	struct cc_piece *all;

	if (p->nr < p->room)
		return 0;
	all = reallocarray(p->all, room, sizeof(*all));
	if (!all)
		return -ENOMEM;
	p->all = all;
	p->room = room;
	return 0;
}

/* ---- pages ---- */

uint64_t cc_pieces_page(uint64_t place)
{
	return place >> (CC_PLACE_LOG_SHIFT + CC_PAGE_LOGS_SHIFT);
}

size_t cc_pieces_of_page(const struct cc_pieces *p, uint64_t page, const struct cc_piece **ret)
{
	size_t from = pieces_below(p, page << (CC_PLACE_LOG_SHIFT + CC_PAGE_LOGS_SHIFT)), nr = 0;

	*ret = p->nr ? p->all + from : NULL;
	while (from + nr < p->nr && cc_pieces_page(p->all[from + nr].place) == page)
		nr++;
	return nr;
}

/* Mostly it is the last one that there is. */
static int page_changes(struct cc_pieces *p, uint64_t place)
{
	uint64_t page = cc_pieces_page(place), *all;
	size_t at = p->nr_changed, room = p->changed_room ? p->changed_room * 2 : 16;

	while (at && p->changed[at - 1] > page)
		at--;
	if (at && p->changed[at - 1] == page)
		return 0;
	if (p->nr_changed == p->changed_room) {
		all = reallocarray(p->changed, room, sizeof(*all));
		if (!all)
			return -ENOMEM;
		p->changed = all;
		p->changed_room = room;
	}
	memmove(&p->changed[at + 1], &p->changed[at], (p->nr_changed - at) * sizeof(*p->changed));
	p->changed[at] = page;
	p->nr_changed++;
	return 0;
}

void cc_pieces_saved(struct cc_pieces *p)
{
	p->nr_changed = 0;
}

int cc_pieces_add(struct cc_pieces *p, const struct cc_piece *piece)
{
	size_t at = pieces_below(p, piece->place);
	const struct cc_piece *of;

	if (at && piece_end(&p->all[at - 1]) > cc_place_position(piece->place))
		return -EEXIST;
	if (at < p->nr && piece_end(piece) > cc_place_position(p->all[at].place))
		return -EEXIST;
	if (cc_pieces_of(p, piece->place, &of) == CC_PIECES_MAX)
		return -E2BIG;
	if (make_piece_room(p) || page_changes(p, piece->place))
		return -ENOMEM;
	memmove(&p->all[at + 1], &p->all[at], (p->nr - at) * sizeof(*p->all));
	p->all[at] = *piece;
	p->nr++;
	return 0;
}

size_t cc_pieces_of(const struct cc_pieces *p, uint64_t place, const struct cc_piece **ret)
{
	uint64_t key = cc_place_log_key(place);
	size_t from = pieces_below(p, key), nr = 0;

	*ret = p->nr ? p->all + from : NULL;
	while (from + nr < p->nr && cc_place_log_key(p->all[from + nr].place) == key)
		nr++;
	return nr;
}

/* ---- what is dead ---- */

struct life {
	const struct cc_pieces *of;
	bool *live;			/* for each piece */
};

static int see_live(void *arg, const struct cc_vmap_extent *e)
{
	struct life *life = arg;
	const struct cc_pieces *p = life->of;
	uint64_t at = cc_place_position(e->place);
	size_t i;

	if (!cc_place_is_data(e->place))
		return 0;
	i = pieces_below(p, e->place);
	i -= i && piece_end(&p->all[i - 1]) > at;
	for (; i < p->nr && cc_place_position(p->all[i].place) < at + e->count; i++)
		life->live[i] = true;
	return 0;
}

static bool may_go(const struct cc_piece *piece, uint32_t own_term)
{
	return piece->count ? piece->dead || !own_term : !own_term;
}

static bool same_log_chunk(const struct cc_piece *a, const struct cc_piece *b)
{
	return cc_place_log_key(a->place) == cc_place_log_key(b->place);
}

/* Of its log chunk no piece is left: its number is needed as long as the term goes on. */
static bool keeps_number(const struct cc_piece *first, uint32_t own_term)
{
	return own_term && cc_log_term(cc_place_number(first->place)) < own_term;
}

/* The pieces of one log chunk, to where they belong; returns how many are left. */
static size_t keep_live(struct cc_pieces *p, const bool *live, size_t first, size_t end, size_t to, uint32_t own_term)
{
	struct cc_piece number = { .place = cc_place_log_key(p->all[first].place) | CC_PLACE_DATA };
	bool keep_number = keeps_number(&p->all[first], own_term);
	size_t kept = 0;

	for (size_t i = first; i < end; i++) {
		struct cc_piece piece = p->all[i];

		if (!live[i] && may_go(&piece, own_term)) {
			p->dropped++;
			continue;
		}
		piece.dead = !live[i];
		p->all[to + kept++] = piece;
	}
	if (!kept && keep_number)
		p->all[to + kept++] = number;
	return kept;
}

int cc_pieces_drop_dead(struct cc_pieces *p, const struct cc_vmap *map, uint32_t own_term)
{
	struct life life = { .of = p, .live = calloc(p->nr + 1, sizeof(bool)) };
	size_t to = 0;
	int r = 0;

	if (!life.live)
		return -ENOMEM;
	cc_vmap_each(map, see_live, &life);
	for (size_t first = 0, end; first < p->nr; first = end) {
		uint64_t place = p->all[first].place;
		unsigned int dropped = p->dropped;

		for (end = first + 1; end < p->nr && same_log_chunk(&p->all[first], &p->all[end]); end++)
			;
		to += keep_live(p, life.live, first, end, to, own_term);
		if (p->dropped != dropped && page_changes(p, place))
			r = -ENOMEM;
	}
	p->nr = to;
	free(life.live);
	return r;
}

int cc_pieces_begin_term(struct cc_pieces *p)
{
	size_t kept = 0;
	int r = 0;

	for (size_t i = 0; i < p->nr; i++) {
		if (p->all[i].count)
			p->all[kept++] = p->all[i];
		else if (page_changes(p, p->all[i].place))
			r = -ENOMEM;
	}
	p->dropped += p->nr - kept;
	p->nr = kept;
	return r;
}

int cc_pieces_copy(const struct cc_pieces *p, struct cc_pieces *to)
{
	struct cc_piece *all = calloc(p->nr + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	for (size_t i = 0; i < p->nr; i++)
		all[i] = p->all[i];
	cc_pieces_free(to);
	*to = (struct cc_pieces){ .all = all, .nr = p->nr, .room = p->nr + 1, .dropped = p->dropped };
	return 0;
}

void cc_pieces_free(struct cc_pieces *p)
{
	free(p->all);
	free(p->changed);
	*p = (struct cc_pieces){ 0 };
}
