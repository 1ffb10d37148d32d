// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Snapshots in a store: their text, what is in them, who was faster, lost answers; and that making them often takes
 * no piece away from a read that is under way.
 */
#include <errno.h>
#include <dlfcn.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "store/store-impl.h"
#include "tap.h"
#include "volume/place.h"
#include "volume/volume-commit.h"
#include "volume/volume-name.h"
#include "volume/volume-snapshot.h"

#define CHUNK_SHIFT	16
#define CHUNK_BLOCKS	16
#define BLOCKS		600

static char err[400];
static const uint8_t vol[16] = { 0x55 }, pool_a[16] = { 'A' }, pool_b[16] = { 'B' };
static uint64_t next_block;		/* of all log chunks of the term */

/* ---- a host with little memory ---- */

static bool memory_is_small;

long sysconf(int name)
{
	static long (*real)(int);

	if (!real)
		real = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
	return memory_is_small && name == _SC_PHYS_PAGES ? 1 : real(name);
}

/* ---- a store in which something happens when a snapshot is put ---- */

static struct cc_store *dir;
static struct cc_store_ops ops;
static struct cc_store store;
static enum { AS_IT_IS, TAKEN_OVER, ANSWER_LOST } happens;

static void take_over(void)
{
	struct cc_volume_log l;

	cc_volume_log_init(&l, dir, vol, pool_b, "b", NULL, NULL);
	if (cc_volume_log_read(&l, err, sizeof(err)) || cc_volume_log_take(&l, err, sizeof(err)))
		abort();
}

static enum cc_store_result dir_get(struct cc_store *s, const char *name, size_t max, void **ret_data, size_t *ret_size,
				    char *e, size_t errlen)
{
	return cc_store_get(dir, name, max, ret_data, ret_size, e, errlen);
}

static enum cc_store_result dir_get_range(struct cc_store *s, const char *name, uint64_t offset, void *buf, size_t size,
					  size_t *ret_got, uint64_t *ret_total, char *e, size_t errlen)
{
	return cc_store_get_range(dir, name, offset, buf, size, ret_got, ret_total, e, errlen);
}

static enum cc_store_result dir_put(struct cc_store *s, const char *name, const void *data, size_t size, char *e,
				    size_t errlen)
{
	return cc_store_put(dir, name, data, size, e, errlen);
}

static enum cc_store_result dir_create(struct cc_store *s, const char *name, const void *data, size_t size, char *e,
				       size_t errlen)
{
	enum cc_store_result r = cc_store_create(dir, name, data, size, e, errlen);

	if (!strstr(name, "/snapshots/") || r)
		return r;
	if (happens == TAKEN_OVER)
		take_over();
	return happens == ANSWER_LOST ? CC_STORE_EXISTS : r;
}

static enum cc_store_result dir_head(struct cc_store *s, const char *name, uint64_t *ret_size, char *e, size_t errlen)
{
	return cc_store_head(dir, name, ret_size, e, errlen);
}

static enum cc_store_result dir_remove(struct cc_store *s, const char *name, char *e, size_t errlen)
{
	return cc_store_delete(dir, name, e, errlen);
}

static enum cc_store_result dir_list(struct cc_store *s, const char *prefix, cc_store_list_fn *fn, void *arg, char *e,
				     size_t errlen)
{
	return cc_store_list(dir, prefix, fn, arg, e, errlen);
}

/* ---- an owner ---- */

static int read_slot(void *arg, uint64_t key, uint32_t block, uint32_t blocks, void *buf)
{
	memset(buf, 1 + cc_log_count(cc_place_number(key)), (size_t)blocks << CC_BLOCK_SHIFT);
	return 0;
}

static uint64_t place_here(const struct cc_volume_state *s)
{
	return cc_place(cc_log_number(s->log.own_term, next_block / CHUNK_BLOCKS), next_block % CHUNK_BLOCKS);
}

/* A log chunk full of blocks from block on, committed. */
static void write_chunk(struct cc_volume_state *s, struct cc_uploads *uploads, uint64_t block)
{
	struct chunkcache_record r = { .type = CC_JOURNAL_WRITE, .count = CHUNK_BLOCKS, .block = block,
				       .place = place_here(s) };
	struct cc_volume_dirty d = { .records = &r, .nr_records = 1, .nr_cuts = 1, .read = read_slot,
				     .uploads = uploads };
	struct cc_commit_counts counts = { 0 };
	uint64_t upto, cut;

	next_block += CHUNK_BLOCKS;
	cut = place_here(s) & ~CC_PLACE_DATA;
	d.cuts = &cut;
	if (cc_volume_commit(s, &d, &counts, &upto, err, sizeof(err)))
		abort();
}

static void open_owner(struct cc_volume_state *s)
{
	cc_volume_state_init(s, &store, vol, pool_a, "a");
	if (cc_volume_log_read(&s->log, err, sizeof(err)) || cc_volume_log_take(&s->log, err, sizeof(err)))
		abort();
	next_block = 0;
}

/* ---- */

static int count_name(void *arg, const char *name)
{
	++*(unsigned int *)arg;
	return 0;
}

static unsigned int nr_snapshots(void)
{
	unsigned int nr = 0;

	if (cc_snapshot_each(&store, vol, count_name, &nr, err, sizeof(err)))
		abort();
	return nr;
}

/* What the block is at in the snapshot; 0 also if that can't be had. */
static uint64_t place_in(const char *name, uint64_t block)
{
	struct cc_volume_state s;
	struct cc_snapshot p;
	uint64_t place = 0;

	cc_volume_state_init(&s, &store, vol, pool_b, "");
	if (!cc_snapshot_get(&store, vol, name, &p, err, sizeof(err)) &&
	    !cc_snapshot_load(&s, &p, true, err, sizeof(err)) && s.log.last.size == BLOCKS * CC_BLOCK_SIZE)
		place = cc_vmap_get(s.map, block);
	cc_volume_state_free(&s);
	return place;
}

static void test_content(struct cc_volume_state *s, struct cc_uploads *uploads)
{
	struct cc_volume_state pieces;
	struct cc_snapshot p;
	uint64_t first;

	write_chunk(s, uploads, 0);
	ok(!cc_snapshot_create(s, "one", false, err, sizeof(err)), "a snapshot: %s", err);
	first = cc_vmap_get(s->map, 3);
	write_chunk(s, uploads, 0);
	write_chunk(s, uploads, 100);
	ok(cc_snapshot_create(s, "one", false, err, sizeof(err)) == -EEXIST, "not another one of that name: %s", err);
	ok(!cc_snapshot_create(s, "two", false, err, sizeof(err)) && nr_snapshots() == 2, "but a second one");
	ok(first && place_in("one", 3) == first && !place_in("one", 100), "the first is as it was");
	ok(place_in("two", 3) == cc_vmap_get(s->map, 3) && place_in("two", 100), "and so is the second");
	cc_volume_state_init(&pieces, &store, vol, pool_b, "");
	if (cc_snapshot_get(&store, vol, "two", &p, err, sizeof(err)))
		abort();
	ok(!cc_snapshot_load(&pieces, &p, false, err, sizeof(err)) && pieces.pieces.nr == 3 && !pieces.map,
	   "its pieces can be had without its map");
	cc_volume_state_free(&pieces);
	ok(cc_snapshot_create(s, "../x", false, err, sizeof(err)) == -EINVAL &&
	   cc_snapshot_create(s, "a234567890123456789012345678901234567890123456789012345678901234x", false, err,
			      sizeof(err)) == -EINVAL, "names that are none: %s", err);
}

/* The piece of the first log chunk is dead; somebody may be reading it. */
static void test_often(struct cc_volume_state *s, struct cc_uploads *uploads)
{
	const struct cc_piece *of;

	for (unsigned int i = 0; i < 4; i++) {
		char name[8];

		snprintf(name, sizeof(name), "often%u", i);
		write_chunk(s, uploads, 0);
		if (cc_snapshot_create(s, name, false, err, sizeof(err)))
			abort();
	}
	ok(cc_pieces_of(&s->pieces, cc_place(cc_log_number(s->log.own_term, 0), 0), &of) == 1,
	   "snapshots one after the other drop no piece");
}

static void test_lost_answer(struct cc_volume_state *s)
{
	happens = ANSWER_LOST;
	ok(!cc_snapshot_create(s, "lost", false, err, sizeof(err)) && place_in("lost", 100), "an answer that is lost: %s", err);
	happens = AS_IT_IS;
}

static void test_taken_over(struct cc_volume_state *s)
{
	unsigned int before = nr_snapshots();

	happens = TAKEN_OVER;
	ok(cc_snapshot_create(s, "late", false, err, sizeof(err)) == -ESTALE && nr_snapshots() == before,
	   "taken over meanwhile, so its root may not be the newest: %s", err);
	happens = AS_IT_IS;
}

/* Whoever can write to the store says how large a map is, of a snapshot as of a volume. */
static void test_memory(void)
{
	struct cc_volume_state s;
	struct cc_snapshot p;

	if (cc_snapshot_get(dir, vol, "lost", &p, err, sizeof(err)))
		abort();
	memory_is_small = true;
	cc_volume_state_init(&s, dir, vol, pool_b, "b");
	s.log.parallel = 4;
	ok(cc_snapshot_load(&s, &p, true, err, sizeof(err)) == -EBADMSG && strstr(err, CC_VMAP_TOO_LARGE),
	   "a map that is larger than it may be: %s", err);
	cc_volume_state_free(&s);
	memory_is_small = false;
}

static bool text_is_taken(const char *text)
{
	char object[CC_OBJECT_NAME_MAX];
	struct cc_snapshot p;

	if (cc_snapshot_name(vol, "text", object) || cc_store_put(dir, object, text, strlen(text), err, sizeof(err)))
		abort();
	return cc_snapshot_get(dir, vol, "text", &p, err, sizeof(err)) != CC_STORE_CORRUPT;
}

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_texts(void)
{
	static const char *const bad[] = {
		"", "\n", "1 " HEX "\n", "0 " HEX " 5\n", "1 " HEX " 5", "1 " HEX " 5\n\n", "1 " HEX " -5\n", "1 " HEX " 5 \n",
		"262144 " HEX " 5\n", "1  " HEX " 5\n", "1 x" HEX " 5\n", "1 " HEX "0 5\n", "+1 " HEX " 5\n",
		"1 " HEX " 99999999999999999999\n",
	};
	unsigned int taken = 0;

	ok(text_is_taken("262143 " HEX " 1796104111\n"), "the text of a snapshot");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		taken += text_is_taken(bad[i]);
	ok(!taken, "texts of none: %u of them were taken for one; %s", taken, err);
}

static void test_all(void)
{
	struct cc_commit first = { .size = BLOCKS * CC_BLOCK_SIZE, .chunk_shift = CHUNK_SHIFT };
	const struct cc_uploads_config config = { .store = dir, .parallel = 2 };
	struct cc_uploads *uploads;
	struct cc_volume_state s;

	if (cc_volume_log_create(dir, vol, &first, err, sizeof(err)) || cc_uploads_open(&config, &uploads))
		abort();
	open_owner(&s);
	test_content(&s, uploads);
	test_often(&s, uploads);
	test_lost_answer(&s);
	test_taken_over(&s);
	test_memory();
	test_texts();
	cc_volume_state_free(&s);
	cc_uploads_close(uploads);
}

int main(void)
{
	char path[] = "/tmp/test-snapshot-XXXXXX", url[64], command[64];
	struct cc_store_config config;

	if (!mkdtemp(path))
		abort();
	snprintf(url, sizeof(url), "file://%s", path);
	snprintf(command, sizeof(command), "rm -rf %s", path);
	cc_store_config_init(&config);
	config.url = url;
	if (cc_store_open(&config, &dir, err, sizeof(err)))
		abort();
	ops = (struct cc_store_ops){
		.get = dir_get, .get_range = dir_get_range, .put = dir_put, .create = dir_create, .head = dir_head,
		.remove = dir_remove, .list = dir_list,
	};
	cc_store_init(&store, &config, CC_STORE_KIND_FILE, &ops);
	test_all();
	cc_store_close(dir);
	if (system(command))
		abort();
	return tap_done();
}
