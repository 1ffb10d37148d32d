/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pieces of a volume's log chunks: where in the store the bytes of a log chunk are.  In ascending order of
 * their places, none on another.  Not locked.
 *
 * What is dead, since all of its blocks were written anew or discarded, is not in the next checkpoint but one, which
 * is some seconds later (volume-state.c): then no read can be under way that has seen it.  Who has the volume has
 * numbered the log chunks that were there when its term began (volume-load.c), and does so again when it is started
 * anew.  So one of these stays as an entry without blocks, until the next OPEN.
 */
#ifndef CC_PIECES_H
#define CC_PIECES_H

#include "commit.h"
#include "vmap.h"

struct cc_pieces {
	struct cc_piece *all;
	size_t nr, room;
	unsigned int dropped;		/* so often some were, or lost their blocks: not only added to */
	uint64_t *changed;		/* pages, since cc_pieces_saved(); ascending */
	size_t nr_changed, changed_room;
};

/* -EEXIST: on one that is there; -E2BIG: more than CC_PIECES_MAX of one log chunk; -ENOMEM. */
int cc_pieces_add(struct cc_pieces *p, const struct cc_piece *piece);
/* Those of the log chunk that place is in: their number, the first in *ret. */
size_t cc_pieces_of(const struct cc_pieces *p, uint64_t place, const struct cc_piece **ret);
/*
 * What is dead by map, and was when it was last asked, goes, before a checkpoint of own_term.  own_term 0: nobody has
 * the volume any more: all that is dead goes at once.  -ENOMEM.
 */
int cc_pieces_drop_dead(struct cc_pieces *p, const struct cc_vmap *map, uint32_t own_term);
/* A new term begins: entries without blocks go.  -ENOMEM. */
int cc_pieces_begin_term(struct cc_pieces *p);
/* to becomes a copy.  -ENOMEM: it is as it was. */
int cc_pieces_copy(const struct cc_pieces *p, struct cc_pieces *to);
/* The page of a checkpoint (chunkcache/volume.h) that has those at place; and its pieces, as cc_pieces_of(). */
uint64_t cc_pieces_page(uint64_t place);
size_t cc_pieces_of_page(const struct cc_pieces *p, uint64_t page, const struct cc_piece **ret);
/* No page has changed since. */
void cc_pieces_saved(struct cc_pieces *p);
void cc_pieces_free(struct cc_pieces *p);

#endif
