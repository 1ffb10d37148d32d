/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the journal on a pool's device says, for people. */
#ifndef CTL_JOURNAL_READ_H
#define CTL_JOURNAL_READ_H

#include "superblock.h"
#include "volume/journal-state.h"

struct ctl_journal {
	struct cc_journal_state state;
	uint64_t first, newest;		/* numbers of the pages that count; 0: there are none */
	uint64_t nr_positions;
};

/*
 * The journal of the pool on fd, which may be up.  0 or -errno with a line in err; on success release with
 * ctl_journal_free().
 */
int ctl_journal_read(int fd, const struct cc_pool_geometry *g, struct ctl_journal *ret, char *err, size_t errlen);
void ctl_journal_free(struct ctl_journal *j);

struct ctl_dirty {
	uint64_t nr_volumes;		/* that have something that no store has */
	uint64_t bytes;			/* that they wrote since, zeros apart */
};

struct ctl_dirty ctl_journal_dirty(const struct ctl_journal *j);

#endif
