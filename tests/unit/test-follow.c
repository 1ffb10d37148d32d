// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Recovery and following of the journal, against a kernel that is played here: what is claimed, where the journal
 * goes on, what the helper knows after it was started again, and which pages may be trimmed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "pool/pooldev.h"
#include "pool/worker.h"
#include "tap.h"
#include "volume/journal-follow.h"
#include "volume/place.h"

#define POSITIONS	(CC_JOURNAL_SIZE_MIN / CC_JOURNAL_POSITION)
#define NR_SLOTS	64u
#define INSTANCE	77u

/* ---- the device ---- */

static struct cc_pool_geometry geometry = { .uuid = "pool of the test", .journal_size = CC_JOURNAL_SIZE_MIN };
static uint8_t area[CC_JOURNAL_SIZE_MIN];

const struct cc_pool_geometry *cc_pooldev_geometry(const struct cc_pooldev *pd)
{
	return &geometry;
}

static bool device_is_dead;

int cc_pooldev_read(struct cc_pooldev *pd, void *buf, size_t len, uint64_t offset)
{
	if (device_is_dead)
		return -EIO;
	memcpy(buf, area + offset, len);
	return 0;
}

/* ---- the thread beside the loop: a job is done when it is reaped ---- */

struct cc_worker {
	struct cc_job *job;
};

static struct cc_worker worker;

int cc_worker_open(unsigned int threads, struct cc_worker **ret_worker)
{
	worker.job = NULL;
	*ret_worker = &worker;
	return 0;
}

static unsigned int warnings;

void cc_log(int level, const char *fmt, ...)
{
	warnings += level == LOG_WARNING;
}

void cc_worker_close(struct cc_worker *w)
{
}

void cc_worker_submit(struct cc_worker *w, struct cc_job *job)
{
	w->job = job;
}

int cc_worker_fd(const struct cc_worker *w)
{
	return -1;
}

void cc_worker_reap(struct cc_worker *w)
{
	struct cc_job *job = w->job;

	w->job = NULL;
	if (!job)
		return;
	job->run(job);
	job->done(job);
}

/* ---- the kernel: journal ---- */

static struct {
	uint32_t state;
	struct cc_journal_head head;	/* of the page that takes records */
	struct chunkcache_record records[CC_JOURNAL_RECORDS];
	uint64_t durable, tail;
	uint32_t gens[NR_SLOTS];	/* of slots that are LOG */
	uint32_t next_gen;
	unsigned int nr_claims, nr_resumes, nr_trims, nr_added;
	uint64_t resumed[3];		/* next, prev, tail */
	int fail_claim;
	void (*before_add)(void);	/* somebody else was faster; once */
} k;

static void write_page(void)
{
	uint64_t number = k.head.number;

	k.head.version++;
	k.head.tail = k.tail;
	cc_journal_page_encode(&k.head, geometry.uuid, k.records, area + number % POSITIONS * CC_JOURNAL_POSITION +
			       k.head.version % 2 * CC_JOURNAL_PAGE);
	k.durable = number;
}

static void open_page(uint64_t number, uint64_t prev)
{
	k.head = (struct cc_journal_head) { .instance = INSTANCE, .number = number, .prev = prev };
}

static void end_page(void)
{
	write_page();
	open_page(k.head.number + 1, k.head.number);
}

static void put(uint8_t type, uint16_t volume, uint64_t block, uint32_t count, uint64_t place)
{
	if (k.head.count == CC_JOURNAL_RECORDS)
		end_page();
	k.records[k.head.count++] = (struct chunkcache_record) {
		.type = type, .volume = volume, .block = block, .count = count, .place = place };
}

static uint64_t log_place(uint32_t count, uint32_t block)
{
	return cc_place(cc_log_number(1, count), block);
}

static void put_volume(uint16_t handle)
{
	put(CC_JOURNAL_VOLUME, handle, handle, 1, 0xabcd);
}

static void put_open(uint16_t handle, uint32_t log, uint32_t slot)
{
	k.gens[slot] = ++k.next_gen;
	put(CC_JOURNAL_OPEN, handle, slot, k.gens[slot], log_place(log, 0));
}

static void put_write(uint16_t handle, uint32_t log, uint32_t block)
{
	put(CC_JOURNAL_WRITE, handle, 1000 + block, 1, log_place(log, block));
}

static void new_pool(void)
{
	memset(area, 0, sizeof(area));
	memset(&k, 0, sizeof(k));
	k.state = CHUNKCACHE_JOURNAL_RUNNING;
	k.tail = 1;
	open_page(1, 0);
}

/* The host has crashed: the kernel knows nothing. */
static void crash(void)
{
	memset(k.gens, 0, sizeof(k.gens));
	k.state = CHUNKCACHE_JOURNAL_RECOVERING;
	k.durable = 0;
	k.next_gen += 1000;
	k.nr_claims = k.nr_resumes = 0;
}

/* ---- the kernel: its messages ---- */

const char *cc_channel_error(const struct cc_channel *c)
{
	return "as the test wants it";
}

int cc_channel_journal_get(struct cc_channel *c, struct cc_journal_info *ret_info)
{
	*ret_info = (struct cc_journal_info) { .state = k.state, .head = k.durable, .tail = k.tail };
	return 0;
}

int cc_channel_journal_resume(struct cc_channel *c, uint64_t next, uint64_t prev, uint64_t tail)
{
	k.nr_resumes++;
	k.resumed[0] = next;
	k.resumed[1] = prev;
	k.resumed[2] = tail;
	k.state = CHUNKCACHE_JOURNAL_RUNNING;
	k.tail = tail;
	open_page(next, prev);
	return 0;
}

int cc_channel_journal_add(struct cc_channel *c, const struct chunkcache_record *records, uint32_t nr)
{
	void (*before)(void) = k.before_add;

	k.before_add = NULL;
	if (before)
		before();
	for (uint32_t i = 0; i < nr; i++) {
		put(records[i].type, records[i].volume, records[i].block, records[i].count, records[i].place);
		k.nr_added++;
	}
	write_page();
	return 0;
}

int cc_channel_journal_trim(struct cc_channel *c, uint64_t tail)
{
	if (tail < k.tail || tail > k.head.number)
		return -ERANGE;
	k.tail = tail;
	k.nr_trims++;
	return 0;
}

int cc_channel_slot_claim(struct cc_channel *c, struct chunkcache_slot *slots, uint32_t nr)
{
	if (k.fail_claim)
		return k.fail_claim;
	for (uint32_t i = 0; i < nr; i++)
		if (k.gens[slots[i].slot])
			return -ESTALE;
	for (uint32_t i = 0; i < nr; i++)
		slots[i].gen = k.gens[slots[i].slot] = ++k.next_gen;
	k.nr_claims += nr;
	return 0;
}

int cc_channel_slot_get(struct cc_channel *c, cc_channel_slot_fn *fn, void *arg)
{
	for (uint32_t i = 0; i < NR_SLOTS; i++)
		if (k.gens[i])
			fn(arg, &(struct chunkcache_slot_info) { .slot = i, .gen = k.gens[i],
								 .state = CHUNKCACHE_SLOT_LOG });
	return 0;
}

/* ---- the helper ---- */

static struct cc_journal_follow *f;

static int start_helper(void)
{
	struct cc_journal_follow_config c = { .instance = INSTANCE, .nr_slots = NR_SLOTS };

	return cc_journal_follow_open(&c, &f);
}

static void kill_helper(void)
{
	cc_journal_follow_close(f);
	f = NULL;
}

/* Until there is no more news; some seconds after the helper's start. */
static void follow(void)
{
	int error;

	cc_journal_follow_wake(f);
	for (unsigned int i = 0; i < 10; i++) {
		cc_journal_follow_step(f, cc_now_ns() + 5 * CC_SECOND, &error);
		cc_journal_follow_reap(f);
	}
}

static struct cc_journal_volume *volume(uint16_t handle)
{
	uint64_t uuid[2] = { handle, 0xabcd };

	return cc_journal_state_find(cc_journal_follow_volumes(f), (const uint8_t *)uuid);
}

static struct cc_journal_log *log_of(uint16_t handle, uint32_t log)
{
	return cc_journal_volume_log(volume(handle), cc_place_log_key(log_place(log, 0)));
}

/* ---- recovery ---- */

/* Log chunk 0 is committed, of 1 a part, 2 has only records behind the commit; volume 2 has a log chunk, too. */
static void write_two_volumes(void)
{
	put_volume(1);
	put_open(1, 0, 5);
	for (unsigned int i = 0; i < 10; i++)
		put_write(1, 0, i);
	end_page();
	put_open(1, 1, 6);
	for (unsigned int i = 0; i < 10; i++)
		put_write(1, 1, i);
	put(CC_JOURNAL_CUT, 1, 0, 0, log_place(1, 5) & ~(uint64_t)CC_PLACE_DATA);
	put(CC_JOURNAL_COMMITTED, 1, 0, 0, log_place(1, 5) & ~(uint64_t)CC_PLACE_DATA);
	end_page();
	put_volume(2);
	put_open(2, 0, 20);
	put_write(2, 0, 0);
	put_open(1, 2, 7);
	put_write(1, 2, 0);
	end_page();
}

static void test_recovery(void)
{
	new_pool();
	write_two_volumes();
	crash();
	ok(!start_helper() && cc_journal_follow_how(f) == CC_FOLLOW_FOLLOWING, "recovery: runs");
	ok(k.nr_claims == 3 && k.gens[6] && k.gens[7] && k.gens[20] && !k.gens[5],
	   "recovery: slots with what no store has are claimed, no others (%u)", k.nr_claims);
	ok(k.resumed[0] == 4 && k.resumed[1] == 3 && k.resumed[2] == 1, "recovery: goes on behind the newest page");
	ok(volume(1)->nr_writes == 6 && volume(1)->dirty_blocks == 6 && volume(2)->dirty_blocks == 1,
	   "recovery: what is committed is no write any more");
	ok(log_of(1, 1)->gen == k.gens[6] && log_of(1, 2)->gen == k.gens[7], "recovery: generations are the new ones");
	ok(!log_of(1, 0), "recovery: a slot that was not claimed is nobody's");
	ok(cc_journal_follow_handle(f) == 3, "recovery: a handle that is free");
	kill_helper();
}

static void test_recovery_twice(void)
{
	new_pool();
	write_two_volumes();
	crash();
	k.gens[6] = 900;	/* a helper died after its first claim */
	ok(!start_helper() && k.nr_claims == 2 && k.nr_resumes == 1 && log_of(1, 1)->gen == 900,
	   "recovery: who comes after a helper that died in it claims the rest");
	kill_helper();
	crash();
	ok(!start_helper() && k.nr_claims == 3 && k.resumed[0] == 4, "recovery: after a crash before anything was written");
	end_page();
	kill_helper();
	crash();
	ok(!start_helper() && k.nr_claims == 3 && k.resumed[0] == 5 && k.resumed[1] == 4,
	   "recovery: after one with an empty page written");
	kill_helper();
}

static void test_recovery_fails(void)
{
	new_pool();
	write_two_volumes();
	crash();
	k.fail_claim = -ENOTCONN;
	ok(start_helper() == -ENOTCONN && !f, "recovery: the session ends");
	k.fail_claim = -ERANGE;
	start_helper();
	ok(cc_journal_follow_how(f) == CC_FOLLOW_BROKEN && !k.nr_resumes &&
	   strstr(cc_journal_follow_why(f), "claim slots"), "recovery: a claim is refused: %s", cc_journal_follow_why(f));
	kill_helper();
	k.fail_claim = 0;
	memset(area + 2 * CC_JOURNAL_POSITION, 0, CC_JOURNAL_POSITION);
	start_helper();
	ok(cc_journal_follow_how(f) == CC_FOLLOW_BROKEN && !k.nr_resumes && !k.nr_claims,
	   "recovery: a page is missing: %s", cc_journal_follow_why(f));
	kill_helper();
}

static void bad_ring(void (*fill)(void), const char *what)
{
	new_pool();
	put_volume(1);
	fill();
	end_page();
	crash();
	start_helper();
	ok(cc_journal_follow_how(f) == CC_FOLLOW_BROKEN && !k.nr_resumes && !k.nr_claims, "%s: %s", what,
	   cc_journal_follow_why(f));
	kill_helper();
}

static void slot_outside(void)
{
	put(CC_JOURNAL_OPEN, 1, NR_SLOTS, 1, log_place(0, 0));
	put_write(1, 0, 0);
}

static void slot_twice(void)
{
	put_open(1, 0, 5);
	put_write(1, 0, 0);
	put_open(1, 1, 5);
	put_write(1, 1, 0);
}

static void no_slot(void)
{
	put_write(1, 3, 0);
}

static void no_name(void)
{
	put_open(9, 0, 5);
}

static void two_names(void)
{
	put(CC_JOURNAL_VOLUME, 1, 55, 1, 0xabcd);
}

static void relocation(void)
{
	put(CC_JOURNAL_RELOCATE, 1, 0, 1, log_place(0, 0) & ~CC_PLACE_GUEST);
	k.records[k.head.count - 1].arg = log_place(0, 1);
}

static void test_hostile(void)
{
	bad_ring(slot_outside, "hostile: a slot that there is not");
	bad_ring(slot_twice, "hostile: two log chunks in one slot");
	bad_ring(no_slot, "hostile: a log chunk without a slot");
	bad_ring(no_name, "hostile: a volume without a name");
	bad_ring(two_names, "hostile: two volumes of one handle");
	bad_ring(relocation, "what is not known is refused");
}

/* A VOLUME record that was appended anew stands behind what needs it. */
static void test_name_behind(void)
{
	new_pool();
	put_open(1, 0, 5);
	put_write(1, 0, 0);
	end_page();
	put_volume(1);
	end_page();
	crash();
	ok(!start_helper() && k.nr_claims == 1 && volume(1)->dirty_blocks == 1, "a name behind what needs it");
	kill_helper();
}

/* ---- following ---- */

static void test_restart(void)
{
	new_pool();
	write_two_volumes();
	k.gens[9] = 50;		/* the kernel's spare */
	ok(!start_helper() && !k.nr_claims && !k.nr_resumes, "restart: nothing is claimed");
	ok(log_of(1, 0) && log_of(1, 0)->committed && log_of(1, 0)->gen == k.gens[5],
	   "restart: a committed log chunk whose slot is not clean yet is known");
	kill_helper();
	k.gens[5] = 800;
	start_helper();
	ok(!log_of(1, 0), "restart: but not if the slot is in another use");
	kill_helper();
	put_open(2, 1, 5);
	put_write(2, 1, 0);
	end_page();
	open_page(k.head.number, k.head.prev);
	start_helper();
	ok(!log_of(1, 0) && log_of(2, 1)->gen == k.gens[5], "restart: nor if it is another log chunk's");
	kill_helper();
}

/* That is followed; the page is not written yet. */
static void new_pool_with_write(void)
{
	new_pool();
	start_helper();
	put_volume(1);
	put_open(1, 0, 5);
	put_write(1, 0, 0);
}

static void test_following(void)
{
	new_pool_with_write();
	write_page();
	follow();
	ok(volume(1) && volume(1)->nr_writes == 1, "follow: a first page");
	put_write(1, 0, 1);
	write_page();
	follow();
	ok(volume(1)->nr_writes == 2 && log_of(1, 0)->dirty_blocks == 2, "follow: it has grown");
	put_write(1, 0, 2);
	k.head.number++;	/* could not be written: comes again as the next, with all its records */
	k.head.version = 0;
	write_page();
	follow();
	ok(volume(1)->nr_writes == 3 && volume(1)->writes[0].page == 2, "follow: it comes again under another number");
	for (unsigned int i = 0; i < 120 * CC_JOURNAL_RECORDS; i++)
		put_write(1, 0, 3);
	write_page();
	follow();
	ok(volume(1)->nr_writes == 3 + 120 * CC_JOURNAL_RECORDS, "follow: many pages at once (%zu)", volume(1)->nr_writes);
	kill_helper();
}

static void test_trim(void)
{
	new_pool();
	start_helper();
	put_volume(1);
	put_open(1, 0, 5);
	end_page();
	for (unsigned int i = 0; i < 10; i++) {
		put_write(1, 0, i);
		end_page();
	}
	follow();
	ok(k.tail == 1, "trim: nothing while all is needed");
	put(CC_JOURNAL_COMMITTED, 1, 0, 0, log_place(0, 10) & ~(uint64_t)CC_PLACE_DATA);
	end_page();
	follow();
	ok(!volume(1)->nr_writes && k.tail == 1, "trim: OPEN stays while its log chunk is not done");
	put(CC_JOURNAL_COMMITTED, 1, 0, 0, log_place(1, 0) & ~(uint64_t)CC_PLACE_DATA);
	end_page();
	follow();
	ok(k.tail == 1 && log_of(1, 0)->committed, "trim: and while its slot is not clean");
	cc_journal_volume_cleaned(volume(1), cc_place_log_key(log_place(0, 0)));
	volume(1)->runs = false;
	follow();
	ok(k.tail == 1, "trim: nor the name of what the last page is about (%llu)", (unsigned long long)k.tail);
	put_volume(2);
	end_page();
	follow();
	ok(k.tail == 14, "trim: up to the last page then (%llu)", (unsigned long long)k.tail);
	kill_helper();
}

static void test_name_pins(void)
{
	new_pool();
	start_helper();
	put_volume(1);
	end_page();
	put_volume(2);
	put_open(2, 0, 5);
	end_page();
	put_write(2, 0, 0);
	put(CC_JOURNAL_COMMITTED, 2, 0, 0, log_place(1, 0) & ~(uint64_t)CC_PLACE_DATA);
	end_page();
	follow();
	volume(2)->runs = false;
	cc_journal_volume_cleaned(volume(2), cc_place_log_key(log_place(0, 0)));
	follow();
	ok(k.tail == 1, "trim: a name stays while a device has its handle");
	volume(1)->runs = false;
	follow();
	ok(k.tail == 2, "trim: and no longer than the last of its records (%llu)", (unsigned long long)k.tail);
	crash();
	kill_helper();
	start_helper();
	ok(cc_journal_follow_how(f) == CC_FOLLOW_FOLLOWING, "trim: of closed volumes: a crash loses no name: %s",
	   cc_journal_follow_why(f));
	put_volume(3);
	end_page();
	follow();
	ok(k.tail > 3, "trim: of closed volumes: all of it (%llu)", (unsigned long long)k.tail);
	kill_helper();
}

static void test_anew(void)
{
	new_pool();
	start_helper();
	put_volume(1);
	put_volume(2);
	put_open(1, 0, 5);
	put_open(2, 0, 6);
	put_write(2, 0, 0);
	end_page();
	follow();
	for (unsigned int i = 0; i < POSITIONS / 2 + 2; i++) {
		put_write(1, 0, 0);
		end_page();
	}
	put(CC_JOURNAL_COMMITTED, 1, 0, 0, log_place(0, 1) & ~(uint64_t)CC_PLACE_DATA);
	put(CC_JOURNAL_COMMITTED, 2, 0, 0, log_place(0, 1) & ~(uint64_t)CC_PLACE_DATA);
	end_page();
	follow();
	follow();
	ok(k.nr_added == 4, "anew: names and open log chunks that keep half of the ring (%u)", k.nr_added);
	ok(k.tail > POSITIONS / 2 && k.tail <= volume(1)->named, "anew: then what was before them is trimmed");
	end_page();
	crash();
	kill_helper();
	start_helper();
	ok(cc_journal_follow_how(f) == CC_FOLLOW_FOLLOWING && volume(1) && volume(2), "anew: and a crash loses no name: %s",
	   cc_journal_follow_why(f));
	kill_helper();
}

/* ---- what nobody commits ---- */

#define FORK_WRITES	300u		/* of volume 1, in more than two pages */

static void put_committed(uint16_t handle, uint32_t log)
{
	put(CC_JOURNAL_COMMITTED, handle, 0, 0, log_place(log, 0) & ~(uint64_t)CC_PLACE_DATA);
}

/* Volume 1 is not committed; volume 2 is. */
static void new_pool_with_fork(void)
{
	new_pool();
	start_helper();
	put_volume(1);
	put_open(1, 0, 5);
	for (unsigned int i = 0; i < FORK_WRITES; i++)
		put_write(1, 0, i);
	put_volume(2);
	put_open(2, 0, 6);
	end_page();
	follow();
}

static void put_page_of_2(void)
{
	put_write(2, 0, 0);
	put(CC_JOURNAL_COMMITTED, 2, 0, 0, log_place(0, 1) & ~(uint64_t)CC_PLACE_DATA);
	end_page();
}

/* Volume 2 writes so many pages: had each of them room? */
static bool turn(unsigned int pages)
{
	bool room = true;

	for (unsigned int i = 0; i < pages; i++) {
		put_page_of_2();
		if (i % 4 == 3)
			follow();
		room &= k.head.number - k.tail < POSITIONS - 1;
	}
	return room;
}

/* Up to where the next step adds something anew. */
static void turn_half(void)
{
	while (k.head.number - k.tail <= POSITIONS / 2)
		put_page_of_2();
}

static bool has_all_writes(void)
{
	return volume(1)->nr_writes == FORK_WRITES && volume(1)->dirty_blocks == FORK_WRITES && log_of(1, 0) &&
	       log_of(1, 0)->slot == 5 && log_of(1, 0)->dirty_blocks == FORK_WRITES;
}

/* The device of volume 2 is opened again. */
static void restart_after_crash(void)
{
	end_page();
	crash();
	kill_helper();
	start_helper();
	put_volume(2);
}

static void test_fork_goes_along(void)
{
	new_pool_with_fork();
	ok(cc_journal_follow_keeps(f, volume(1)) == 3 && cc_journal_follow_keeps(f, volume(2)) == 1,
	   "a fork: pages that stay for each volume are told");
	ok(turn(5 * POSITIONS), "a fork: does not stop other volumes");
	ok(has_all_writes(), "a fork: all of it is known (%zu)", volume(1)->nr_writes);
	ok(k.nr_added < 14 * (FORK_WRITES + 10), "a fork: is added anew once in half a turn (%u)", k.nr_added);
	restart_after_crash();
	ok(cc_journal_follow_how(f) == CC_FOLLOW_FOLLOWING && has_all_writes() && k.gens[5],
	   "a fork: and is there after a crash: %s", cc_journal_follow_why(f));
	ok(turn(2 * POSITIONS) && has_all_writes(), "a fork: and goes along after it");
	kill_helper();
}

/* Everything that happens on the way of a copy, at each step of it. */
static void test_anew_is_cut_off(void)
{
	new_pool_with_fork();
	turn_half();
	follow();
	crash();
	kill_helper();
	start_helper();
	ok(has_all_writes() && turn(POSITIONS) && has_all_writes(), "anew: a crash when some is there twice (%zu)",
	   volume(1)->nr_writes);
	kill_helper();

	new_pool_with_fork();
	turn_half();
	follow();
	kill_helper();
	start_helper();
	ok(has_all_writes() && turn(POSITIONS) && has_all_writes(), "anew: another helper goes on (%zu)",
	   volume(1)->nr_writes);
	kill_helper();

	new_pool_with_fork();
	turn_half();
	follow();
	k.head.number++;	/* could not be written: comes again as the next, with all its records */
	k.head.version = 0;
	write_page();
	follow();
	ok(has_all_writes() && turn(2 * POSITIONS) && has_all_writes(), "anew: a page with copies comes again (%zu)",
	   volume(1)->nr_writes);
	kill_helper();
}

static bool is_dirty(uint16_t handle)
{
	return volume(handle) && volume(handle)->nr_writes;
}

/* And a write of volume 3 lets the tail move up to between them, no further. */
static void commit_first(void)
{
	put_committed(1, 1);
	end_page();
	put_volume(3);
	put_open(3, 0, 7);
	put_write(3, 0, 0);
}

/* The COMMITTED of all that is added anew is in the journal before that, and not read. */
static void test_anew_behind_committed(void)
{
	new_pool_with_fork();
	turn_half();
	k.before_add = commit_first;
	follow();
	follow();
	ok(!k.before_add && !volume(1)->nr_writes && log_of(1, 0)->committed, "anew: a COMMITTED is before it");
	cc_journal_volume_cleaned(volume(1), cc_place_log_key(log_place(0, 0)));
	k.gens[5] = 0;
	put_open(2, 1, 5);
	put_write(2, 1, 0);
	for (unsigned int i = 0; i < 10; i++) {
		put_page_of_2();
		follow();
		restart_after_crash();
		if (cc_journal_follow_how(f) != CC_FOLLOW_FOLLOWING || is_dirty(1))
			break;
	}
	ok(cc_journal_follow_how(f) == CC_FOLLOW_FOLLOWING && !is_dirty(1) && log_of(2, 1) &&
	   log_of(2, 1)->slot == 5, "anew: nothing of it is dirty again, in a slot of somebody else: %s", cc_journal_follow_why(f));
	kill_helper();
}

/* It is given up, and that is not read yet. */
static void test_anew_not_behind_forget(void)
{
	unsigned int behind = 0;

	new_pool_with_fork();
	turn_half();
	put(CC_JOURNAL_FORGET, 1, 0, 0, 0);
	volume(1)->leaving = true;
	follow();
	for (unsigned int i = 1; i < k.head.count; i++)
		behind += k.records[i].volume == 1;
	ok(k.nr_added && !behind, "anew: nothing is added behind FORGET (%u)", behind);
	write_page();
	follow();
	ok(!volume(1)->nr_writes && !volume(1)->nr_logs && !volume(1)->leaving && turn(2 * POSITIONS),
	   "anew: and then nothing of it is left");
	kill_helper();
}

/* A cut stays as long as there is something that only it lets into the store. */
static void test_cut_goes_along(void)
{
	uint64_t cut = log_place(0, 100) & ~(uint64_t)CC_PLACE_DATA;

	new_pool_with_fork();
	turn(POSITIONS / 4);
	put(CC_JOURNAL_CUT, 1, 0, 0, cut);
	turn(POSITIONS / 4 + 16);
	restart_after_crash();
	ok(has_all_writes() && volume(1)->cut == cut, "a cut: is not trimmed when the writes below it were added anew");
	ok(turn(3 * POSITIONS), "a cut: while the ring goes round");
	restart_after_crash();
	ok(volume(1)->cut == cut && volume(1)->nr_cuts == 1, "a cut: is known after a crash");
	kill_helper();
}

/* So much of the ring counts that adding it anew would win nothing. */
static void test_fork_fills(void)
{
	unsigned int lines;

	new_pool_with_write();
	end_page();
	follow();
	lines = warnings;
	while (k.head.number < POSITIONS / 8 * 7) {
		put_write(1, 0, 1);
		if (k.head.count == CC_JOURNAL_RECORDS)
			end_page();
	}
	follow();
	ok(warnings == lines, "a full ring: no line as long as there is room");
	for (unsigned int i = 0; i < 3 * CC_JOURNAL_RECORDS; i++)
		put_write(1, 0, 1);
	write_page();
	follow();
	follow();
	ok(warnings == lines + 1 && cc_journal_follow_keeps(f, volume(1)) > POSITIONS / 8 * 7 && !k.nr_added,
	   "a full ring: one line when it is nearly that, and nothing is copied in vain (%u)", k.nr_added);
	kill_helper();
}

static void test_failed(void)
{
	unsigned int trims;

	new_pool_with_write();
	end_page();
	follow();
	ok(!cc_journal_follow_failed(f), "failed: not yet");
	put(CC_JOURNAL_COMMITTED, 1, 0, 0, log_place(0, 1) & ~(uint64_t)CC_PLACE_DATA);
	end_page();
	k.state = CHUNKCACHE_JOURNAL_FAILED;
	trims = k.nr_trims;
	follow();
	ok(cc_journal_follow_failed(f) && !volume(1)->nr_writes && k.nr_trims == trims,
	   "failed: it is known, what was written before is read, and the kernel is asked for nothing");
	kill_helper();
}

/* A device that dies: reads may fail before the kernel has written anything and knows. */
static void test_dies(void)
{
	new_pool_with_write();
	end_page();
	follow();
	device_is_dead = true;
	for (unsigned int i = 0; i < 10; i++) {
		put_write(1, 0, 1);
		write_page();
		follow();
	}
	ok(cc_journal_follow_how(f) == CC_FOLLOW_BROKEN && !cc_journal_follow_failed(f), "dies: it can't be read any more: %s",
	   cc_journal_follow_why(f));
	k.state = CHUNKCACHE_JOURNAL_FAILED;
	follow();
	ok(cc_journal_follow_failed(f), "dies: nor be written, which is known, too");
	device_is_dead = false;
	kill_helper();
}

static void test_no_journal(void)
{
	geometry.journal_size = 0;
	ok(!start_helper() && cc_journal_follow_how(f) == CC_FOLLOW_OFF && !cc_journal_follow_handle(f),
	   "a pool without a journal");
	kill_helper();
	geometry.journal_size = CC_JOURNAL_SIZE_MIN;
}

int main(void)
{
	test_no_journal();
	test_recovery();
	test_recovery_twice();
	test_recovery_fails();
	test_hostile();
	test_name_behind();
	test_restart();
	test_following();
	test_trim();
	test_name_pins();
	test_anew();
	test_fork_goes_along();
	test_anew_is_cut_off();
	test_anew_behind_committed();
	test_anew_not_behind_forget();
	test_cut_goes_along();
	test_fork_fills();
	test_failed();
	test_dies();
	return tap_done();
}
