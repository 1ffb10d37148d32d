/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pieces of a volume's log chunks: where in the store the bytes of a log chunk are.  In ascending order of
 * their places, none on another.  Not locked.
 */
#ifndef CC_PIECES_H
#define CC_PIECES_H

#include "commit.h"

struct cc_pieces {
	struct cc_piece *all;
	size_t nr, room;
};

/* -EEXIST: on one that is there; -E2BIG: more than CC_PIECES_MAX of one log chunk; -ENOMEM. */
int cc_pieces_add(struct cc_pieces *p, const struct cc_piece *piece);
/* Those of the log chunk that place is in: their number, the first in *ret. */
size_t cc_pieces_of(const struct cc_pieces *p, uint64_t place, const struct cc_piece **ret);
void cc_pieces_free(struct cc_pieces *p);

#endif
