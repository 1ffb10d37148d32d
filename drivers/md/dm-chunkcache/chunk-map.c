// SPDX-License-Identifier: GPL-2.0-only
/* Chunk map of one disk: pages of entries. */
#include "chunk-map.h"
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>

/* What m->pages is the last member of. */
struct page_array {
	struct page_array *older;	/* that it replaced */
	u64 room;			/* pages */
	struct cc_map_page *page[];
};

static u64 pages_for(u64 nr_chunks)
{
	return DIV_ROUND_UP_ULL(nr_chunks, CC_MAP_PAGE_ENTRIES);
}

static struct page_array *array_of(const struct cc_chunk_map *m)
{
	return container_of(m->pages, struct page_array, page[0]);
}

static struct page_array *alloc_array(u64 room)
{
	struct page_array *a;

	if (room > (SIZE_MAX - sizeof(*a)) / sizeof(a->page[0]))
		return NULL;
	a = kvzalloc(struct_size(a, page, room), GFP_KERNEL);
	if (a)
		a->room = room;
	return a;
}

int cc_chunk_map_init(struct cc_chunk_map *m, u64 nr_chunks)
{
	struct page_array *a = alloc_array(pages_for(nr_chunks));

	m->nr_chunks = nr_chunks;
	m->pages = a ? a->page : NULL;
	return a ? 0 : -ENOMEM;
}

void cc_chunk_map_exit(struct cc_chunk_map *m)
{
	struct page_array *a, *older;
	u64 i;

	if (!m->pages)
		return;
	a = array_of(m);
	for (i = 0; i < a->room; i++) {
		if (a->page[i])
			free_page((unsigned long)a->page[i]);
		cond_resched();
	}
	for (; a; a = older) {
		older = a->older;
		kvfree(a);
	}
	m->pages = NULL;
}

/* Twice as large, so that all old ones together are smaller than it. */
static int replace_array(struct cc_chunk_map *m, u64 room)
{
	struct page_array *old = array_of(m);
	struct page_array *new = alloc_array(max(room, 2 * old->room));

	if (!new)
		return -ENOMEM;
	memcpy(new->page, old->page, old->room * sizeof(old->page[0]));
	new->older = old;
	/* A reader that sees the array sees its pages: cc_chunk_map_get(). */
	smp_store_release(&m->pages, new->page);
	return 0;
}

int cc_chunk_map_grow(struct cc_chunk_map *m, u64 nr_chunks)
{
	u64 room = pages_for(nr_chunks);

	if (nr_chunks <= m->nr_chunks)
		return 0;
	if (room > array_of(m)->room && replace_array(m, room))
		return -ENOMEM;
	WRITE_ONCE(m->nr_chunks, nr_chunks);
	return 0;
}

void cc_chunk_map_move(struct cc_chunk_map *m, u64 first, struct cc_chunk_map *to_map, u64 to,
		       u64 count)
{
	struct cc_map_page **from_page = m->pages + (first >> CC_MAP_PAGE_SHIFT);
	struct cc_map_page **to_page = to_map->pages + (to >> CC_MAP_PAGE_SHIFT);
	u64 i;

	for (i = 0; i < pages_for(count); i++)
		swap(from_page[i], to_page[i]);
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
	struct cc_map_page *page = READ_ONCE(m->pages)[cc_chunk_nr(chunk) >> CC_MAP_PAGE_SHIFT];

	return &page->entry[cc_chunk_nr(chunk) & (CC_MAP_PAGE_ENTRIES - 1)];
}

int cc_chunk_map_set(struct cc_chunk_map *m, cc_chunk_t chunk, cc_entry_t e)
{
	cc_entry_t *p = entry_of(m, chunk);
	int more = cc_entry_mapped(e) - cc_entry_mapped(*p);

	WRITE_ONCE(*p, e);
	return more;
}

u64 cc_chunk_map_clear(struct cc_chunk_map *m, u64 nr_chunks)
{
	u64 i, n, cleared = 0;

	for (i = 0; i < pages_for(nr_chunks); i++) {
		struct cc_map_page *page = m->pages[i];

		for (n = 0; page && n < CC_MAP_PAGE_ENTRIES; n++) {
			if (!cc_entry_mapped(page->entry[n]))
				continue;
			WRITE_ONCE(page->entry[n], CC_ENTRY_UNMAPPED);
			cleared++;
		}
		cond_resched();
	}
	return cleared;
}

bool cc_chunk_map_unmark(struct cc_chunk_map *m, cc_chunk_t chunk, cc_entry_t e)
{
	cc_entry_t unmarked = (__force cc_entry_t)((__force u64)e & ~CC_ENTRY_MARK);

	return cmpxchg((u64 __force *)entry_of(m, chunk), (__force u64)e,
		       (__force u64)unmarked) == (__force u64)e;
}
