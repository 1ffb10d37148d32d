// SPDX-License-Identifier: GPL-2.0-or-later
/* Slots, maps, misses and readers of the stub; see stub.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stub-impl.h"

uint64_t stub_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void stub_ring(struct stub *s, uint32_t pending)
{
	s->pending |= pending;
	if (!s->session || !s->armed)
		return;
	s->armed = false;
	s->stats.doorbells++;
	stub_send_bell(s);
}

/* ---- slots ---- */

/* The hand goes round; what was read since it passed stays, what was prefetched in vain does not. */
static struct stub_slot *evict(struct stub *s)
{
	for (uint64_t i = 0; i < 2ULL * s->c.nr_slots; i++) {
		struct stub_slot *slot = &s->slots[s->hand];

		s->hand = (s->hand + 1) % s->c.nr_slots;
		if (slot->state != CHUNKCACHE_SLOT_VALID)
			continue;
		if (slot->used) {
			slot->used = false;
			continue;
		}
		s->stats.evictions++;
		s->nr_unread -= slot->prefetch;
		return slot;
	}
	return NULL;
}

static struct stub_slot *take_free(struct cc_list *list)
{
	struct stub_slot *slot;

	if (cc_list_empty(list))
		return NULL;
	slot = cc_list_entry(list->next, struct stub_slot, node);
	cc_list_del(&slot->node);
	return slot;
}

static struct stub_slot *begin_filling(struct stub_slot *slot)
{
	if (!slot)
		return NULL;
	slot->gen++;
	slot->state = CHUNKCACHE_SLOT_FILLING;
	slot->seen = true;
	slot->prefetch = slot->used = false;
	return slot;
}

struct stub_slot *stub_slot_alloc(struct stub *s, bool prefetch)
{
	struct stub_slot *slot;

	if (prefetch && s->nr_prefetching >= s->c.nr_slots / 4)
		return NULL;
	slot = take_free(&s->free);
	if (!slot)
		slot = take_free(&s->kept);
	slot = begin_filling(slot ? slot : evict(s));
	if (slot) {
		slot->prefetch = prefetch;
		s->nr_prefetching += prefetch;
	} else if (!prefetch) {
		s->wanted = true;
	}
	return slot;
}

struct stub_slot *stub_slot_adopt(struct stub *s, uint32_t number)
{
	struct stub_slot *slot = number < s->c.nr_slots ? &s->slots[number] : NULL;

	if (!slot || slot->seen)
		return NULL;
	cc_list_del(&slot->node);
	return begin_filling(slot);
}

struct stub_slot *stub_slot_filling(struct stub *s, const struct chunkcache_slot *name)
{
	struct stub_slot *slot = name->slot < s->c.nr_slots ? &s->slots[name->slot] : NULL;

	return slot && slot->state == CHUNKCACHE_SLOT_FILLING && slot->gen == name->gen ? slot : NULL;
}

static void slot_read(struct stub *s, struct stub_slot *slot)
{
	slot->used = true;
	s->nr_unread -= slot->prefetch;
	slot->prefetch = false;
}

static void slot_came(struct stub *s)
{
	if (!s->wanted)
		return;
	s->wanted = false;
	stub_ring(s, CHUNKCACHE_PENDING_SLOT);
}

void stub_slot_done(struct stub *s, struct stub_slot *slot, bool prefetch)
{
	slot->state = CHUNKCACHE_SLOT_VALID;
	slot->used = !prefetch;
	s->nr_prefetching -= slot->prefetch;
	slot->prefetch = prefetch;
	s->nr_unread += prefetch;
	s->stats.fills++;
	slot_came(s);
}

void stub_slot_release(struct stub *s, struct stub_slot *slot, bool bad)
{
	if (slot->state == CHUNKCACHE_SLOT_FILLING)
		s->nr_prefetching -= slot->prefetch;
	else
		s->nr_unread -= slot->prefetch;
	slot->prefetch = false;
	slot->state = bad ? CHUNKCACHE_SLOT_BAD : CHUNKCACHE_SLOT_FREE;
	if (!bad)
		cc_list_add_tail(&s->free, &slot->node);
	slot_came(s);
}

/* ---- disks and their maps ---- */

uint64_t stub_disk_add(struct stub *s, const char *name, const char *store, const uint8_t digest[32],
		       uint64_t bytes)
{
	struct stub_disk **disks = realloc(s->disks, (s->nr_disks + 1) * sizeof(*disks));
	struct stub_disk *d = calloc(1, sizeof(*d));

	if (disks)
		s->disks = disks;
	if (!disks || !d)
		goto err;
	d->sectors = bytes / 512;
	d->nr_chunks = (bytes + s->c.slot_size - 1) / s->c.slot_size;
	d->map = calloc(d->nr_chunks, sizeof(*d->map));
	d->misses = calloc(d->nr_chunks, sizeof(struct stub_miss *));
	if (!d->map || !d->misses)
		goto err;
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->store, sizeof(d->store), "%s", store);
	memcpy(d->digest, digest, sizeof(d->digest));
	s->disks[s->nr_disks++] = d;
	d->id = s->nr_disks;
	stub_ring(s, CHUNKCACHE_PENDING_DISK);
	return d->id;
err:
	if (d) {
		free(d->map);
		free(d->misses);
	}
	free(d);
	return 0;
}

struct stub_disk *stub_disk_find(struct stub *s, uint64_t id)
{
	return id && id <= s->nr_disks ? s->disks[id - 1] : NULL;
}

uint32_t stub_disk_state(const struct stub *s, uint64_t disk, const char **ret_reason)
{
	const struct stub_disk *d = s->disks[disk - 1];

	*ret_reason = d->reason;
	return d->state;
}

/* The slot that a chunk is in, or NULL if there is none any more. */
static struct stub_slot *mapped_slot(struct stub *s, const struct stub_entry *e)
{
	struct stub_slot *slot = &s->slots[e->slot];

	if (e->kind < STUB_MAPPED || slot->state != CHUNKCACHE_SLOT_VALID || slot->gen != e->gen)
		return NULL;
	return slot;
}

/* ---- misses ---- */

struct stub_miss *stub_miss_find(struct stub *s, uint64_t disk, uint64_t chunk)
{
	struct stub_disk *d = stub_disk_find(s, disk);

	return d && chunk < d->nr_chunks ? d->misses[chunk] : NULL;
}

static void set_state(struct stub *s, struct stub_miss *m, enum stub_miss_state state)
{
	cc_list_del(&m->node);
	cc_list_add_tail(state == STUB_MISS_NEW ? &s->new_misses : &s->sent_misses, &m->node);
	m->state = state;
	if (state == STUB_MISS_NEW)
		stub_ring(s, CHUNKCACHE_PENDING_MISS);
}

static void count_wait(struct stub_disk *d, uint64_t us)
{
	unsigned int bucket = us ? 63 - __builtin_clzll(us) : 0;

	d->n[CHUNKCACHE_STAT_WAIT_HISTOGRAM + (bucket < 31 ? bucket : 31)]++;
	d->n[CHUNKCACHE_STAT_WAITED_US] += us;
}

static void end_read(struct stub *s, struct stub_read *r, uint32_t slot, const uint8_t *data, int error)
{
	cc_list_del(&r->node);
	r->end_ns = stub_now_ns();
	count_wait(stub_disk_find(s, r->disk), (r->end_ns - r->start_ns) / 1000);
	r->slot = slot;
	r->data = data;
	r->done(r, error);
}

/* Takes the miss away first: who is called back may read the same chunk again. */
static void end_miss(struct stub *s, struct stub_miss *m, uint32_t slot, int error)
{
	m->disk->misses[m->m.chunk] = NULL;
	cc_list_del(&m->node);
	while (!cc_list_empty(&m->reads))
		end_read(s, cc_list_entry(m->reads.next, struct stub_read, node), slot, NULL, error);
	free(m);
}

static struct stub_miss *miss_new(struct stub *s, struct stub_disk *d, const struct stub_read *r)
{
	struct stub_miss *m = calloc(1, sizeof(*m));

	if (!m) {
		fputs("out of memory\n", stderr);
		exit(1);
	}
	m->disk = d;
	m->start_ns = r->start_ns;
	m->m = (struct chunkcache_miss){
		.disk = d->id, .chunk = r->chunk, .cookie = ++s->cookie, .offset = r->offset, .len = r->len,
		.flags = r->ahead ? CHUNKCACHE_MISS_AHEAD : 0,
	};
	cc_list_init(&m->reads);
	cc_list_init(&m->node);
	d->misses[r->chunk] = m;
	set_state(s, m, STUB_MISS_NEW);
	return m;
}

static void join(struct stub *s, struct stub_miss *m, const struct stub_read *r)
{
	uint32_t end = m->m.offset + m->m.len;

	if (r->offset < m->m.offset)
		m->m.offset = r->offset;
	if (r->offset + r->len > end)
		end = r->offset + r->len;
	m->m.len = end - m->m.offset;
	if (r->ahead || !(m->m.flags & CHUNKCACHE_MISS_AHEAD))
		return;
	m->m.flags &= ~CHUNKCACHE_MISS_AHEAD;
	set_state(s, m, STUB_MISS_NEW);
}

static void hint(struct stub *s, const struct stub_disk *d, uint64_t chunk)
{
	if (s->nr_hints < STUB_MAX_HINTS)
		s->hints[(s->first_hint + s->nr_hints++) % STUB_MAX_HINTS] = (struct chunkcache_miss){
			.disk = d->id, .chunk = chunk, .flags = CHUNKCACHE_MISS_HINT,
		};
	else
		s->lost_hints++;
	s->stats.hints++;
	stub_ring(s, CHUNKCACHE_PENDING_HINT);
}

static bool is_hit(struct stub *s, struct stub_disk *d, struct stub_read *r)
{
	struct stub_entry *e = &d->map[r->chunk];
	struct stub_slot *slot = mapped_slot(s, e);

	r->slot = slot ? e->slot : STUB_NO_SLOT;
	if (!slot)
		return e->kind == STUB_HOLE;
	slot_read(s, slot);
	if (e->kind == STUB_MARKED) {
		e->kind = STUB_MAPPED;
		hint(s, d, r->chunk);
	}
	return true;
}

bool stub_read(struct stub *s, struct stub_read *r)
{
	struct stub_disk *d = stub_disk_find(s, r->disk);
	struct stub_miss *m = d->misses[r->chunk];

	r->start_ns = r->end_ns = stub_now_ns();
	r->covered = r->offset;
	r->joined = m;
	r->data = NULL;
	cc_list_init(&r->node);
	if (is_hit(s, d, r)) {
		s->stats.hits++;
		d->n[CHUNKCACHE_STAT_HITS]++;
		return true;
	}
	s->stats.misses++;
	s->stats.joined += r->joined;
	d->n[r->joined ? CHUNKCACHE_STAT_COALESCED : CHUNKCACHE_STAT_MISSES]++;
	if (m)
		join(s, m, r);
	else
		m = miss_new(s, d, r);
	cc_list_add_tail(&m->reads, &r->node);
	return false;
}

bool stub_busy(const struct stub *s, uint64_t disk, uint64_t chunk)
{
	return s->disks[disk - 1]->misses[chunk];
}

void stub_forget(struct stub *s, uint64_t disk, uint64_t chunk)
{
	struct stub_entry *e = &s->disks[disk - 1]->map[chunk];
	struct stub_slot *slot = mapped_slot(s, e);

	if (!slot)
		return;
	e->kind = STUB_UNMAPPED;
	stub_slot_release(s, slot, false);
}

static uint32_t pull_hints(struct stub *s, uint32_t count, struct chunkcache_miss *ret)
{
	uint32_t n;

	for (n = 0; s->nr_hints && n < count; s->nr_hints--) {
		ret[n] = s->hints[s->first_hint];
		ret[n++].len = s->lost_hints;
		s->lost_hints = 0;
		s->first_hint = (s->first_hint + 1) % STUB_MAX_HINTS;
	}
	return n;
}

uint32_t stub_pull(struct stub *s, bool all, uint32_t count, struct chunkcache_miss *ret)
{
	uint32_t n;

	while (all && !cc_list_empty(&s->sent_misses))
		set_state(s, cc_list_entry(s->sent_misses.next, struct stub_miss, node), STUB_MISS_NEW);
	n = pull_hints(s, count, ret);
	while (n < count && !cc_list_empty(&s->new_misses)) {
		struct stub_miss *m = cc_list_entry(s->new_misses.next, struct stub_miss, node);

		set_state(s, m, STUB_MISS_SENT);
		m->m.age_ms = (stub_now_ns() - m->start_ns) / 1000000;
		ret[n++] = m->m;
	}
	return n;
}

int stub_map(struct stub *s, const struct chunkcache_map *r, bool by_done)
{
	struct stub_disk *d = stub_disk_find(s, r->disk);
	bool hole = r->flags & CHUNKCACHE_MAP_HOLE;
	struct stub_slot *slot = r->slot < s->c.nr_slots ? &s->slots[r->slot] : NULL;

	if (!d)
		return ENOENT;
	if (r->reserved || r->flags & ~(CHUNKCACHE_MAP_HOLE | CHUNKCACHE_MAP_MARK) || !r->count ||
	    (!hole && r->count != 1) || (hole && (r->slot || r->gen)))
		return EINVAL;
	if (r->chunk >= d->nr_chunks || r->count > d->nr_chunks - r->chunk)
		return ERANGE;
	if (!hole && (!slot || slot->state != CHUNKCACHE_SLOT_VALID || slot->gen != r->gen))
		return ESTALE;
	for (uint64_t i = r->chunk; i < r->chunk + r->count; i++) {
		struct stub_miss *m = d->misses[i];

		d->map[i] = (struct stub_entry){
			.slot = r->slot, .gen = r->gen, .kind = hole ? STUB_HOLE :
			r->flags & CHUNKCACHE_MAP_MARK ? STUB_MARKED : STUB_MAPPED,
		};
		if (!m)
			continue;
		s->stats.by_map += !by_done;
		s->stats.by_done += by_done;
		if (!hole)
			slot_read(s, slot);
		end_miss(s, m, hole ? STUB_NO_SLOT : r->slot, 0);
	}
	return 0;
}

void stub_miss_data(struct stub *s, struct stub_miss *m, uint32_t offset, const void *data, uint32_t len,
		    bool last)
{
	cc_list_each_safe(n, &m->reads) {
		struct stub_read *r = cc_list_entry(n, struct stub_read, node);
		uint32_t end = r->offset + r->len;

		if (r->covered < offset || r->covered >= offset + len)
			continue;
		r->covered = offset + len;
		if (r->covered >= end)
			end_read(s, r, STUB_NO_SLOT, r->offset >= offset ?
				 (const uint8_t *)data + r->offset - offset : NULL, 0);
	}
	if (!last)
		return;
	if (cc_list_empty(&m->reads)) {
		s->stats.by_data++;
		end_miss(s, m, STUB_NO_SLOT, 0);
		return;
	}
	m->m.cookie = ++s->cookie;
	set_state(s, m, STUB_MISS_NEW);
}

void stub_miss_fail(struct stub *s, struct stub_miss *m, uint32_t class)
{
	static const int errors[] = { EIO, ENODATA, EILSEQ, ETIMEDOUT, EIO };

	s->stats.failed++;
	end_miss(s, m, STUB_NO_SLOT, errors[class <= CHUNKCACHE_FAIL_OTHER ? class : 0]);
}

/* ---- sessions ---- */

void stub_session_end(struct stub *s)
{
	s->session = 0;
	s->owner = NULL;
	for (uint32_t i = 0; i < s->c.nr_slots; i++)
		if (s->slots[i].state == CHUNKCACHE_SLOT_FILLING)
			stub_slot_release(s, &s->slots[i], false);
	while (!cc_list_empty(&s->sent_misses))
		set_state(s, cc_list_entry(s->sent_misses.next, struct stub_miss, node), STUB_MISS_NEW);
	s->wanted = false;
}

const struct stub_stats *stub_stats(const struct stub *s)
{
	return &s->stats;
}

uint32_t stub_unread(const struct stub *s)
{
	return s->nr_unread;
}
