/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lists of slots, linked by their numbers and not by pointers: a slot is in at most one.  Pure
 * code: no kernel services, so that it also builds in user space.  The caller serialises all
 * calls and says where the link of a slot is.
 */
#ifndef CC_SLOT_LIST_H
#define CC_SLOT_LIST_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;
#endif

#define CC_NIL	(~(u32)0)

/* A slot's place in its list. */
struct cc_link {
	u32 prev, next;
};

struct cc_list {
	u32 head, tail;		/* CC_NIL if empty; entries leave at the tail */
	u32 nr;
};

typedef struct cc_link *cc_link_fn(void *ctx, u32 n);

void cc_list_init(struct cc_list *l);
void cc_list_add_head(struct cc_list *l, cc_link_fn *link_of, void *ctx, u32 n);
void cc_list_del(struct cc_list *l, cc_link_fn *link_of, void *ctx, u32 n);

#endif
