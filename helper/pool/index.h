/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index: what the helper knows of each chunk, by (domain, chunk ID) and by slot.  One object
 * for each chunk that is cached, wanted, or failed lately; that there is only one is what makes
 * every chunk be fetched once at a time, whoever asks.
 *
 * States of a chunk, and what holds in each (fill: struct cc_fill, see fill.h):
 *
 *	state		slot			buf			fill
 *	ABSENT		none			none			none
 *	CANDIDATE	may hold the bytes	none			none
 *	WANTED		none or candidate	none			yes
 *	ADOPTING	FILLING, being read	busy: device		yes
 *	FETCHING	none			busy: fetch engine	yes
 *	FETCHED		none			busy, verified		yes
 *	WRITING		FILLING			busy, verified: device	yes
 *	CACHED		VALID, or was lately	none or idle		none
 *	MEMORY		none			idle			none
 *	FAILED		none			none			none
 *
 *	ABSENT -> CANDIDATE, CACHED	[session start]
 *	ABSENT, CANDIDATE, CACHED, FAILED -> WANTED	[a miss]
 *	MEMORY -> FETCHED		[a miss]
 *	WANTED -> ADOPTING, FETCHING	[there is a buffer]
 *	ADOPTING -> CACHED, MEMORY, FETCHING	[the hash is right and the kernel took it, or did not;
 *					or the hash is wrong]
 *	FETCHING -> FETCHED, FAILED, WANTED	[fetched, not to be had, try again]
 *	FETCHED -> WRITING, MEMORY	[there is a slot, or none in time]
 *	WRITING -> CACHED, MEMORY	[written and taken by the kernel, or not]
 *	CACHED -> MEMORY		[the slot is gone, its bytes are still here]
 *	any -> ABSENT			[forgotten]
 */
#ifndef CC_INDEX_H
#define CC_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include "chunkcache/format.h"

enum cc_chunk_state {
	CC_CHUNK_ABSENT,
	CC_CHUNK_CANDIDATE,
	CC_CHUNK_WANTED,
	CC_CHUNK_ADOPTING,
	CC_CHUNK_FETCHING,
	CC_CHUNK_FETCHED,
	CC_CHUNK_WRITING,
	CC_CHUNK_CACHED,
	CC_CHUNK_MEMORY,
	CC_CHUNK_FAILED,
	CC_CHUNK_NR_STATES
};

#define CC_NO_SLOT UINT32_MAX

struct cc_buf;
struct cc_failure;
struct cc_fill;

struct cc_chunk {
	struct cc_chunk *next;		/* of its hash bucket; the index's */
	uint64_t domain;
	uint8_t id[CC_ID_SIZE];
	uint32_t slot;			/* CC_NO_SLOT: none; set by cc_index_bind() */
	uint32_t gen;
	enum cc_chunk_state state;	/* set by cc_index_set_state() */
	struct cc_buf *buf;
	struct cc_fill *fill;
	struct cc_failure *failure;	/* FAILED only; see fill-impl.h */
	uint64_t unread_of;		/* disk that it was prefetched for, until it is read; 0: none */
	bool unread_allowed;		/* with unread_of: counted in that disk's allowance */
	uint64_t fetch_ns;		/* with unread_of: how long the fetch took */
};

struct cc_index;

int cc_index_open(uint64_t nr_slots, struct cc_index **ret_index);
/* Frees all chunks; what their buf and fill point at is the caller's. */
void cc_index_close(struct cc_index *x);
/* fn is called for each chunk that loses its slot with unread_of set, which it clears. */
typedef void cc_index_unread_fn(void *arg, struct cc_chunk *chunk);
void cc_index_on_unread(struct cc_index *x, cc_index_unread_fn *fn, void *arg);

struct cc_chunk *cc_index_find(struct cc_index *x, uint64_t domain, const uint8_t id[CC_ID_SIZE]);
/* The same, made in state ABSENT if there was none; NULL: no memory. */
struct cc_chunk *cc_index_get(struct cc_index *x, uint64_t domain, const uint8_t id[CC_ID_SIZE]);
/* Who is bound to slot, or NULL. */
struct cc_chunk *cc_index_at(struct cc_index *x, uint32_t slot);

/* The one place that writes a state.  A transition that is not in the table above aborts. */
void cc_index_set_state(struct cc_index *x, struct cc_chunk *chunk, enum cc_chunk_state state);
/* The chunk holds the slot from now on; who held it before is unbound, and forgotten if that slot was all it had. */
void cc_index_bind(struct cc_index *x, struct cc_chunk *chunk, uint32_t slot, uint32_t gen);
void cc_index_unbind(struct cc_index *x, struct cc_chunk *chunk);
/* The kernel said that slot is not VALID at gen any more: who was CACHED there is in MEMORY, or forgotten. */
void cc_index_slot_gone(struct cc_index *x, uint32_t slot, uint32_t gen);
/* To ABSENT, and free it.  It has no fill and no buffer. */
void cc_index_forget(struct cc_index *x, struct cc_chunk *chunk);

/* fn must not add or forget chunks. */
typedef void cc_index_fn(void *arg, struct cc_chunk *chunk);
void cc_index_each(struct cc_index *x, cc_index_fn *fn, void *arg);
uint64_t cc_index_count(const struct cc_index *x, enum cc_chunk_state state);
const char *cc_chunk_state_name(enum cc_chunk_state state);

#endif
