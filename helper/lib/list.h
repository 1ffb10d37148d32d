/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intrusive, circular, doubly linked list.  The head is a node of its own; a node that is in no
 * list points at itself, so that unlinking it again is harmless.
 */
#ifndef CC_LIST_H
#define CC_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct cc_list {
	struct cc_list *next, *prev;
};

#define cc_list_entry(node, type, member) \
	((type *)((char *)(node) - offsetof(type, member)))
#define cc_list_each(node, head) \
	for (struct cc_list *node = (head)->next; node != (head); node = node->next)
/* The loop's body may unlink node, and nothing else. */
#define cc_list_each_safe(node, head) \
	for (struct cc_list *node = (head)->next, *node##_next = node->next; node != (head); \
	     node = node##_next, node##_next = node->next)

static inline void cc_list_init(struct cc_list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool cc_list_empty(const struct cc_list *l)
{
	return l->next == l;
}

static inline void cc_list_add_tail(struct cc_list *head, struct cc_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void cc_list_del(struct cc_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	cc_list_init(node);
}

#endif
