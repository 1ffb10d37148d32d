/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Replacement policy: which VALID slot goes next.  Pure code: no kernel services, so that it
 * also builds in user space.  The caller serialises all calls (the pool's slot lock).
 *
 * A hit only sets a byte, and only if it is clear; the policy looks at the bytes when it needs a
 * victim.  Slots are linked by their numbers, not by pointers.
 */
#ifndef CC_POLICY_H
#define CC_POLICY_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
typedef uint32_t u32;
typedef uint8_t u8;
#endif

#define CC_NIL	(~(u32)0)

/* A slot's place in one of the lists; a slot is in at most one. */
struct cc_link {
	u32 prev, next;
};

/* Where the caller keeps what the policy knows of slot n. */
struct cc_policy_ops {
	struct cc_link *(*link)(void *ctx, u32 n);
	u8 *(*hit)(void *ctx, u32 n);	/* set by hits without a lock, cleared by the policy */
	u8 *(*list)(void *ctx, u32 n);	/* the policy's own: which list it is in */
};

struct cc_list {
	u32 head, tail;		/* CC_NIL if empty; entries leave at the tail */
	u32 nr;
};

void cc_list_init(struct cc_list *l);
void cc_list_add_head(struct cc_list *l, const struct cc_policy_ops *ops, void *ctx, u32 n);
void cc_list_del(struct cc_list *l, const struct cc_policy_ops *ops, void *ctx, u32 n);

/*
 * CLOCK: slots leave in the order they came, but one that was hit since goes round again.
 * Slots that were prefetched and never hit leave before all others.
 */
struct cc_policy {
	const struct cc_policy_ops *ops;
	void *ctx;
	struct cc_list main;
	struct cc_list ahead;	/* prefetched */
};

void cc_policy_init(struct cc_policy *p, const struct cc_policy_ops *ops, void *ctx);
/* n became VALID. */
void cc_policy_insert(struct cc_policy *p, u32 n, bool prefetched);
/* n leaves for another reason than eviction. */
void cc_policy_remove(struct cc_policy *p, u32 n);
/* Takes the next victim out; CC_NIL if there is none. */
u32 cc_policy_evict(struct cc_policy *p);

#endif
