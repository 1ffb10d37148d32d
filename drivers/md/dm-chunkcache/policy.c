// SPDX-License-Identifier: GPL-2.0-only
/* Replacement policy and the lists of slots by number.  Pure code, see policy.h. */
#include "policy.h"

#ifdef __KERNEL__
#include <linux/compiler.h>
#else
#define READ_ONCE(x)		(x)
#define WRITE_ONCE(x, v)	((x) = (v))
#endif

enum { LIST_NONE, LIST_MAIN, LIST_AHEAD };

#define MAX_CHANCES	1024

void cc_list_init(struct cc_list *l)
{
	l->head = l->tail = CC_NIL;
	l->nr = 0;
}

void cc_list_add_head(struct cc_list *l, const struct cc_policy_ops *ops, void *ctx, u32 n)
{
	struct cc_link *link = ops->link(ctx, n);

	link->prev = CC_NIL;
	link->next = l->head;
	if (l->head == CC_NIL)
		l->tail = n;
	else
		ops->link(ctx, l->head)->prev = n;
	l->head = n;
	l->nr++;
}

void cc_list_del(struct cc_list *l, const struct cc_policy_ops *ops, void *ctx, u32 n)
{
	struct cc_link *link = ops->link(ctx, n);

	if (link->prev == CC_NIL)
		l->head = link->next;
	else
		ops->link(ctx, link->prev)->next = link->next;
	if (link->next == CC_NIL)
		l->tail = link->prev;
	else
		ops->link(ctx, link->next)->prev = link->prev;
	l->nr--;
}

void cc_policy_init(struct cc_policy *p, const struct cc_policy_ops *ops, void *ctx)
{
	p->ops = ops;
	p->ctx = ctx;
	cc_list_init(&p->main);
	cc_list_init(&p->ahead);
}

static struct cc_list *list_of(struct cc_policy *p, u32 n)
{
	return *p->ops->list(p->ctx, n) == LIST_AHEAD ? &p->ahead : &p->main;
}

void cc_policy_insert(struct cc_policy *p, u32 n, bool prefetched)
{
	WRITE_ONCE(*p->ops->hit(p->ctx, n), 0);
	*p->ops->list(p->ctx, n) = prefetched ? LIST_AHEAD : LIST_MAIN;
	cc_list_add_head(list_of(p, n), p->ops, p->ctx, n);
}

void cc_policy_remove(struct cc_policy *p, u32 n)
{
	cc_list_del(list_of(p, n), p->ops, p->ctx, n);
	*p->ops->list(p->ctx, n) = LIST_NONE;
}

/* True and cleared if n was hit since it came here or was last looked at. */
static bool was_hit(struct cc_policy *p, u32 n)
{
	u8 *hit = p->ops->hit(p->ctx, n);

	if (!READ_ONCE(*hit))
		return false;
	WRITE_ONCE(*hit, 0);
	return true;
}

/* The oldest of the list that was not hit; hit ones go to the head of main. */
static u32 evict_from(struct cc_policy *p, struct cc_list *l)
{
	/*
	 * Hits may set bytes as fast as we clear them, and the caller holds a lock: after so
	 * many second chances the next one goes whatever it was.
	 */
	u32 left = l->nr < MAX_CHANCES ? l->nr : MAX_CHANCES;

	while (l->nr) {
		u32 n = l->tail;

		cc_policy_remove(p, n);
		if (!left || !was_hit(p, n))
			return n;
		left--;
		*p->ops->list(p->ctx, n) = LIST_MAIN;
		cc_list_add_head(&p->main, p->ops, p->ctx, n);
	}
	return CC_NIL;
}

u32 cc_policy_evict(struct cc_policy *p)
{
	u32 n = evict_from(p, &p->ahead);

	return n == CC_NIL ? evict_from(p, &p->main) : n;
}
