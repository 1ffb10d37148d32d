// SPDX-License-Identifier: GPL-2.0-only
/* Overlay of one volume: pages of words, leaves.  See overlay.h. */
#include "overlay.h"
#include <linux/sched.h>
#include <linux/slab.h>

static u64 nr_overlay_pages(const struct cc_overlay *o)
{
	return DIV_ROUND_UP_ULL(o->nr_chunks, CC_OVERLAY_PAGE_WORDS);
}

int cc_overlay_init(struct cc_overlay *o, u64 nr_chunks, unsigned int leaf_shift)
{
	o->nr_chunks = nr_chunks;
	o->leaf_shift = leaf_shift;
	if (nr_overlay_pages(o) > SIZE_MAX / sizeof(*o->pages))
		return -ENOMEM;
	o->pages = kvcalloc(nr_overlay_pages(o), sizeof(*o->pages), GFP_KERNEL);
	return o->pages ? 0 : -ENOMEM;
}

static void free_overlay_page(struct cc_overlay_page *page)
{
	unsigned int i;

	for (i = 0; i < CC_OVERLAY_PAGE_WORDS; i++)
		kfree(cc_overlay_leaf_of(page->word[i]));
	kfree(page);
}

void cc_overlay_exit(struct cc_overlay *o)
{
	u64 i;

	if (!o->pages)
		return;
	for (i = 0; i < nr_overlay_pages(o); i++) {
		if (o->pages[i])
			free_overlay_page(o->pages[i]);
		cond_resched();
	}
	kvfree(o->pages);
	o->pages = NULL;
}

void cc_overlay_move(struct cc_overlay *o, struct cc_overlay *to)
{
	u64 i;

	for (i = 0; i < nr_overlay_pages(o); i++)
		swap(o->pages[i], to->pages[i]);
}

/* The word of a chunk, with its page; NULL without memory. */
static unsigned long *word_of(struct cc_overlay *o, cc_chunk_t chunk, gfp_t gfp)
{
	struct cc_overlay_page **p = &o->pages[cc_chunk_nr(chunk) >> CC_OVERLAY_PAGE_SHIFT];
	struct cc_overlay_page *page = READ_ONCE(*p), *new;

	if (!page) {
		/* Of the slab: kmemleak does not look for leaves in others. */
		new = kzalloc(sizeof(*new), gfp);
		if (!new)
			return NULL;
		/* A reader that sees the page sees its zeros: cc_overlay_word(). */
		page = cmpxchg_release(p, NULL, new);
		if (page)
			kfree(new);
		else
			page = new;
	}
	return &page->word[cc_chunk_nr(chunk) & (CC_OVERLAY_PAGE_WORDS - 1)];
}

u64 *cc_overlay_make_leaf(struct cc_overlay *o, cc_chunk_t chunk, gfp_t gfp)
{
	unsigned long *word = word_of(o, chunk, gfp), old, seen;
	unsigned int i;
	u64 *leaf;

	if (!word)
		return NULL;
	old = READ_ONCE(*word);
	if (cc_overlay_leaf_of(old))
		return cc_overlay_leaf_of(old);
	leaf = kmalloc_array(1u << o->leaf_shift, sizeof(*leaf), gfp);
	if (!leaf)
		return NULL;
	for (;;) {
		for (i = 0; i < 1u << o->leaf_shift; i++)
			leaf[i] = cc_overlay_place(old, i);
		/* A reader that sees the leaf sees what is in it. */
		seen = cmpxchg_release(word, old, (unsigned long)leaf);
		if (seen == old)
			return leaf;
		if (cc_overlay_leaf_of(seen)) {
			kfree(leaf);
			return cc_overlay_leaf_of(seen);
		}
		old = seen;
	}
}

bool cc_overlay_zero_chunk(struct cc_overlay *o, cc_chunk_t chunk, u64 place, gfp_t gfp,
			   bool *ret_ok)
{
	unsigned long *word = word_of(o, chunk, gfp), old, seen;

	*ret_ok = word;
	if (!word)
		return false;
	for (old = READ_ONCE(*word); !cc_overlay_leaf_of(old); old = seen) {
		if (cc_overlay_place(old, 0) >= place)
			return true;
		seen = cmpxchg(word, old, place | CC_PLACE_DATA);
		if (seen == old)
			return true;
	}
	return false;
}
