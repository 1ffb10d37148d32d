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
	if (make_piece_room(p))
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

void cc_pieces_free(struct cc_pieces *p)
{
	free(p->all);
	*p = (struct cc_pieces){ 0 };
}
