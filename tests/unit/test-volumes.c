// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The volumes of a pool, with a kernel, a journal and a cache device that are this test's: what is asked of the kernel,
 * when, and in which order with what the journal has.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "httpd.h"
#include "tap.h"
#include "volume/journal-page.h"
#include "volume/place.h"
#include "volume/volume-log.h"
#include "volume/volume-name.h"
#include "volume/volume-snapshot.h"
#include "volume/volumes.h"
#include "no-misses.h"

#define CHUNK_SHIFT	16
#define CHUNK_BLOCKS	16u
#define BLOCKS		4096
#define SLOTS		300

static char err[400];
static struct cc_pool_geometry geometry = { .uuid = "pool a", .slot_shift = CHUNK_SHIFT, .nr_slots = SLOTS,
					   .dirty_max = SLOTS };
static const uint8_t pool_b[16] = "pool b", vol[16] = "volume one", other_vol[16] = "volume two",
		     third_vol[16] = "volume three", crashed_vol[16] = "volume four";
static uint8_t slots[SLOTS << CHUNK_SHIFT];
static struct cc_store_config config;
static struct cc_sources sources;
static struct cc_volumes *volumes;
static uint64_t later_ns;		/* ahead of the clock */
static uint64_t bad_slot = UINT64_MAX;

/* ---- the journal ---- */

static struct cc_journal_state state;
static uint64_t page;
static uint64_t tickets;

static void journal_page(const struct chunkcache_record *r, unsigned int nr)
{
	static uint8_t buf[CC_JOURNAL_PAGE];
	struct cc_journal_head head = { .instance = 1, .number = page + 1, .prev = page, .tail = 1, .version = 1,
					.count = nr };

	page++;
	cc_journal_page_encode(&head, geometry.uuid, r, buf);
	if (cc_journal_state_bind(&state, &head, buf) || cc_journal_state_apply(&state, &head, buf, 0))
		httpd_fatal(state.why);
}

static void journal_record(struct chunkcache_record r)
{
	journal_page(&r, 1);
}

static void journal_name(uint16_t handle, const uint8_t uuid[16], uint32_t term)
{
	struct chunkcache_record r = { .type = CC_JOURNAL_VOLUME, .volume = handle, .count = term };

	memcpy(&r.block, uuid, 8);
	memcpy(&r.place, uuid + 8, 8);
	journal_record(r);
}

/* A log chunk in a slot, and a write of all that was told there. */
static void journal_write(uint16_t handle, uint32_t term, uint32_t log, uint32_t slot, uint32_t first, uint32_t count)
{
	if (!first)
		journal_record((struct chunkcache_record){ .type = CC_JOURNAL_OPEN, .volume = handle,
			       .count = slot + 1000, .block = slot, .place = cc_place(cc_log_number(term, log), 0) });
	journal_record((struct chunkcache_record){ .type = CC_JOURNAL_WRITE, .volume = handle, .count = count,
		       .block = log * CHUNK_BLOCKS + first, .place = cc_place(cc_log_number(term, log), first) });
	memset(slots + ((size_t)slot << CHUNK_SHIFT) + first * 4096, log + 1, count * 4096);
}

static void journal_place(uint8_t type, uint16_t handle, uint64_t place)
{
	journal_record((struct chunkcache_record){ .type = type, .volume = handle, .place = place & ~CC_PLACE_DATA });
}

static enum cc_follow_state follows = CC_FOLLOW_FOLLOWING;
static bool journal_failed;

enum cc_follow_state cc_journal_follow_how(const struct cc_journal_follow *f)
{
	return follows;
}

bool cc_journal_follow_failed(const struct cc_journal_follow *f)
{
	return journal_failed;
}

const char *cc_journal_follow_why(const struct cc_journal_follow *f)
{
	return "a page is missing";
}

struct cc_journal_state *cc_journal_follow_volumes(struct cc_journal_follow *f)
{
	return &state;
}

uint64_t cc_journal_follow_keeps(const struct cc_journal_follow *f, struct cc_journal_volume *v)
{
	return 0;
}

static bool ring_half_full;

bool cc_journal_follow_half_full(const struct cc_journal_follow *f)
{
	return ring_half_full;
}

uint16_t cc_journal_follow_handle(const struct cc_journal_follow *f)
{
	return 1;
}

void cc_journal_follow_wake(struct cc_journal_follow *f)
{
}

uint64_t cc_journal_follow_ticket(struct cc_journal_follow *f)
{
	return ++tickets;
}

static uint64_t nr_read = UINT64_MAX;	/* tickets up to this one */

bool cc_journal_follow_has_read(const struct cc_journal_follow *f, uint64_t ticket)
{
	return ticket <= nr_read;
}

/* ---- the kernel ---- */

static struct {
	unsigned int starts, cuts, seals, cleans, drops, forgets;
	uint32_t term;
	uint64_t committed;		/* of the last COMMITTED that was added */
	struct chunkcache_slot clean;
	uint64_t held, writes;		/* of all volumes */
	char failed[400];
	struct chunkcache_log logs[16];	/* of the volume that was told last */
	uint32_t nr_logs;
} kernel;

int cc_channel_volume_load_logs(struct cc_channel *c, uint64_t disk, const struct chunkcache_log *logs, uint32_t nr)
{
	kernel.nr_logs = nr < 16 ? nr : 16;
	memcpy(kernel.logs, logs, kernel.nr_logs * sizeof(*logs));
	return 0;
}

/* The generation of the slot that readers of that log chunk have; 0: none. */
static uint32_t slot_told(uint32_t term, uint32_t log)
{
	for (uint32_t i = 0; i < kernel.nr_logs; i++)
		if (kernel.logs[i].log == cc_place_log_key(cc_place(cc_log_number(term, log), 0)))
			return kernel.logs[i].gen;
	return 0;
}

int cc_channel_volume_load_extents(struct cc_channel *c, uint64_t disk, const struct chunkcache_extent *e, uint32_t nr)
{
	return 0;
}

int cc_channel_volume_start(struct cc_channel *c, uint64_t disk, uint32_t handle, uint32_t term)
{
	kernel.starts++;
	kernel.term = term;
	return 0;
}

int cc_channel_volume_cut(struct cc_channel *c, uint64_t disk, bool seal)
{
	kernel.cuts++;
	kernel.seals += seal;
	return 0;
}

int cc_channel_volume_fail(struct cc_channel *c, uint64_t disk, const char *reason)
{
	snprintf(kernel.failed, sizeof(kernel.failed), "%s", reason);
	return 0;
}

int cc_channel_journal_add(struct cc_channel *c, const struct chunkcache_record *r, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		if (r[i].type == CC_JOURNAL_COMMITTED)
			kernel.committed = r[i].place;
		kernel.forgets += r[i].type == CC_JOURNAL_FORGET;
	}
	return 0;
}

int cc_channel_slot_clean(struct cc_channel *c, struct chunkcache_slot slot, uint64_t key)
{
	kernel.cleans++;
	kernel.clean = slot;
	return 0;
}

int cc_channel_slot_drop(struct cc_channel *c, const struct chunkcache_slot *s, uint32_t nr, bool bad,
			 struct cc_refusals *refused)
{
	kernel.drops += nr;
	return 0;
}

/* ---- the rest of the helper ---- */

static struct cc_disk disks[2];
static unsigned int nr_disks;
static struct cc_watch *watches[16];

void cc_disks_each(struct cc_disks *d, cc_disks_fn *fn, void *arg)
{
	for (unsigned int i = 0; i < nr_disks; i++)
		fn(arg, &disks[i]);
}

/* None of the volumes here has a base. */
int cc_image_of_manifest(struct cc_manifest *m, struct cc_image **ret_image)
{
	abort();
}

struct cc_image *cc_disks_add_base(struct cc_disks *d, struct cc_image *image, struct cc_source *source)
{
	abort();
}

void cc_disks_set_base(struct cc_disks *d, uint64_t id, struct cc_image *base)
{
	abort();
}

void cc_image_put(struct cc_image *image)
{
	if (image)
		abort();
}

int cc_channel_stats_get(struct cc_channel *c, cc_channel_stats_fn *fn, void *arg)
{
	for (unsigned int i = 0; i < nr_disks; i++) {
		struct cc_channel_stats st = { .disk = "" };

		snprintf(st.disk, sizeof(st.disk), "%s", disks[i].info.name);
		st.n[CHUNKCACHE_STAT_HELD_WRITES] = kernel.held;
		st.n[CHUNKCACHE_STAT_WRITES] = kernel.writes;
		fn(arg, &st);
	}
	return 0;
}

int cc_loop_add(struct cc_loop *l, struct cc_watch *w, uint32_t events)
{
	unsigned int i = 0;

	while (watches[i])
		i++;
	watches[i] = w;
	return 0;
}

void cc_loop_remove(struct cc_loop *l, struct cc_watch *w)
{
	for (unsigned int i = 0; i < 16; i++)
		if (watches[i] == w)
			watches[i] = NULL;
}

const struct cc_pool_geometry *cc_pooldev_geometry(const struct cc_pooldev *pd)
{
	return &geometry;
}

uint64_t cc_pooldev_slot_offset(const struct cc_pooldev *pd, uint32_t slot)
{
	return (uint64_t)slot << CHUNK_SHIFT;
}

int cc_pooldev_read(struct cc_pooldev *pd, void *buf, size_t len, uint64_t offset)
{
	if (offset >> CHUNK_SHIFT == bad_slot)
		return -EIO;
	memcpy(buf, slots + offset, len);
	return 0;
}

struct cc_source *cc_sources_find(struct cc_sources *s, const char *name)
{
	return strcmp(name, config.name) ? NULL : &s->s[0];
}

void cc_writer_write(struct cc_writer *w, struct cc_slot_io *s, uint32_t slot, void *data)
{
}

static void step_once(void)
{
	bool started = false;
	int error = 0;

	cc_volumes_step(volumes, cc_now_ns() + later_ns, &started, &error);
	for (unsigned int i = 0; i < 16; i++) {
		struct pollfd p = { .fd = watches[i] ? watches[i]->fd : -1, .events = POLLIN };

		if (watches[i] && poll(&p, 1, 0) > 0)
			watches[i]->fn(watches[i], 0);
	}
	nap_ms(1);
}

#define pump_until(condition) ({				\
	for (unsigned int n = 0; n < 5000 && !(condition); n++)	\
		step_once();					\
	(condition);						\
})

/* As the helper goes on for so long. */
static void pump_for(uint64_t ns)
{
	for (uint64_t end = later_ns + ns; later_ns < end; later_ns += 250 * CC_MS)
		step_once();
}

/* ---- */

static void make_volume(const uint8_t uuid[16])
{
	struct cc_commit c = { .size = (uint64_t)BLOCKS << CC_BLOCK_SHIFT, .chunk_shift = CHUNK_SHIFT };

	if (cc_volume_log_create(sources.s[0].store, uuid, &c, err, sizeof(err)))
		httpd_fatal(err);
}

static void plug(const uint8_t uuid[16], uint64_t id)
{
	struct cc_disk_info *i = &disks[nr_disks].info;

	*i = (struct cc_disk_info){
		.id = id, .sectors = BLOCKS * 8, .is_volume = true, .volume_state = CHUNKCACHE_VOLUME_NEW,
		.first_log = 1000, .store = "st",
	};
	snprintf(i->name, sizeof(i->name), "v%" PRIu64, id);
	memcpy(i->volume_uuid, uuid, 16);
	nr_disks++;
	cc_volumes_refresh(volumes);
}

static void test_commit(void)
{
	make_volume(vol);
	plug(vol, 7);
	pump_until(kernel.starts);
	ok(kernel.starts == 1 && kernel.term == 2, "opened, and started with term %u", kernel.term);
	journal_name(1, vol, 2);
	kernel.cuts = 0;
	pump_for(4 * CC_SECOND);
	ok(kernel.cuts >= 4 && kernel.cuts <= 6 && !kernel.seals, "a cut each second: %u in 4 s", kernel.cuts);
	journal_write(1, 2, 0, 3, 0, 4);
	step_once();
	ok(!kernel.committed, "nothing is committed before there is a cut");
	journal_place(CC_JOURNAL_CUT, 1, cc_place(cc_log_number(2, 0), 4));
	ok(pump_until(kernel.committed) && kernel.committed == (cc_place(cc_log_number(2, 0), 4) & ~CC_PLACE_DATA),
	   "then it is, and the journal is told");
	journal_write(1, 2, 0, 3, 4, CHUNK_BLOCKS - 4);
	journal_place(CC_JOURNAL_CUT, 1, cc_place(cc_log_number(2, 1), 0));
	ok(pump_until(kernel.committed == (cc_place(cc_log_number(2, 1), 0) & ~CC_PLACE_DATA)), "the rest of the log chunk, too");
	pump_for(CC_SECOND);
	ok(!kernel.cleans, "no slot is clean before COMMITTED is in the journal");
	journal_place(CC_JOURNAL_COMMITTED, 1, kernel.committed);
	ok(pump_until(kernel.cleans) && kernel.clean.slot == 3 && kernel.clean.gen == 1003, "then it is, by its generation");
}

static void test_when(void)
{
	unsigned int cuts;

	journal_write(1, 2, 1, 4, 0, 1);
	journal_place(CC_JOURNAL_CUT, 1, cc_place(cc_log_number(2, 1), 1));
	pump_for(40 * CC_SECOND);
	ok(!kernel.seals, "a log chunk stays open for a while");
	pump_for(40 * CC_SECOND);
	ok(kernel.seals == 1, "one that is idle for a minute is closed");
	config.commit_interval_ms = 30000;
	pump_for(2 * CC_SECOND);
	cuts = kernel.cuts;
	pump_for(20 * CC_SECOND);
	ok(kernel.cuts == cuts, "no cut within commit_interval");
	for (uint32_t log = 2; log < 131; log++)
		journal_write(1, 2, log, log + 10, 0, CHUNK_BLOCKS);
	pump_for(CC_SECOND);
	ok(kernel.cuts > cuts, "but if 8 MiB are ready");
	config.commit_interval_ms = 1000;
}

static void let_another_host_have(const uint8_t uuid[16], bool close)
{
	struct cc_volume_log l;
	struct cc_commit c = { .type = CC_COMMIT_CLOSE };

	cc_volume_log_init(&l, sources.s[0].store, uuid, pool_b, "b", NULL, NULL);
	if (cc_volume_log_read(&l, err, sizeof(err)) || cc_volume_log_take(&l, err, sizeof(err)) ||
	    (close && cc_volume_log_append(&l, &c, NULL, 0, err, sizeof(err))))
		httpd_fatal(err);
}

/* As the kernel does it with a log chunk that is full; the place of the cut. */
static uint64_t fill_log(uint32_t log)
{
	uint64_t cut = cc_place(cc_log_number(2, log + 1), 0);

	journal_write(1, 2, log, log + 10, 0, CHUNK_BLOCKS);
	journal_place(CC_JOURNAL_CUT, 1, cut);
	return cut & ~CC_PLACE_DATA;
}

static void test_full_log(void)
{
	uint64_t cut;

	config.commit_interval_ms = 30000;
	pump_for(35 * CC_SECOND);
	cut = fill_log(132);
	ok(pump_until(kernel.committed == cut), "a commit, that was due");
	fill_log(133);
	cut = fill_log(134);
	pump_for(10 * CC_SECOND);
	ok(kernel.committed < cut, "log chunks that are full wait for the end of the interval");
	pump_for(25 * CC_SECOND);
	ok(pump_until(kernel.committed == cut), "and are committed then");
	cut = fill_log(135);
	ring_half_full = true;
	ok(pump_until(kernel.committed == cut), "at once, if the journal is half full");
	ring_half_full = false;
	geometry.dirty_max = 2;
	cut = fill_log(136);
	ok(pump_until(kernel.committed == cut), "and if half of the slots that may be dirty are");
	geometry.dirty_max = SLOTS;
	config.commit_interval_ms = 1000;
}

static struct cc_volume_figures figures;	/* as told last */

static void note_figures(void *arg, const struct cc_volume_figures *f)
{
	const uint8_t *const *uuid = arg;

	if (!memcmp(f->uuid, *uuid, 16))
		figures = *f;
}

static void ask_figures(const uint8_t *uuid)
{
	figures = (struct cc_volume_figures){ .rescue = "gone", .rescued_as = "gone", .why = "gone" };
	cc_volumes_each(volumes, note_figures, &uuid);
}

static const char *how_snapped(void)
{
	ask_figures(vol);
	return figures.snapshot_state;
}

static uint64_t place_in_snapshot(const char *name, uint64_t block)
{
	struct cc_store *store = sources.s[0].store;
	struct cc_volume_state s;
	struct cc_snapshot p;
	uint64_t place = 0;

	cc_volume_state_init(&s, store, vol, pool_b, "");
	if (!cc_snapshot_get(store, vol, name, &p, err, sizeof(err)) &&
	    !cc_snapshot_load(&s, &p, true, err, sizeof(err)))
		place = cc_vmap_get(s.map, block);
	cc_volume_state_free(&s);
	return place;
}

static void test_snapshot(void)
{
	const uint64_t number = cc_log_number(2, 139);
	unsigned int cuts;

	config.commit_interval_ms = 30000;
	pump_for(35 * CC_SECOND);
	ok(cc_volumes_snapshot(volumes, vol, "a/b", err, sizeof(err)) == -EINVAL, "no name: %s", err);
	ok(cc_volumes_snapshot(volumes, other_vol, "one", err, sizeof(err)) == -ENOENT, "no volume: %s", err);
	journal_write(1, 2, 139, 149, 0, 4);
	cuts = kernel.cuts;
	ok(!strcmp(how_snapped(), "") && !cc_volumes_snapshot(volumes, vol, "one", err, sizeof(err)), "a snapshot");
	pump_for(CC_SECOND);
	ok(kernel.cuts > cuts && !strcmp(how_snapped(), "running"), "a cut is asked for, however long the interval");
	ok(cc_volumes_snapshot(volumes, vol, "two", err, sizeof(err)) == -EBUSY, "one at a time: %s", err);
	journal_place(CC_JOURNAL_CUT, 1, cc_place(number, 2));
	cuts = kernel.cuts;
	pump_for(CC_SECOND);
	ok(kernel.cuts > cuts && !strcmp(how_snapped(), "running"), "another one, if that was begun before");
	journal_write(1, 2, 139, 149, 4, 4);
	journal_place(CC_JOURNAL_CUT, 1, cc_place(number, 4));
	ok(pump_until(strcmp(how_snapped(), "running")) && !strcmp(how_snapped(), "done") &&
	   !strcmp(figures.snapshot, "one"), "it is there");
	ok(place_in_snapshot("one", 139 * CHUNK_BLOCKS + 3) == cc_place(number, 3) &&
	   !place_in_snapshot("one", 139 * CHUNK_BLOCKS + 4), "with what was written before, and without what came later");
	ok(!cc_volumes_snapshot(volumes, vol, "one", err, sizeof(err)), "another one of that name");
	journal_place(CC_JOURNAL_CUT, 1, cc_place(number, 8));
	ok(pump_until(strcmp(how_snapped(), "running")) && strstr(figures.snapshot_state, "of that name") &&
	   !strcmp(figures.state, "running"), "is refused, and the volume goes on");
	config.commit_interval_ms = 1000;
	pump_for(3 * CC_SECOND);
}

static const char *how_rescued(void)
{
	ask_figures(other_vol);
	return figures.rescue;
}

static bool is_rescue_over(void)
{
	return strcmp(how_rescued(), "running");
}

static const char *why_now(void)
{
	ask_figures(vol);
	return figures.why;
}

static int count_extent(void *arg, const struct cc_vmap_extent *e)
{
	*(uint64_t *)arg += e->count;
	return 0;
}

/* That a volume in the store has written. */
static uint64_t nr_of_blocks(const uint8_t uuid[16])
{
	struct cc_volume_state s;
	uint64_t n = 0;

	cc_volume_state_init(&s, sources.s[0].store, uuid, geometry.uuid, "a");
	if (cc_volume_log_read(&s.log, err, sizeof(err)) || cc_vmap_each(s.map, count_extent, &n))
		httpd_fatal(err);
	cc_volume_state_free(&s);
	return n;
}

static void test_fork(void)
{
	struct cc_volume_log l;
	uint8_t uuid[16];

	/* This pool was the owner as term 2, and has something of it. */
	make_volume(other_vol);
	cc_volume_log_init(&l, sources.s[0].store, other_vol, geometry.uuid, "a", NULL, NULL);
	if (cc_volume_log_read(&l, err, sizeof(err)) || cc_volume_log_take(&l, err, sizeof(err)))
		httpd_fatal(err);
	journal_name(2, other_vol, 2);
	journal_write(2, 2, 0, 200, 0, 3);
	journal_write(2, 2, 1, 201, 0, 2);
	let_another_host_have(other_vol, true);
	kernel.starts = 0;
	plug(other_vol, 8);
	ok(pump_until(*kernel.failed) && strstr(kernel.failed, "another host has had it since") && !kernel.starts,
	   "a fork is refused: %s", kernel.failed);
	ok(cc_volumes_rescue(volumes, vol, "st", "x", err, sizeof(err)) == -EBUSY && strstr(err, "open"),
	   "no rescue of an open volume: %s", err);
	ok(cc_volumes_discard(volumes, vol, err, sizeof(err)) == -EBUSY, "nor is one given up: %s", err);
	ok(cc_volumes_discard(volumes, pool_b, err, sizeof(err)) == -ENOENT, "nor what is not there: %s", err);
	ok(cc_volumes_rescue(volumes, other_vol, "none", "x", err, sizeof(err)) && cc_volumes_rescue(volumes, other_vol, "st",
	   "../x", err, sizeof(err)), "nor from nowhere, nor to no name: %s", err);
	ok(!cc_volumes_rescue(volumes, other_vol, "st", "saved", err, sizeof(err)), "a rescue is asked for: %s", err);
	nr_read = tickets;
	pump_for(4 * CC_SECOND);
	ok(!strcmp(how_rescued(), "running"), "it waits until all is known that was written");
	journal_write(2, 2, 2, 202, 0, 1);
	nr_read = UINT64_MAX;
	ok(pump_until(is_rescue_over()) && !strcmp(figures.rescue, "done"), "it is rescued");
	ok(!cc_volumes_rescue(volumes, other_vol, "st", "saved", err, sizeof(err)) && pump_until(is_rescue_over()) &&
	   strstr(figures.rescue, "volume of that name"), "not twice to one name: %s", figures.rescue);
	ok(!strcmp(figures.rescued_as, "saved"), "which changes nothing of what there is: %s", figures.rescued_as);
	ok(!cc_volume_uuid(sources.s[0].store, "saved", uuid, err, sizeof(err)), "as a volume that has a name: %s", err);
	ok(nr_of_blocks(uuid) == 6, "with what came last");
	ok(cc_volumes_discard(volumes, other_vol, err, sizeof(err)), "not discarded while its device is there: %s", err);
	nr_disks = 1;
	cc_volumes_refresh(volumes);
	pump_for(CC_SECOND);
	nr_read = tickets;
	ok(!cc_volumes_discard(volumes, other_vol, err, sizeof(err)), "then it is: %s", err);
	pump_for(CC_SECOND);
	journal_write(2, 2, 3, 203, 0, 1);
	ok(!kernel.forgets, "not before all is known that was written");
	nr_read = UINT64_MAX;
	ok(pump_until(kernel.forgets == 1), "all of it");
	pump_for(CC_SECOND);
	ok(!kernel.drops, "no slot goes before FORGET is in the journal");
	journal_place(CC_JOURNAL_FORGET, 2, 0);
	ok(pump_until(kernel.drops) && kernel.drops == 4, "then all four do");
}

/* Writes go on for so long; or wait. */
static void writes_for(uint64_t ns, bool go_on)
{
	for (uint64_t end = later_ns + ns; later_ns < end; later_ns += 250 * CC_MS) {
		kernel.writes += go_on;
		step_once();
	}
}

/* A volume goes on while it can, and fails when its writes would wait for ever. */
static void test_unreadable(void)
{
	*kernel.failed = '\0';
	bad_slot = 250;
	journal_write(1, 2, 140, 250, 0, 2);
	journal_place(CC_JOURNAL_CUT, 1, cc_place(cc_log_number(2, 140), 2));
	pump_until(({ later_ns += 100 * CC_MS; *why_now(); }));
	ok(strstr(why_now(), "slot 250 of the cache device"), "a slot that can't be read is told of: %s", figures.why);
	kernel.held = 3;
	writes_for(100 * CC_SECOND, true);
	ok(!*kernel.failed, "no failure while writes end, though some wait at each look");
	writes_for(20 * CC_SECOND, false);
	ok(!*kernel.failed, "nor at once when none does");
	bad_slot = UINT64_MAX;
	kernel.held = 0;
	ok(pump_until(!*why_now()), "a device that comes back is well again");
	kernel.held = 3;
	writes_for(100 * CC_SECOND, false);
	ok(!*kernel.failed, "who waits for a store waits");
	follows = CC_FOLLOW_BROKEN;
	writes_for(20 * CC_SECOND, false);
	ok(!*kernel.failed && !strcmp(why_now(), "a page is missing"), "a journal that can't be read is told of");
	follows = CC_FOLLOW_FOLLOWING;
	writes_for(20 * CC_SECOND, false);
	journal_failed = true;
	ok(strstr(why_now(), "can't be written"), "so is one that can't be written");
	journal_failed = false;
}

static void test_stuck(void)
{
	*kernel.failed = '\0';
	kernel.starts = 0;
	make_volume(third_vol);
	plug(third_vol, 9);
	pump_until(kernel.starts);
	follows = CC_FOLLOW_BROKEN;
	kernel.held = 0;
	writes_for(100 * CC_SECOND, false);
	ok(!*kernel.failed, "a volume of which nothing waits runs with a journal that can't be read");
	kernel.held = 1;
	writes_for(40 * CC_SECOND, false);
	ok(strstr(kernel.failed, "a page is missing") && strstr(kernel.failed, "wait for ever") &&
	   strlen(kernel.failed) <= CHUNKCACHE_REASON_MAX, "when all wait it fails: %s", kernel.failed);
	follows = CC_FOLLOW_FOLLOWING;
}

/* What the store says was written to blocks of a log chunk of term 2, and by this pool. */
static void commit_in_store(struct cc_volume_log *l, uint32_t log, uint32_t first, uint32_t count)
{
	static const uint8_t bytes[CHUNK_BLOCKS << CC_BLOCK_SHIFT];
	uint64_t place = cc_place(cc_log_number(2, log), first);
	size_t size = (size_t)count << CC_BLOCK_SHIFT;
	struct cc_piece piece = { .place = place, .count = count, .offset = cc_commit_data_offset(1, 1) };
	struct chunkcache_record record = {
		.type = CC_JOURNAL_WRITE, .block = log * CHUNK_BLOCKS + first, .count = count, .place = place,
	};
	struct cc_commit c = {
		.type = CC_COMMIT_DATA, .upto = cc_place_nth(place, count) & ~CC_PLACE_DATA,
		.pieces = &piece, .nr_pieces = 1, .records = &record, .nr_records = 1,
	};

	cc_sha256(bytes, size, piece.sha256);
	if (cc_volume_log_append(l, &c, bytes, size, err, sizeof(err)))
		httpd_fatal(err);
}

/* Readers have a slot only if the journal names all that they can see of it. */
static void test_slots_that_are_read(void)
{
	struct cc_volume_log l;

	make_volume(crashed_vol);
	cc_volume_log_init(&l, sources.s[0].store, crashed_vol, geometry.uuid, "a", NULL, NULL);
	if (cc_volume_log_read(&l, err, sizeof(err)) || cc_volume_log_take(&l, err, sizeof(err)))
		httpd_fatal(err);
	commit_in_store(&l, 0, 0, 3);
	journal_name(4, crashed_vol, 2);
	journal_write(4, 2, 0, 220, 0, 3);
	journal_write(4, 2, 0, 220, 3, 2);
	journal_write(4, 2, 1, 221, 0, 2);
	journal_write(4, 2, 1, 221, 3, 2);
	journal_write(4, 2, 2, 222, 0, 1);
	/* The journal has nothing of the middle of 1, and 2 was longer before the device was set back. */
	commit_in_store(&l, 1, 0, 5);
	commit_in_store(&l, 2, 0, 2);
	journal_write(4, 2, 3, 223, 0, 2);
	kernel.starts = 0;
	nr_disks = 0;
	plug(crashed_vol, 10);
	ok(pump_until(kernel.starts), "a volume is opened of which slots are dirty: %s", kernel.failed);
	ok(slot_told(2, 0) == 1220 && slot_told(2, 3) == 1223, "readers have slots of which the journal names all");
	ok(!slot_told(2, 1), "not one with blocks that only the store names");
	ok(!slot_told(2, 2), "nor one that is older than what the store has");
}

static void test_fenced(void)
{
	*kernel.failed = '\0';
	let_another_host_have(vol, false);
	ok(pump_until(({ later_ns += 100 * CC_MS; *kernel.failed; })) && strstr(kernel.failed, "opened by b"),
	   "an owner that is none any more finds out, idle as it is: %s", kernel.failed);
}

int main(void)
{
	char dir[64], url[128];
	struct cc_volumes_config c = { .sources = &sources };

	make_temp_dir(dir);
	snprintf(url, sizeof(url), "file://%s", dir);
	cc_store_config_init(&config);
	config.name = (char *)"st";
	config.url = url;
	sources.nr = 1;
	sources.s[0].config = &config;
	if (cc_store_open(&config, &sources.s[0].store, err, sizeof(err)) || cc_journal_state_open(&state) ||
	    cc_volumes_open(&c, &volumes))
		httpd_fatal(err);
	test_commit();
	test_when();
	test_full_log();
	test_snapshot();
	test_unreadable();
	test_fork();
	test_fenced();
	test_stuck();
	test_slots_that_are_read();
	cc_volumes_drain(volumes);
	cc_volumes_close(volumes);
	cc_journal_state_close(&state);
	cc_store_close(sources.s[0].store);
	remove_tree(dir);
	return tap_done();
}
