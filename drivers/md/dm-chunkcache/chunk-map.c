// SPDX-License-Identifier: GPL-2.0-only
/* Chunk map of one disk: pages of entries. */
#include "chunk-map.h"
#include <linux/sched.h>
#include <linux/slab.h>

static u64 nr_pages(const struct cc_chunk_map *m)
{
	return DIV_ROUND_UP_ULL(m->nr_chunks, CC_MAP_PAGE_ENTRIES);
}

int cc_chunk_map_init(struct cc_chunk_map *m, u64 nr_chunks)
{
	m->nr_chunks = nr_chunks;
	if (nr_pages(m) > SIZE_MAX / sizeof(*m->pages))
		return -ENOMEM;
	m->pages = kvcalloc(nr_pages(m), sizeof(*m->pages), GFP_KERNEL);
	return m->pages ? 0 : -ENOMEM;
}

void cc_chunk_map_exit(struct cc_chunk_map *m)
{
	u64 i;

	if (!m->pages)
		return;
	for (i = 0; i < nr_pages(m); i++) {
		if (m->pages[i])
			free_page((unsigned long)m->pages[i]);
		cond_resched();
	}
	kvfree(m->pages);
	m->pages = NULL;
}

int cc_chunk_map_prepare(struct cc_chunk_map *m, cc_chunk_t chunk)
{
	struct cc_map_page **page = &m->pages[cc_chunk_nr(chunk) >> CC_MAP_PAGE_SHIFT];
	void *new;

	if (*page)
		return 0;
	new = (void *)get_zeroed_page(GFP_KERNEL);
	if (!new)
		return -ENOMEM;
	/* A reader that sees the page sees its zeros: cc_chunk_map_get(). */
	smp_store_release(page, new);
	return 0;
}

static cc_entry_t *entry_of(struct cc_chunk_map *m, cc_chunk_t chunk)
{
	struct cc_map_page *page = m->pages[cc_chunk_nr(chunk) >> CC_MAP_PAGE_SHIFT];

	return &page->entry[cc_chunk_nr(chunk) & (CC_MAP_PAGE_ENTRIES - 1)];
}

int cc_chunk_map_set(struct cc_chunk_map *m, cc_chunk_t chunk, cc_entry_t e)
{
	cc_entry_t *p = entry_of(m, chunk);
	int more = cc_entry_mapped(e) - cc_entry_mapped(*p);

	WRITE_ONCE(*p, e);
	return more;
}

void cc_chunk_map_clear(struct cc_chunk_map *m)
{
	u64 i, n;

	for (i = 0; i < nr_pages(m); i++) {
		struct cc_map_page *page = m->pages[i];

		for (n = 0; page && n < CC_MAP_PAGE_ENTRIES; n++)
			if (cc_entry_mapped(page->entry[n]))
				WRITE_ONCE(page->entry[n], CC_ENTRY_UNMAPPED);
		cond_resched();
	}
}

bool cc_chunk_map_unmark(struct cc_chunk_map *m, cc_chunk_t chunk, cc_entry_t e)
{
	cc_entry_t unmarked = (__force cc_entry_t)((__force u64)e & ~CC_ENTRY_MARK);

	return cmpxchg((u64 __force *)entry_of(m, chunk), (__force u64)e,
		       (__force u64)unmarked) == (__force u64)e;
}
