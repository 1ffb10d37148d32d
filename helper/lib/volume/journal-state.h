/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a pool's journal says of its volumes: of each all that no store has, or that no COMMITTED says so of.
 * For one thread at a time.
 *
 * A record may be behind others that need it, when it was appended anew.  So the VOLUME records of all pages that
 * count are bound before any is applied, and only then it is known whether each log chunk has its OPEN:
 *
 *	for each page: cc_journal_state_bind()
 *	for each page: cc_journal_state_apply()
 *	cc_journal_state_check()
 *
 * and again for pages that come later.
 */
#ifndef CC_JOURNAL_STATE_H
#define CC_JOURNAL_STATE_H

#include <stdbool.h>
#include "journal-page.h"
#include "list.h"

#define CC_NO_SLOT	UINT32_MAX
#define CC_NO_PAGE	UINT64_MAX

/* A WRITE or ZERO whose place is not below what is committed. */
struct cc_journal_write {
	struct chunkcache_record r;
	uint64_t page;			/* number of the page that it is in; the newest, if it was added anew */
	bool anew;			/* was added anew, and not read there yet */
};

/* A log chunk whose slot is not known to be clean: its OPEN has to stay, or who comes next doesn't find the slot. */
struct cc_journal_log {
	uint64_t key;			/* cc_place_log_key() */
	uint32_t slot;			/* CC_NO_SLOT: no OPEN was seen */
	uint32_t gen;			/* of the slot, in that instance of the pool */
	uint64_t instance;
	uint64_t page;			/* of its OPEN */
	uint64_t dirty_blocks;		/* of data in the volume's writes */
	bool committed;			/* all of it: wants SLOT_CLEAN */
};

struct cc_journal_volume {
	struct cc_list node;
	uint8_t uuid[16];
	uint16_t handle;		/* the last one that it had */
	uint32_t term;			/* the highest */
	bool runs;			/* since a VOLUME record: a device may have the handle, so its name stays.
					 * The owner of the state clears it when none has */
	uint64_t named;			/* page of its newest VOLUME record */
	uint64_t committed;		/* all places of the guest below are in the store */
	uint64_t committed_page;	/* of the newest COMMITTED that says so; 0: none */
	uint64_t cut;			/* all below have ended: the highest CUT; 0: none */
	uint64_t cut_page;		/* of the newest CUT that says so */
	uint64_t *cuts;			/* those above committed, ascending: here pieces end */
	size_t nr_cuts, max_cuts;
	struct cc_journal_write *writes; /* none twice */
	size_t nr_writes, max_writes;
	size_t nr_anew, first_anew;	/* of writes that are on their way; none of them is below first_anew */
	bool leaving;			/* FORGET was added and not read yet: nothing of it may come behind that.
					 * Who adds it sets this */
	uint64_t lowest;		/* last place of any write, if there are some */
	struct cc_journal_log *logs;	/* by key, ascending */
	size_t nr_logs, max_logs;
	uint64_t dirty_blocks;		/* of data in writes */
	uint64_t tail;			/* the oldest page that writes and logs need; 0: not known */
};

struct cc_journal_handle {
	struct cc_journal_volume *volume; /* NULL: never seen */
	uint64_t page;			/* the newest with a record of it */
	uint64_t named;			/* the newest with its VOLUME record */
	uint64_t committed;		/* the highest COMMITTED that was bound: writes below need not be kept at all */
};

struct cc_journal_state {
	struct cc_list volumes;
	struct cc_journal_handle *handles; /* 65536 */
	unsigned int nr_handles;	/* those that were seen are below */
	char why[160];
};

int cc_journal_state_open(struct cc_journal_state *s);
void cc_journal_state_close(struct cc_journal_state *s);

/* These three leave a line in why if they fail: -EBADMSG for what can't be, -EPROTO for what is not known, -ENOMEM. */
int cc_journal_state_bind(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page);
/* The page's records from first on: of one that was seen before and has grown, those that are new. */
int cc_journal_state_apply(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page,
			   unsigned int first);
/* Has each log chunk with data a slot, and each slot one log chunk? */
int cc_journal_state_check(struct cc_journal_state *s);
/* All was read, by one who knows nothing of what was added anew: then it is there twice. */
void cc_journal_state_merge(struct cc_journal_state *s);
/* A page turned out not to count: what was in it comes again with another number. */
void cc_journal_state_take_back(struct cc_journal_state *s, uint64_t page);

struct cc_journal_volume *cc_journal_state_find(struct cc_journal_state *s, const uint8_t uuid[16]);
/* A handle that no page from tail on has; 0: none. */
uint16_t cc_journal_state_free_handle(const struct cc_journal_state *s, uint64_t tail);
/* The oldest page that has something of v that no store has, or its name then; CC_NO_PAGE: none. */
uint64_t cc_journal_volume_oldest(struct cc_journal_volume *v);
/* The oldest page that is needed, if all from limit on stay. */
uint64_t cc_journal_state_tail(struct cc_journal_state *s, uint64_t limit);
/* Does the journal have something of v that counts? */
bool cc_journal_volume_is_dirty(const struct cc_journal_volume *v);
/* NULL: v has no such log chunk. */
struct cc_journal_log *cc_journal_volume_log(struct cc_journal_volume *v, uint64_t key);
/* All below place is in the store: as COMMITTED. */
void cc_journal_volume_committed(struct cc_journal_volume *v, uint64_t place);
/* w, of v, was added to the journal anew: behind all of v that was added before, in the order of writes. */
void cc_journal_volume_sent(struct cc_journal_volume *v, struct cc_journal_write *w);
/* The log chunk's slot is clean, or somebody else's by now. */
void cc_journal_volume_cleaned(struct cc_journal_volume *v, uint64_t key);

#endif
