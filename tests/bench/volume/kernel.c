// SPDX-License-Identifier: GPL-2.0-or-later
/* See kernel.h. */
#include "kernel.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "clock.h"
#include "pool/disks.h"
#include "volume/journal-page.h"
#include "volume/place.h"
#include "../../unit/no-misses.h"

#define INSTANCE	1

struct cc_bench_kernel bench_kernel;

/* The page that takes records, the ring, slots, the open log chunk. */
static struct {
	int fd;				/* of the pool, past the page cache as the module is */
	uint32_t state;
	struct cc_journal_head head;
	struct chunkcache_record records[CC_JOURNAL_RECORDS];
	uint8_t *page;
	uint64_t durable, tail, dirty_max;
	uint32_t *gens;			/* of slots that are LOG; 0: it is free */
	uint32_t nr_log, hand, next_gen;
	uint32_t log, block, blocks;	/* the next place: log chunk, block in it of so many */
	uint32_t slot;
	uint64_t cut;			/* the last one */
	struct cc_disk disk;
	bool has_disk;
} k;

static const struct cc_pool_geometry *geometry(void)
{
	return cc_pooldev_geometry(bench_kernel.pooldev);
}

/* ---- the journal ---- */

static void write_page(void)
{
	const struct cc_pool_geometry *g = geometry();
	uint64_t position = k.head.number % (g->journal_size / CC_JOURNAL_POSITION);
	off_t at;

	k.head.version++;
	k.head.tail = k.tail;
	cc_journal_page_encode(&k.head, g->uuid, k.records, k.page);
	at = g->journal_offset + position * CC_JOURNAL_POSITION + k.head.version % 2 * CC_JOURNAL_PAGE;
	if (pwrite(k.fd, k.page, CC_JOURNAL_PAGE, at) != CC_JOURNAL_PAGE)
		err(1, "the pool can't be written");
	k.durable = k.head.number;
}

static void open_page(uint64_t number, uint64_t prev)
{
	k.head = (struct cc_journal_head){ .instance = INSTANCE, .number = number, .prev = prev };
}

static void end_page(void)
{
	write_page();
	open_page(k.head.number + 1, k.head.number);
}

static void put_record(const struct chunkcache_record *r)
{
	if (k.head.count == CC_JOURNAL_RECORDS)
		end_page();
	k.records[k.head.count++] = *r;
}

void bench_kernel_flush(void)
{
	write_page();
	if (bench_kernel.news)
		bench_kernel.news();
}

uint64_t bench_kernel_pages(void)
{
	return k.head.number;
}

int cc_channel_journal_get(struct cc_channel *c, struct cc_journal_info *ret_info)
{
	*ret_info = (struct cc_journal_info){ k.state, k.durable, k.tail, k.dirty_max };
	return 0;
}

int cc_channel_journal_resume(struct cc_channel *c, uint64_t next, uint64_t prev, uint64_t tail)
{
	bench_kernel.resumed_ns = cc_now_ns();
	open_page(next, prev);
	k.tail = tail;
	k.state = CHUNKCACHE_JOURNAL_RUNNING;
	write_page();
	return 0;
}

int cc_channel_journal_add(struct cc_channel *c, const struct chunkcache_record *r, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		put_record(&r[i]);
		if (r[i].type == CC_JOURNAL_COMMITTED && bench_kernel.committed)
			bench_kernel.committed(r[i].place);
	}
	bench_kernel_flush();
	return 0;
}

int cc_channel_journal_trim(struct cc_channel *c, uint64_t tail)
{
	k.tail = tail;
	return 0;
}

void bench_kernel_reboot(void)
{
	memset(k.gens, 0, geometry()->nr_slots * sizeof(*k.gens));
	k.nr_log = 0;
}

/* ---- slots ---- */

int cc_channel_slot_get(struct cc_channel *c, cc_channel_slot_fn *fn, void *arg)
{
	for (uint32_t i = 0; i < geometry()->nr_slots; i++)
		fn(arg, &(struct chunkcache_slot_info){ .slot = i, .gen = k.gens[i],
		   .state = k.gens[i] ? CHUNKCACHE_SLOT_LOG : CHUNKCACHE_SLOT_FREE });
	return 0;
}

int cc_channel_slot_claim(struct cc_channel *c, struct chunkcache_slot *s, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		s[i].gen = k.gens[s[i].slot] = ++k.next_gen;
		k.nr_log++;
	}
	return 0;
}

int cc_channel_slot_clean(struct cc_channel *c, struct chunkcache_slot slot, uint64_t key)
{
	if (k.gens[slot.slot] != slot.gen)
		return -ESTALE;
	k.gens[slot.slot] = 0;
	k.nr_log--;
	return 0;
}

int cc_channel_slot_drop(struct cc_channel *c, const struct chunkcache_slot *s, uint32_t nr, bool bad,
			 struct cc_refusals *refused)
{
	return -ENOENT;
}

/* ---- the guest ---- */

void bench_kernel_name(uint16_t handle, const uint8_t uuid[16], uint32_t term)
{
	struct chunkcache_record r = { .type = CC_JOURNAL_VOLUME, .volume = handle, .count = term };

	memcpy(&r.block, uuid, 8);
	memcpy(&r.place, uuid + 8, 8);
	put_record(&r);
}

/* What the slot holds differs from what any did before, so that no pack is like another. */
static void stamp_slot(void)
{
	memcpy(k.page, &k.next_gen, sizeof(k.next_gen));
	if (pwrite(k.fd, k.page, CC_BLOCK_SIZE, cc_pooldev_slot_offset(bench_kernel.pooldev, k.slot)) != CC_BLOCK_SIZE)
		err(1, "the pool can't be written");
}

static bool open_log(uint16_t handle, uint32_t term)
{
	if (k.nr_log >= k.dirty_max)
		return false;
	while (k.gens[k.hand])
		k.hand = (k.hand + 1) % geometry()->nr_slots;
	k.slot = k.hand;
	k.gens[k.slot] = ++k.next_gen;
	k.nr_log++;
	k.log++;
	k.block = 0;
	put_record(&(struct chunkcache_record){ .type = CC_JOURNAL_OPEN, .volume = handle, .count = k.gens[k.slot],
		   .block = k.slot, .place = cc_place(cc_log_number(term, k.log), 0) });
	stamp_slot();
	return true;
}

/* All writes have ended: the next place is the cut. */
static bool put_cut(uint16_t handle, uint32_t term)
{
	bool full = k.block == k.blocks;
	uint64_t cut = cc_place(cc_log_number(term, k.log + full), full ? 0 : k.block) & ~CC_PLACE_DATA;

	if (!k.log || cut == k.cut)
		return false;
	k.cut = cut;
	put_record(&(struct chunkcache_record){ .type = CC_JOURNAL_CUT, .volume = handle, .place = cut });
	return true;
}

uint64_t bench_kernel_write(uint16_t handle, uint32_t term, uint64_t block)
{
	uint64_t place;

	if ((!k.log || k.block == k.blocks) && !open_log(handle, term))
		return 0;
	place = cc_place(cc_log_number(term, k.log), k.block++);
	put_record(&(struct chunkcache_record){ .type = CC_JOURNAL_WRITE, .volume = handle, .count = 1, .block = block,
		   .place = place });
	if (k.block == k.blocks)
		put_cut(handle, term);
	return place;
}

/* ---- the volume ---- */

int cc_channel_volume_load_logs(struct cc_channel *c, uint64_t disk, const struct chunkcache_log *logs, uint32_t nr)
{
	bench_kernel.nr_logs += nr;
	return 0;
}

int cc_channel_volume_load_extents(struct cc_channel *c, uint64_t disk, const struct chunkcache_extent *e, uint32_t nr)
{
	bench_kernel.nr_extents += nr;
	return 0;
}

int cc_channel_volume_start(struct cc_channel *c, uint64_t disk, uint32_t handle, uint32_t term)
{
	bench_kernel.started_ns = cc_now_ns();
	bench_kernel.handle = handle;
	bench_kernel.term = term;
	bench_kernel_name(handle, k.disk.info.volume_uuid, term);
	bench_kernel_flush();
	return 0;
}

int cc_channel_volume_cut(struct cc_channel *c, uint64_t disk, bool seal)
{
	if (put_cut(bench_kernel.handle, bench_kernel.term))
		bench_kernel_flush();
	return 0;
}

int cc_channel_volume_fail(struct cc_channel *c, uint64_t disk, const char *reason)
{
	snprintf(bench_kernel.failed, sizeof(bench_kernel.failed), "%s", reason);
	return 0;
}

int cc_channel_stats_get(struct cc_channel *c, cc_channel_stats_fn *fn, void *arg)
{
	return 0;
}

const char *cc_channel_error(const struct cc_channel *c)
{
	return "no kernel";
}

/* ---- disks ---- */

void cc_disks_each(struct cc_disks *d, cc_disks_fn *fn, void *arg)
{
	if (k.has_disk)
		fn(arg, &k.disk);
}

/* The volume has no base. */
struct cc_image *cc_disks_add_base(struct cc_disks *d, struct cc_image *image, struct cc_source *source)
{
	abort();
}

void cc_disks_set_base(struct cc_disks *d, uint64_t id, struct cc_image *base)
{
	abort();
}

void bench_kernel_plug(const uint8_t uuid[16], uint64_t sectors)
{
	struct cc_disk_info *i = &k.disk.info;

	*i = (struct cc_disk_info){
		.id = 1, .sectors = sectors, .is_volume = true, .volume_state = CHUNKCACHE_VOLUME_NEW,
		.first_log = sectors, .name = "v", .store = "main",
	};
	memcpy(i->volume_uuid, uuid, sizeof(i->volume_uuid));
	k.has_disk = true;
}

void bench_kernel_open(const char *path, bool recovering)
{
	char why[400];

	if (cc_pooldev_open(path, &bench_kernel.pooldev, why, sizeof(why)))
		errx(1, "%s", why);
	k.fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (k.fd < 0 || posix_memalign((void **)&k.page, CC_JOURNAL_PAGE, CC_JOURNAL_PAGE))
		err(1, "%s", path);
	memset(k.page, 0, CC_JOURNAL_PAGE);
	k.gens = calloc(geometry()->nr_slots, sizeof(*k.gens));
	if (!k.gens)
		errx(1, "out of memory");
	k.dirty_max = geometry()->dirty_max;
	k.blocks = 1u << (geometry()->slot_shift - CC_BLOCK_SHIFT);
	k.state = recovering ? CHUNKCACHE_JOURNAL_RECOVERING : CHUNKCACHE_JOURNAL_RUNNING;
	k.tail = 1;
	open_page(1, 0);
}
