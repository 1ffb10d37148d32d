/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a pool's journal says of its volumes: of each all that no store has, or that no COMMITTED says so of.
 * Records may come again, and in any order but that of OPEN and WRITE, CUT and COMMITTED of one volume.  For
 * one thread at a time.
 *
 * Handles are bound before anything is applied that uses them (cc_journal_state_bind()): a VOLUME record that was
 * appended anew is behind records that need it.
 */
#ifndef CC_JOURNAL_STATE_H
#define CC_JOURNAL_STATE_H

#include <stdbool.h>
#include "journal-page.h"
#include "list.h"

/* A WRITE, ZERO or RELOCATE whose place is not below what is committed. */
struct cc_journal_write {
	struct chunkcache_record r;
	uint64_t page;			/* number of the page it was last seen in */
};

/* A log chunk that is not wholly committed, or not known to be. */
struct cc_journal_log {
	uint64_t key;			/* cc_place_log_key() */
	uint32_t slot;
	uint32_t gen;			/* in that instance of the pool */
	uint64_t instance;
	uint64_t page;			/* of its OPEN */
};

struct cc_journal_volume {
	struct cc_list node;
	uint8_t uuid[16];
	uint16_t handle;		/* the last one that it had */
	uint32_t term;
	uint64_t named;			/* page of its newest VOLUME record */
	uint64_t committed;		/* all places of the guest below are in the store */
	uint64_t cut;			/* all below have ended: the newest CUT; 0: none */
	uint64_t *cuts;			/* those above committed, ascending: here pieces end */
	size_t nr_cuts, max_cuts;
	struct cc_journal_write *writes; /* in the order of the journal */
	size_t nr_writes, max_writes;
	struct cc_journal_log *logs;	/* by key, ascending */
	size_t nr_logs, max_logs;
	uint64_t dirty_blocks;		/* data in writes */
};

struct cc_journal_state {
	struct cc_list volumes;
	struct cc_journal_volume **by_handle;	/* 65536 */
	char why[160];
};

int cc_journal_state_open(struct cc_journal_state *s);
void cc_journal_state_close(struct cc_journal_state *s);

/* The VOLUME records of a page.  -EBADMSG: a handle of two volumes, or a record that can't be; -ENOMEM. */
int cc_journal_state_bind(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page);
/* All records of a page; why has a line after an error, and some records may have been applied. */
int cc_journal_state_apply(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page);

struct cc_journal_volume *cc_journal_state_find(struct cc_journal_state *s, const uint8_t uuid[16]);
/* NULL: v has no such log chunk that is not wholly committed. */
struct cc_journal_log *cc_journal_volume_log(struct cc_journal_volume *v, uint64_t key);
/* Is there data in the log chunk that no commit has? */
bool cc_journal_log_is_dirty(const struct cc_journal_volume *v, const struct cc_journal_log *log);
/* The store says so, too: as COMMITTED. */
void cc_journal_volume_committed(struct cc_journal_volume *v, uint64_t place);
/* The oldest page that has something that counts of v; UINT64_MAX: nothing. */
uint64_t cc_journal_volume_tail(const struct cc_journal_volume *v);
/* Of all; with their VOLUME records, which can be appended anew, or without. */
uint64_t cc_journal_state_tail(const struct cc_journal_state *s, bool with_names);

#endif
