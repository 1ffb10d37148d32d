// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A pool's journal: pages with checksums that are right, in a ring that is read as after a crash.  A page whose
 * records are good encodes to the same records; what the pages say of volumes is bounded by what they have.
 *
 * Input: for each page a byte for its place in the ring, one for how much of it follows, and so much of the page.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"
#include "fuzz.h"
#include "volume/journal-ring.h"
#include "volume/journal-state.h"
#include "volume/place.h"

#define PLACES		64		/* of pages in use, at the start of the ring */

static const uint8_t uuid[16] = { 1 };
static uint8_t ring[PLACES][CC_JOURNAL_PAGE] __attribute__((aligned(4096)));

static int read_ring(void *arg, void *buf, size_t len, uint64_t offset)
{
	(void)arg;
	memset(buf, 0, len);
	if (offset < sizeof(ring))
		memcpy(buf, (uint8_t *)ring + offset, len < sizeof(ring) - offset ? len : sizeof(ring) - offset);
	return 0;
}

/* ---- one page ---- */

static void check_page(const void *page)
{
	struct chunkcache_record records[CC_JOURNAL_RECORDS];
	uint8_t again[CC_JOURNAL_PAGE];
	struct cc_journal_head head, head_again;

	if (cc_journal_page_check(page, uuid, &head))
		return;
	fuzz_check(head.number && head.prev < head.number && head.tail && head.tail <= head.number);
	fuzz_check(head.count <= CC_JOURNAL_RECORDS);
	for (unsigned int i = 0; i < head.count; i++) {
		if (cc_journal_page_record(page, i, &records[i]))
			return;
		fuzz_check(records[i].volume && records[i].type <= CC_JOURNAL_FORGET);
	}
	cc_journal_page_encode(&head, uuid, records, again);
	fuzz_check(!cc_journal_page_check(again, uuid, &head_again) && !memcmp(&head, &head_again, sizeof(head)));
	fuzz_check(!memcmp(((const struct cc_journal_page *)page)->record, ((struct cc_journal_page *)again)->record,
			   head.count * sizeof(struct cc_journal_record)));
}

/* ---- the ring ---- */

static void check_volume(const struct cc_journal_volume *v, size_t nr_records)
{
	uint64_t dirty = 0;

	fuzz_check(v->nr_writes <= nr_records && v->nr_logs <= nr_records && v->nr_cuts <= nr_records);
	for (size_t i = 1; i < v->nr_logs; i++)
		fuzz_check(v->logs[i].key > v->logs[i - 1].key);
	for (size_t i = 1; i < v->nr_cuts; i++)
		fuzz_check(v->cuts[i] > v->cuts[i - 1]);
	for (size_t i = 0; i < v->nr_writes; i++)
		dirty += cc_place_is_data(v->writes[i].r.place) ? v->writes[i].r.count : 0;
	fuzz_check(dirty == v->dirty_blocks);
}

typedef int page_fn(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page);

static int apply_page(struct cc_journal_state *s, const struct cc_journal_head *head, const void *page)
{
	return cc_journal_state_apply(s, head, page, 0);
}

static int each_page(struct cc_journal_ring *r, struct cc_journal_state *s, page_fn *fn, size_t *nr_records)
{
	struct cc_journal_head head;
	const void *page;
	int n;

	*nr_records = 0;
	cc_journal_ring_rewind(r);
	while ((n = cc_journal_ring_next(r, &head, &page)) > 0) {
		int error = fn(s, &head, page);

		if (error) {
			fuzz_check_reason(s->why);
			return error;
		}
		*nr_records += head.count;
	}
	return n;
}

static void read_state(struct cc_journal_ring *r)
{
	struct cc_journal_state s;
	size_t nr_records;

	if (cc_journal_state_open(&s))
		abort();
	if (!each_page(r, &s, cc_journal_state_bind, &nr_records) && !each_page(r, &s, apply_page, &nr_records)) {
		if (cc_journal_state_check(&s))
			fuzz_check_reason(s.why);
		cc_list_each(n, &s.volumes)
			check_volume(cc_list_entry(n, struct cc_journal_volume, node), nr_records);
		fuzz_check(cc_journal_state_tail(&s, cc_journal_ring_first(r)) <= cc_journal_ring_first(r));
	}
	cc_journal_state_close(&s);
}

static void take_page(struct fuzz_input *in)
{
	uint8_t *page = ring[fuzz_take_u8(in) % PLACES];
	size_t len = (fuzz_take_u8(in) + 1) * 16;
	struct cc_journal_page *p = (void *)page;

	fuzz_take(in, page, len < CC_JOURNAL_PAGE ? len : CC_JOURNAL_PAGE);
	memcpy(p->magic, CC_JOURNAL_MAGIC, sizeof(p->magic));
	memcpy(p->pool_uuid, uuid, sizeof(uuid));
	p->crc = 0;
	p->crc = htole32(cc_crc32c(page, CC_JOURNAL_PAGE));
	check_page(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct cc_journal_found found;
	struct cc_journal_ring *r;

	memset(ring, 0, sizeof(ring));
	while (in.left)
		take_page(&in);
	if (cc_journal_ring_open(uuid, CC_JOURNAL_SIZE_MIN, read_ring, NULL, &r))
		abort();
	if (!cc_journal_ring_scan(r, &found) && found.newest) {
		fuzz_check(found.highest >= found.newest);
		if (cc_journal_ring_walk(r, found.newest, 0, true))
			fuzz_check_reason(cc_journal_ring_why(r));
		else
			read_state(r);
	}
	cc_journal_ring_close(r);
	return 0;
}

/* ---- seeds ---- */

static size_t put_page(uint8_t *to, const struct cc_journal_head *head, const struct chunkcache_record *records)
{
	size_t len = offsetof(struct cc_journal_page, record) + head->count * sizeof(struct cc_journal_record);
	uint8_t page[CC_JOURNAL_PAGE];

	cc_journal_page_encode(head, uuid, records, page);
	len = (len + 15) / 16 * 16;
	to[0] = (uint8_t)(head->number * 2 + head->version % 2);
	to[1] = (uint8_t)(len / 16 - 1);
	memcpy(to + 2, page, len);
	return len + 2;
}

void fuzz_seeds(void)
{
	const uint64_t first = cc_place(cc_log_number(2, 0), 0), cut = (first + 6) & ~CC_PLACE_DATA;
	const struct chunkcache_record one[] = {
		{ .type = CC_JOURNAL_VOLUME, .volume = 1, .count = 2, .block = 1, .place = 7 },
		{ .type = CC_JOURNAL_OPEN, .volume = 1, .block = 9, .count = 1, .place = first },
		{ .type = CC_JOURNAL_WRITE, .volume = 1, .count = 3, .block = 100, .place = first },
		{ .type = CC_JOURNAL_ZERO, .volume = 1, .count = 50, .block = 200, .place = cut },
		{ .type = CC_JOURNAL_CUT, .volume = 1, .place = cut },
	};
	const struct chunkcache_record two[] = {
		{ .type = CC_JOURNAL_WRITE, .volume = 1, .count = 1, .block = 101, .place = first + 8 },
		{ .type = CC_JOURNAL_COMMITTED, .volume = 1, .place = cut },
		{ .type = CC_JOURNAL_VOLUME, .volume = 2, .count = 1, .block = 5, .place = 5 },
		{ .type = CC_JOURNAL_FORGET, .volume = 2 },
	};
	struct cc_journal_head head = { .instance = 1, .number = 1, .tail = 1, .version = 1, .count = 5 };
	uint8_t buf[2 * (CC_JOURNAL_PAGE + 2)];
	size_t len = put_page(buf, &head, one);

	fuzz_seed("page", buf, len);
	head = (struct cc_journal_head){ .instance = 1, .number = 2, .prev = 1, .tail = 1, .version = 1, .count = 4 };
	len += put_page(buf + len, &head, two);
	fuzz_seed("pages", buf, len);
}
