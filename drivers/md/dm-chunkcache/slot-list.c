// SPDX-License-Identifier: GPL-2.0-only
/* Lists of slots by number.  Pure code, see slot-list.h. */
#include "slot-list.h"

void cc_list_init(struct cc_list *l)
{
	l->head = l->tail = CC_NIL;
	l->nr = 0;
}

void cc_list_add_head(struct cc_list *l, cc_link_fn *link_of, void *ctx, u32 n)
{
	struct cc_link *link = link_of(ctx, n);

	link->prev = CC_NIL;
	link->next = l->head;
	if (l->head == CC_NIL)
		l->tail = n;
	else
		link_of(ctx, l->head)->prev = n;
	l->head = n;
	l->nr++;
}

void cc_list_del(struct cc_list *l, cc_link_fn *link_of, void *ctx, u32 n)
{
	struct cc_link *link = link_of(ctx, n);

	if (link->prev == CC_NIL)
		l->head = link->next;
	else
		link_of(ctx, link->prev)->next = link->next;
	if (link->next == CC_NIL)
		l->tail = link->prev;
	else
		link_of(ctx, link->next)->prev = link->prev;
	l->nr--;
}
