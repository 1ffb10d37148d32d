// SPDX-License-Identifier: GPL-2.0-or-later
/* What the journal says of volumes; see journal-state.h. */
#include "journal-state.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"

#define NR_HANDLES	65536u

static __attribute__((format(printf, 3, 4)))
int reject(struct cc_journal_state *s, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
	return error;
}

static int no_memory(struct cc_journal_state *s)
{
	return reject(s, -ENOMEM, "out of memory");
}

/* Room for one more of nr elements of size bytes; the array, or NULL. */
static void *room_for_one(void *array, size_t nr, size_t *max, size_t size)
{
	void *more;

	if (nr < *max)
		return array;
	more = realloc(array, (*max ? 2 * *max : 16) * size);
	if (more)
		*max = *max ? 2 * *max : 16;
	return more;
}

int cc_journal_state_open(struct cc_journal_state *s)
{
	memset(s, 0, sizeof(*s));
	cc_list_init(&s->volumes);
	s->handles = calloc(NR_HANDLES, sizeof(*s->handles));
	return s->handles ? 0 : -ENOMEM;
}

void cc_journal_state_close(struct cc_journal_state *s)
{
	while (s->handles && !cc_list_empty(&s->volumes)) {
		struct cc_journal_volume *v = cc_list_entry(s->volumes.next, struct cc_journal_volume, node);

		cc_list_del(&v->node);
		free(v->cuts);
		free(v->writes);
		free(v->logs);
		free(v);
	}
	free(s->handles);
	s->handles = NULL;
}

/* ---- names ---- */

struct cc_journal_volume *cc_journal_state_find(struct cc_journal_state *s, const uint8_t uuid[16])
{
	cc_list_each(node, &s->volumes) {
		struct cc_journal_volume *v = cc_list_entry(node, struct cc_journal_volume, node);

		if (!memcmp(v->uuid, uuid, sizeof(v->uuid)))
			return v;
	}
	return NULL;
}

static struct cc_journal_volume *get_volume(struct cc_journal_state *s, const uint8_t uuid[16])
{
	struct cc_journal_volume *v = cc_journal_state_find(s, uuid);

	if (v)
		return v;
	v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	memcpy(v->uuid, uuid, sizeof(v->uuid));
	cc_list_add_tail(&s->volumes, &v->node);
	return v;
}

static int bind_name(struct cc_journal_state *s, const struct cc_journal_head *head,
		     const struct chunkcache_record *r)
{
	struct cc_journal_handle *h = &s->handles[r->volume];
	uint64_t uuid[2] = { htole64(r->block), htole64(r->place) };
	struct cc_journal_volume *v = get_volume(s, (const uint8_t *)uuid);

	if (!v)
		return no_memory(s);
	/* Only when no page that counts has its former use a handle is free. */
	if (h->volume && h->volume != v && h->page >= head->tail)
		return reject(s, -EBADMSG, "page %" PRIu64 ": handle %u is that of two volumes", head->number, r->volume);
	if (h->volume && h->volume != v)
		h->committed = 0;
	h->volume = v;
	h->page = head->number;
	h->named = head->number;
	if (r->volume >= s->nr_handles)
		s->nr_handles = r->volume + 1u;
	v->handle = r->volume;
	v->named = head->number;
	v->runs = true;
	if (r->count > v->term)
		v->term = r->count;
	return 0;
}

static int get_record(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page, unsigned int i,
		      struct chunkcache_record *ret_record)
{
	if (!cc_journal_page_record(page, i, ret_record))
		return 0;
	return reject(s, -EBADMSG, "page %" PRIu64 ": record %u of type %u can't be", head->number, i,
		      ((const struct cc_journal_page *)page)->record[i].type);
}

int cc_journal_state_bind(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page)
{
	struct chunkcache_record r;
	int error = 0;

	for (unsigned int i = 0; !error && i < head->count; i++) {
		error = get_record(s, head, page, i, &r);
		if (!error && r.type == CC_JOURNAL_VOLUME)
			error = bind_name(s, head, &r);
		if (!error && r.type == CC_JOURNAL_COMMITTED && r.place > s->handles[r.volume].committed)
			s->handles[r.volume].committed = r.place;
	}
	return error;
}

uint16_t cc_journal_state_free_handle(const struct cc_journal_state *s, uint64_t tail)
{
	for (unsigned int i = 1; i < NR_HANDLES; i++)
		if (!s->handles[i].volume || (!s->handles[i].volume->runs && s->handles[i].page < tail))
			return (uint16_t)i;
	return 0;
}

/* ---- log chunks ---- */

/* Where a log chunk of that key is or would be. */
static size_t log_position(const struct cc_journal_volume *v, uint64_t key)
{
	size_t from = 0, to = v->nr_logs;

	while (from < to) {
		size_t middle = (from + to) / 2;

		if (v->logs[middle].key < key)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

struct cc_journal_log *cc_journal_volume_log(struct cc_journal_volume *v, uint64_t key)
{
	size_t i = log_position(v, key);

	return i < v->nr_logs && v->logs[i].key == key ? &v->logs[i] : NULL;
}

static struct cc_journal_log *get_log(struct cc_journal_volume *v, uint64_t key)
{
	size_t i = log_position(v, key);
	struct cc_journal_log *logs;

	if (i < v->nr_logs && v->logs[i].key == key)
		return &v->logs[i];
	logs = room_for_one(v->logs, v->nr_logs, &v->max_logs, sizeof(*v->logs));
	if (!logs)
		return NULL;
	v->logs = logs;
	v->tail = 0;
	memmove(&logs[i + 1], &logs[i], (v->nr_logs - i) * sizeof(*logs));
	logs[i] = (struct cc_journal_log) { .key = key, .slot = CC_NO_SLOT, .page = CC_NO_PAGE };
	v->nr_logs++;
	return &logs[i];
}

static int take_open(struct cc_journal_state *s, struct cc_journal_volume *v, const struct cc_journal_head *head,
		     const struct chunkcache_record *r)
{
	uint64_t key = cc_place_log_key(r->place);
	struct cc_journal_log *log;

	log = get_log(v, key);
	if (!log)
		return no_memory(s);
	log->committed = key < cc_place_log_key(v->committed);
	if (log->slot != CC_NO_SLOT && log->slot != r->block)
		return reject(s, -EBADMSG, "page %" PRIu64 ": a log chunk has slots %u and %" PRIu64, head->number,
			      log->slot, (uint64_t)r->block);
	log->slot = (uint32_t)r->block;
	log->gen = r->count;
	log->instance = head->instance;
	log->page = head->number;
	v->tail = 0;
	return 0;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- writes ---- */

static uint64_t last_place(const struct chunkcache_record *r)
{
	return cc_place_nth(r->place, r->count - 1);
}

static void count_blocks(struct cc_journal_volume *v, const struct chunkcache_record *r, int sign)
{
	struct cc_journal_log *log = cc_journal_volume_log(v, cc_place_log_key(r->place));

	if (!cc_place_is_data(r->place))
		return;
	v->dirty_blocks += (uint64_t)(sign * (int64_t)r->count);
	if (log)
		log->dirty_blocks += (uint64_t)(sign * (int64_t)r->count);
}

static bool is_same_write(const struct chunkcache_record *a, const struct chunkcache_record *b)
{
	return a->type == b->type && a->place == b->place && a->block == b->block && a->count == b->count;
}

void cc_journal_volume_sent(struct cc_journal_volume *v, struct cc_journal_write *w)
{
	if (!v->nr_anew++)
		v->first_anew = (size_t)(w - v->writes);
	w->anew = true;
}

/* What was added anew comes in the order in which it was added: only the first on its way has to be looked at. */
static bool comes_anew(struct cc_journal_volume *v, const struct cc_journal_head *head,
		       const struct chunkcache_record *r)
{
	struct cc_journal_write *w;

	if (!v->nr_anew)
		return false;
	while (!v->writes[v->first_anew].anew)
		v->first_anew++;
	w = &v->writes[v->first_anew];
	if (!is_same_write(&w->r, r))
		return false;
	w->r.volume = r->volume;
	w->page = head->number;
	w->anew = false;
	v->nr_anew--;
	v->tail = 0;
	return true;
}

static int take_write(struct cc_journal_state *s, struct cc_journal_volume *v, const struct cc_journal_head *head,
		      const struct chunkcache_record *r)
{
	struct cc_journal_write *writes;

	if (comes_anew(v, head, r))
		return 0;
	if (last_place(r) < v->committed || last_place(r) < s->handles[r->volume].committed)
		return 0;
	if (cc_place_is_data(r->place) && !get_log(v, cc_place_log_key(r->place)))
		return no_memory(s);
	writes = room_for_one(v->writes, v->nr_writes, &v->max_writes, sizeof(*writes));
	if (!writes)
		return no_memory(s);
	v->writes = writes;
	writes[v->nr_writes++] = (struct cc_journal_write) { .r = *r, .page = head->number };
	v->lowest = v->nr_writes == 1 ? last_place(r) : lower(v->lowest, last_place(r));
	v->tail = lower(v->tail, head->number);
	count_blocks(v, r, 1);
	return 0;
}

/* Drops the writes that are of a page, or have no place from place on. */
static void drop_writes(struct cc_journal_volume *v, uint64_t page, uint64_t place)
{
	size_t kept = 0;

	v->lowest = UINT64_MAX;
	v->nr_anew = 0;
	v->first_anew = 0;
	for (size_t i = 0; i < v->nr_writes; i++) {
		uint64_t last = last_place(&v->writes[i].r);

		if (v->writes[i].page == page || last < place) {
			count_blocks(v, &v->writes[i].r, -1);
		} else {
			v->nr_anew += v->writes[i].anew;
			v->writes[kept++] = v->writes[i];
			v->lowest = lower(v->lowest, last);
		}
	}
	v->nr_writes = kept;
	v->tail = 0;
}

void cc_journal_state_take_back(struct cc_journal_state *s, uint64_t page)
{
	cc_list_each(node, &s->volumes)
		drop_writes(cc_list_entry(node, struct cc_journal_volume, node), page, 0);
}

/* By place, of the same the one in the newest page first. */
static int compare_writes(const void *a, const void *b)
{
	const struct cc_journal_write *x = a, *y = b;

	if (x->r.place != y->r.place)
		return x->r.place < y->r.place ? -1 : 1;
	if (x->r.block != y->r.block)
		return x->r.block < y->r.block ? -1 : 1;
	if (x->r.count != y->r.count)
		return x->r.count < y->r.count ? -1 : 1;
	return (x->page < y->page) - (x->page > y->page);
}

static void merge_writes(struct cc_journal_volume *v)
{
	size_t kept = 0;

	if (v->nr_writes)
		qsort(v->writes, v->nr_writes, sizeof(*v->writes), compare_writes);
	for (size_t i = 0; i < v->nr_writes; i++) {
		if (kept && is_same_write(&v->writes[i].r, &v->writes[kept - 1].r))
			count_blocks(v, &v->writes[i].r, -1);
		else
			v->writes[kept++] = v->writes[i];
	}
	v->nr_writes = kept;
	v->tail = 0;
}

void cc_journal_state_merge(struct cc_journal_state *s)
{
	cc_list_each(node, &s->volumes)
		merge_writes(cc_list_entry(node, struct cc_journal_volume, node));
}

/* ---- cuts and commits ---- */

static int take_cut(struct cc_journal_state *s, struct cc_journal_volume *v, const struct cc_journal_head *head,
		    uint64_t place)
{
	uint64_t *cuts;
	size_t i = v->nr_cuts;

	if (place >= v->cut) {
		v->cut = place;
		v->cut_page = head->number;
		v->tail = 0;
	}
	if (place <= v->committed)
		return 0;
	while (i && v->cuts[i - 1] > place)
		i--;
	if (i && v->cuts[i - 1] == place)
		return 0;
	cuts = room_for_one(v->cuts, v->nr_cuts, &v->max_cuts, sizeof(*cuts));
	if (!cuts)
		return no_memory(s);
	v->cuts = cuts;
	memmove(&cuts[i + 1], &cuts[i], (v->nr_cuts - i) * sizeof(*cuts));
	cuts[i] = place;
	v->nr_cuts++;
	return 0;
}

void cc_journal_volume_committed(struct cc_journal_volume *v, uint64_t place)
{
	size_t cuts = 0, logs;

	if (place <= v->committed)
		return;
	v->committed = place;
	if (v->nr_writes && v->lowest < place)
		drop_writes(v, CC_NO_PAGE, place);
	v->tail = 0;
	logs = log_position(v, cc_place_log_key(place));
	for (size_t i = 0; i < logs; i++)
		v->logs[i].committed = true;
	while (cuts < v->nr_cuts && v->cuts[cuts] <= place)
		cuts++;
	v->nr_cuts -= cuts;
	if (cuts)
		memmove(v->cuts, &v->cuts[cuts], v->nr_cuts * sizeof(*v->cuts));
}

void cc_journal_volume_cleaned(struct cc_journal_volume *v, uint64_t key)
{
	struct cc_journal_log *log = cc_journal_volume_log(v, key);

	if (!log)
		return;
	v->nr_logs--;
	v->tail = 0;
	memmove(log, log + 1, (size_t)(&v->logs[v->nr_logs] - log) * sizeof(*log));
}

static void forget_volume(struct cc_journal_volume *v)
{
	v->nr_writes = 0;
	v->nr_anew = 0;
	v->leaving = false;
	v->nr_logs = 0;
	v->nr_cuts = 0;
	v->dirty_blocks = 0;
	v->tail = 0;
}

/* ---- records ---- */

static int apply_record(struct cc_journal_state *s, const struct cc_journal_head *head,
			const struct chunkcache_record *r)
{
	struct cc_journal_handle *h = &s->handles[r->volume];

	if (!h->volume)
		return reject(s, -EBADMSG, "page %" PRIu64 ": nobody says which volume has handle %u", head->number,
			      r->volume);
	if (head->number > h->page)
		h->page = head->number;
	switch (r->type) {
	case CC_JOURNAL_OPEN:
		return take_open(s, h->volume, head, r);
	case CC_JOURNAL_WRITE:
	case CC_JOURNAL_ZERO:
		return take_write(s, h->volume, head, r);
	case CC_JOURNAL_CUT:
		return take_cut(s, h->volume, head, r->place);
	case CC_JOURNAL_COMMITTED:
		cc_journal_volume_committed(h->volume, r->place);
		if (r->place == h->volume->committed)
			h->volume->committed_page = head->number;
		return 0;
	case CC_JOURNAL_FORGET:
		forget_volume(h->volume);
		return 0;
	case CC_JOURNAL_RELOCATE:
		return reject(s, -EPROTO, "page %" PRIu64 ": has relocations, which this version does not know",
			      head->number);
	}
	return 0;
}

int cc_journal_state_apply(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page,
			   unsigned int first)
{
	struct chunkcache_record r;
	int error = 0;

	for (unsigned int i = first; !error && i < head->count; i++) {
		error = get_record(s, head, page, i, &r);
		if (!error)
			error = apply_record(s, head, &r);
	}
	return error;
}

/* ---- what it adds up to ---- */

bool cc_journal_volume_is_dirty(const struct cc_journal_volume *v)
{
	return v->nr_writes;
}

static int compare_slots(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static size_t count_dirty_logs(const struct cc_journal_state *s)
{
	size_t nr = 0;

	cc_list_each(node, &s->volumes) {
		const struct cc_journal_volume *v = cc_list_entry(node, struct cc_journal_volume, node);

		for (size_t i = 0; i < v->nr_logs; i++)
			nr += v->logs[i].dirty_blocks != 0;
	}
	return nr;
}

static int check_slots(struct cc_journal_state *s, uint32_t *slots)
{
	size_t nr = 0;

	cc_list_each(node, &s->volumes) {
		const struct cc_journal_volume *v = cc_list_entry(node, struct cc_journal_volume, node);

		for (size_t i = 0; i < v->nr_logs; i++) {
			if (!v->logs[i].dirty_blocks)
				continue;
			if (v->logs[i].slot == CC_NO_SLOT)
				return reject(s, -EBADMSG, "nobody says which slot log chunk %" PRIu64 " is in",
					      cc_place_number(v->logs[i].key));
			slots[nr++] = v->logs[i].slot;
		}
	}
	qsort(slots, nr, sizeof(*slots), compare_slots);
	for (size_t i = 1; i < nr; i++)
		if (slots[i] == slots[i - 1])
			return reject(s, -EBADMSG, "slot %u is that of two log chunks", slots[i]);
	return 0;
}

int cc_journal_state_check(struct cc_journal_state *s)
{
	size_t nr = count_dirty_logs(s);
	uint32_t *slots = nr ? malloc(nr * sizeof(*slots)) : NULL;
	int error;

	if (!nr)
		return 0;
	if (!slots)
		return no_memory(s);
	error = check_slots(s, slots);
	free(slots);
	return error;
}

/* Asked for at each step of who follows, while there may be a million writes. */
static uint64_t volume_tail(struct cc_journal_volume *v)
{
	uint64_t tail = CC_NO_PAGE;

	if (v->tail)
		return v->tail;
	for (size_t i = 0; i < v->nr_writes; i++)
		tail = lower(tail, v->writes[i].page);
	for (size_t i = 0; i < v->nr_logs; i++)
		tail = lower(tail, v->logs[i].page);
	if (v->nr_writes && v->cut > v->committed)
		tail = lower(tail, v->cut_page);
	v->tail = tail;
	return tail;
}

/*
 * Of whatever else stays: whose it is, and what of that is in the store.  A write that was added anew may be behind the
 * COMMITTED that has it, and would be dirty again without that, in a slot that is somebody else's by then.
 */
static uint64_t keep_heads(const struct cc_journal_volume *v, uint64_t named, uint64_t tail)
{
	tail = lower(tail, named);
	return v->committed_page ? lower(tail, v->committed_page) : tail;
}

static uint64_t keep_names(const struct cc_journal_state *s, uint64_t tail)
{
	uint64_t before;

	do {
		before = tail;
		for (unsigned int i = 1; i < s->nr_handles; i++)
			if (s->handles[i].volume && s->handles[i].page >= tail)
				tail = keep_heads(s->handles[i].volume, s->handles[i].named, tail);
	} while (tail < before);
	return tail;
}

uint64_t cc_journal_volume_oldest(struct cc_journal_volume *v)
{
	uint64_t own = volume_tail(v);

	return own == CC_NO_PAGE ? own : lower(own, v->named);
}

uint64_t cc_journal_state_tail(struct cc_journal_state *s, uint64_t limit)
{
	uint64_t tail = limit;

	cc_list_each(node, &s->volumes) {
		struct cc_journal_volume *v = cc_list_entry(node, struct cc_journal_volume, node);
		uint64_t own = volume_tail(v);

		tail = lower(tail, own);
		if (own != CC_NO_PAGE || v->runs)
			tail = keep_heads(v, v->named, tail);
	}
	return keep_names(s, tail);
}
