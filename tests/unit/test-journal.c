// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The journal as the helper reads it: hostile pages and records, and rings as crashes leave them, written by a
 * stand-in for the kernel that knows what was acknowledged.
 */
#include <errno.h>
#include <string.h>

#include "tap.h"
#include "volume/journal-ring.h"
#include "volume/place.h"

#define POSITIONS	24u		/* of the ring; it takes any number */
#define RING_SIZE	(POSITIONS * CC_JOURNAL_POSITION)

static const uint8_t uuid[16] = "the pool's own";
static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

/* ---- the device ---- */

static uint8_t device[RING_SIZE];
static bool unreadable[2 * POSITIONS];

static int read_device(void *arg, void *buf, size_t len, uint64_t offset)
{
	for (uint64_t page = offset / CC_JOURNAL_PAGE; page < (offset + len) / CC_JOURNAL_PAGE; page++)
		if (unreadable[page])
			return -EIO;
	memcpy(buf, device + offset, len);
	return 0;
}

static uint8_t *place_of(uint64_t number, uint32_t version)
{
	return device + number % POSITIONS * CC_JOURNAL_POSITION + version % 2 * CC_JOURNAL_PAGE;
}

static struct chunkcache_record numbered(uint32_t n)
{
	return (struct chunkcache_record) { .type = CC_JOURNAL_WRITE, .volume = 1, .count = 1, .block = n,
					    .place = cc_place(n / 256, n % 256) };
}

/* ---- the kernel's side ---- */

struct kernel {
	struct cc_journal_head head;	/* of the page that takes records */
	struct chunkcache_record records[CC_JOURNAL_RECORDS];
	bool durable;			/* some version of it is */
	uint32_t next;			/* record */
	uint32_t acked;			/* records below are durable */
	uint32_t first[64 * 1024];	/* by page: its first record */
};

static struct kernel k;

static void kernel_start(uint64_t number, uint64_t prev, uint64_t tail)
{
	k.head = (struct cc_journal_head) { .instance = 7, .number = number, .prev = prev, .tail = tail, .version = 0 };
	k.durable = false;
	k.first[number] = k.next;
}

static void kernel_add(void)
{
	k.records[k.head.count++] = numbered(k.next++);
}

static void next_page(uint64_t prev)
{
	kernel_start(k.head.number + 1, prev, k.head.tail);
}

enum fate { LANDS, FAILS, FAILS_TORN, LOST, TORN };

static void put_page(enum fate fate)
{
	uint8_t page[CC_JOURNAL_PAGE], *to = place_of(k.head.number, k.head.version);

	cc_journal_page_encode(&k.head, uuid, k.records, page);
	if (fate == LANDS)
		memcpy(to, page, sizeof(page));
	else if (fate == TORN || fate == FAILS_TORN)
		memcpy(to, page, 512 * (1 + below(7)));
}

/* Writes the page; of a write that fails all comes again under the next number. */
static void kernel_write(enum fate fate)
{
	k.head.version++;
	put_page(fate);
	if (fate == FAILS || fate == FAILS_TORN) {
		uint32_t first = k.first[k.head.number];

		k.head.number++;
		k.head.version = 0;
		k.first[k.head.number] = first;
		k.durable = false;
		kernel_write(LANDS);
		return;
	}
	if (fate != LANDS)
		return;
	k.durable = true;
	k.acked = k.next;
	if (k.head.count == CC_JOURNAL_RECORDS || !below(4))
		next_page(k.head.number);
}

static void reset_device(void)
{
	memset(device, 0, sizeof(device));
	memset(unreadable, 0, sizeof(unreadable));
	memset(&k, 0, sizeof(k));
	kernel_start(1, 0, 1);
}

/* ---- reading ---- */

struct reading {
	struct cc_journal_found found;
	int error;
	unsigned int pages;
	uint32_t first, end;		/* records that came, in order and without a gap */
	bool gap;
	char why[160];
};

static void take_page(struct reading *g, const struct cc_journal_head *h, const void *page)
{
	struct chunkcache_record r;

	for (unsigned int i = 0; !g->error && i < h->count; i++) {
		g->error = cc_journal_page_record(page, i, &r);
		if (g->first == UINT32_MAX)
			g->first = g->end = (uint32_t)r.block;
		g->gap |= r.block != g->end;
		g->end = (uint32_t)r.block + 1;
	}
	g->pages++;
}

static struct reading read_ring(uint64_t newest, uint64_t from)
{
	struct reading g = { .first = UINT32_MAX };
	struct cc_journal_ring *r;
	struct cc_journal_head h;
	const void *page;
	int more;

	cc_journal_ring_open(uuid, RING_SIZE, read_device, NULL, &r);
	if (!newest)
		g.error = cc_journal_ring_scan(r, &g.found);
	if (!g.error)
		g.error = cc_journal_ring_walk(r, newest ? newest : g.found.newest, from, !newest);
	while (!g.error && (more = cc_journal_ring_next(r, &h, &page))) {
		if (more < 0)
			g.error = more;
		else
			take_page(&g, &h, page);
	}
	snprintf(g.why, sizeof(g.why), "%s", cc_journal_ring_why(r));
	cc_journal_ring_close(r);
	return g;
}

/* ---- pages ---- */

static uint8_t page_buf[CC_JOURNAL_PAGE];
static struct cc_journal_head good_head = {
	.instance = 7, .number = 5, .prev = 4, .tail = 2, .version = 1, .count = 2,
};

static int check_head(struct cc_journal_head h)
{
	struct chunkcache_record r[2] = { numbered(0), numbered(1) };
	struct cc_journal_head back;

	if (h.count <= CC_JOURNAL_RECORDS) {
		h.count = h.count < 2 ? h.count : 2;
		cc_journal_page_encode(&h, uuid, r, page_buf);
	}
	return cc_journal_page_check(page_buf, uuid, &back);
}

static bool same_head(const struct cc_journal_head *a, const struct cc_journal_head *b)
{
	return a->instance == b->instance && a->number == b->number && a->prev == b->prev && a->tail == b->tail &&
	       a->version == b->version && a->count == b->count;
}

#define BAD_HEAD(field, value) do {						\
	struct cc_journal_head h_ = good_head;					\
	h_.field = (value);							\
	ok(check_head(h_) == -EINVAL, "page: " #field " = " #value);		\
} while (0)

static void test_pages(void)
{
	struct cc_journal_head h;
	uint8_t other[16] = "another pool's";

	ok(!check_head(good_head), "page: good");
	ok(!cc_journal_page_check(page_buf, uuid, &h) && same_head(&h, &good_head), "page: header comes back");
	ok(cc_journal_page_check(page_buf, other, &h) == -ESTALE, "page: another pool's");
	page_buf[4000] ^= 1;
	ok(cc_journal_page_check(page_buf, uuid, &h) == -EILSEQ, "page: a bit behind all records");
	page_buf[0] = 'x';
	ok(cc_journal_page_check(page_buf, uuid, &h) == -ENODATA, "page: none");
	BAD_HEAD(number, 0);
	BAD_HEAD(number, UINT64_MAX);
	BAD_HEAD(prev, 5);
	BAD_HEAD(tail, 0);
	BAD_HEAD(tail, 6);
	BAD_HEAD(version, 0);
}

static int check_record(struct chunkcache_record r)
{
	struct cc_journal_head h = good_head;
	struct chunkcache_record back;

	h.count = 1;
	cc_journal_page_encode(&h, uuid, &r, page_buf);
	if (cc_journal_page_record(page_buf, 0, &back))
		return -EINVAL;
	return memcmp(&r, &back, sizeof(r)) ? -EIO : 0;
}

#define BAD_RECORD(field, value) do {						\
	struct chunkcache_record r_ = good_record;				\
	r_.field = (value);							\
	ok(check_record(r_) == -EINVAL, "record of type %u: " #field " = " #value, good_record.type); \
} while (0)

static void test_records(void)
{
	struct chunkcache_record good_record = numbered(300);

	ok(!check_record(good_record), "record: a write");
	BAD_RECORD(type, 0);
	BAD_RECORD(type, CC_JOURNAL_FORGET + 1);
	BAD_RECORD(reserved, 1);
	BAD_RECORD(volume, 0);
	BAD_RECORD(count, 0);
	BAD_RECORD(count, 4096);
	BAD_RECORD(block, UINT64_MAX);
	BAD_RECORD(block, 1ULL << 38);
	BAD_RECORD(place, good_record.place & ~CC_PLACE_GUEST);
	BAD_RECORD(place, good_record.place & ~(uint64_t)CC_PLACE_DATA);
	BAD_RECORD(arg, 1);
	good_record.type = CC_JOURNAL_ZERO;
	good_record.place &= ~(uint64_t)CC_PLACE_DATA;
	ok(!check_record(good_record), "record: zeros");
	BAD_RECORD(place, good_record.place | CC_PLACE_DATA);
	BAD_RECORD(count, 0);
	good_record = (struct chunkcache_record) { .type = CC_JOURNAL_OPEN, .volume = 1, .place = cc_place(5, 0) };
	ok(!check_record(good_record), "record: a log chunk");
	BAD_RECORD(place, cc_place(5, 1));
	BAD_RECORD(block, 1ULL << 32);
	good_record = (struct chunkcache_record) { .type = CC_JOURNAL_VOLUME, .volume = 65535, .count = 1,
						   .block = UINT64_MAX, .place = 3 };
	ok(!check_record(good_record), "record: a volume of any UUID");
	BAD_RECORD(count, 0);
	BAD_RECORD(count, CC_LOG_TERM_MAX + 1);
	good_record = (struct chunkcache_record) { .type = CC_JOURNAL_COMMITTED, .volume = 1, .place = cc_place(5, 1) };
	ok(!check_record(good_record), "record: committed");
	BAD_RECORD(place, 17);
}

/* ---- rings ---- */

static void test_empty(void)
{
	struct reading g;

	reset_device();
	g = read_ring(0, 0);
	ok(!g.error && !g.found.newest && !g.pages, "ring: nothing was written");
	for (unsigned int i = 0; i < CC_JOURNAL_RECORDS; i++)
		kernel_add();
	kernel_write(TORN);
	g = read_ring(0, 0);
	ok(!g.error && !g.found.newest, "ring: nothing but a page that is torn");
}

static void test_versions(void)
{
	struct reading g;

	reset_device();
	seed = 4;
	for (unsigned int i = 0; i < 3; i++) {
		kernel_add();
		k.head.version++;
		put_page(LANDS);
	}
	g = read_ring(0, 0);
	ok(!g.error && g.pages == 1 && g.end == 3, "versions: the higher one counts");
	while (k.head.count < CC_JOURNAL_RECORDS)
		kernel_add();
	k.head.version++;
	put_page(TORN);
	g = read_ring(0, 0);
	ok(!g.error && g.end == 3, "versions: one that is torn leaves the one before it");
}

/* A page in the wrong place is none: it could be taken for what was there. */
static void test_misplaced(void)
{
	struct reading g;

	reset_device();
	kernel_add();
	k.head.version = 1;
	put_page(LANDS);
	memcpy(place_of(1, 2), place_of(1, 1), CC_JOURNAL_PAGE);
	memset(place_of(1, 1), 0, CC_JOURNAL_PAGE);
	g = read_ring(0, 0);
	ok(!g.error && !g.found.newest && g.found.highest == 1, "a version in the other's place doesn't count, but is seen");
	memcpy(place_of(2, 1), place_of(1, 2), CC_JOURNAL_PAGE);
	g = read_ring(0, 0);
	ok(!g.found.newest && g.found.highest == 1, "nor a page at another position");
}

static void fill_pages(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		kernel_add();
		k.head.version = 1;
		put_page(LANDS);
		next_page(k.head.number);
	}
}

static void test_tail(void)
{
	struct reading g;

	reset_device();
	fill_pages(5);
	k.head.tail = 4;
	fill_pages(1);
	g = read_ring(0, 0);
	ok(!g.error && g.found.newest == 6 && g.pages == 3 && g.first == 3 && g.end == 6, "tail: what is below doesn't count");
	g = read_ring(6, 5);
	ok(!g.error && g.pages == 2 && g.first == 4, "read on from a page that is known");
	fill_pages(POSITIONS + 4);
	g = read_ring(0, 0);
	ok(g.error == -ERANGE && strstr(g.why, "more than the ring"), "tail: a chain that is longer than the ring: %s", g.why);
}

static void test_gap(void)
{
	struct reading g;

	reset_device();
	fill_pages(3);
	k.head.number = 6;	/* 4 and 5 could not be written */
	fill_pages(3);
	k.head.number = 10;
	fill_pages(2);
	g = read_ring(0, 0);
	ok(!g.error && !g.gap && g.pages == 8 && g.end == 8, "gaps: pages that could not be written are left out");
	k.head.tail = 5;
	fill_pages(1);
	g = read_ring(0, 0);
	ok(!g.error && g.pages == 6 && g.first == 3, "gaps: also if the tail is such a page");
}

/* A page in the chain that is gone must not be passed over. */
static void test_missing(void)
{
	struct reading g;

	reset_device();
	fill_pages(5);
	memset(place_of(3, 1), 0, CC_JOURNAL_PAGE);
	g = read_ring(0, 0);
	ok(g.error == -EBADMSG && strstr(g.why, "page 3"), "missing: %s", g.why);
}

static void test_unreadable(void)
{
	struct reading g;

	reset_device();
	fill_pages(5);
	unreadable[3 * 2] = true;	/* the other place of page 3 */
	g = read_ring(0, 0);
	ok(g.error == -EIO && strstr(g.why, "page 3"), "unreadable: might be a later version: %s", g.why);
	unreadable[3 * 2] = false;
	unreadable[6 * 2 + 1] = true;
	g = read_ring(0, 0);
	ok(g.error == -EIO && strstr(g.why, "page 6"), "unreadable: might be a later page: %s", g.why);
	unreadable[6 * 2 + 1] = false;
	unreadable[9 * 2] = true;
	g = read_ring(0, 0);
	ok(g.error == -EIO && strstr(g.why, "page 9"), "unreadable: might be one, if 6 to 8 could not be written: %s", g.why);
	unreadable[9 * 2] = false;
	unreadable[(5 + CC_JOURNAL_TRIES + 1) * 2] = true;
	g = read_ring(0, 0);
	ok(!g.error && g.end == 5, "unreadable: where nothing can be that counts");
	reset_device();
	fill_pages(1);
	unreadable[1 * 2 + 1] = true;
	g = read_ring(0, 0);
	ok(g.error == -EIO && strstr(g.why, "page 1"), "unreadable: might be the only page: %s", g.why);
}

/* What an earlier life wrote behind the page that counted last must not come back. */
static void test_ghost(void)
{
	struct reading g;
	uint8_t ghost[CC_JOURNAL_PAGE];

	reset_device();
	fill_pages(4);
	memcpy(ghost, place_of(4, 1), sizeof(ghost));
	memset(place_of(4, 1), 0, CC_JOURNAL_PAGE);	/* in flight at the crash: not there yet */
	g = read_ring(0, 0);
	ok(!g.error && g.end == 3 && g.found.highest == 3, "ghost: not seen");
	memcpy(place_of(4, 1), ghost, sizeof(ghost));
	k.next = 3;
	kernel_start(5, 3, 1);				/* a resume above it, that names the last that counts */
	fill_pages(1);
	g = read_ring(0, 0);
	ok(!g.error && !g.gap && g.pages == 4 && g.end == 4, "ghost: left out by the page behind it");
}

/*
 * Random lives of a ring: writes that land, fail or are torn, tails that move, crashes; after each all that
 * was acknowledged is read, in order, and what comes behind that was in flight.
 */
static bool live_and_crash(void)
{
	uint32_t acked;
	struct reading g;

	for (unsigned int i = below(60); i; i--) {
		for (unsigned int n = below(50); n && k.head.count < CC_JOURNAL_RECORDS; n--)
			kernel_add();
		kernel_write(below(8) ? LANDS : below(2) ? FAILS : FAILS_TORN);
		if (k.head.number - k.head.tail >= POSITIONS - 4 || !below(10))
			k.head.tail = k.head.number - (k.head.number > 1 ? below(2) : 0);
	}
	acked = k.acked;
	if (below(2)) {
		enum fate fate = below(3) == 0 ? LANDS : below(2) ? LOST : TORN;

		if (k.head.count < CC_JOURNAL_RECORDS)
			kernel_add();
		k.head.version++;
		put_page(fate);
	}
	g = read_ring(0, 0);
	/* What is below the tail may have been all. */
	if (g.error || g.gap || g.end > k.next || (g.end < acked && k.first[k.head.tail] < acked))
		return false;
	/* The next life goes on above all that was seen, with a page that names the last that counts. */
	k.next = k.acked = g.first == UINT32_MAX ? acked : g.end;
	kernel_start(g.found.highest + 1, g.found.newest, g.found.newest);
	kernel_write(LANDS);
	return true;
}

static void test_random(void)
{
	unsigned int bad = 0;

	for (unsigned int life = 0; life < 400; life++) {
		reset_device();
		seed = 1000 + life;
		for (unsigned int crash = 0; crash < 5; crash++) {
			if (!live_and_crash()) {
				note("life %u, crash %u", life, crash);
				bad++;
				break;
			}
		}
	}
	ok(!bad, "random: 2000 crashes, and nothing acknowledged is missing (%u are wrong)", bad);
}

int main(void)
{
	test_pages();
	test_records();
	test_empty();
	test_versions();
	test_misplaced();
	test_tail();
	test_gap();
	test_missing();
	test_unreadable();
	test_ghost();
	test_random();
	return tap_done();
}
