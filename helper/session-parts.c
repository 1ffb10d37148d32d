// SPDX-License-Identifier: GPL-2.0-or-later
/* The parts that live as long as one attachment: made in this order, unmade in the other. */
#include "session-impl.h"

#include <sys/epoll.h>

#define BUFFERS_DEFAULT	64
#define BUFFERS_MIN	4

/* ---- what they have to tell ---- */

static void on_bell(struct cc_watch *w, uint32_t events)
{
	struct cc_session *s = cc_list_entry(w, struct cc_session, bell_watch);

	/* The sticky error of a lost ring is taken with the next read. */
	if (cc_channel_bell_drain(s->channel) || events & EPOLLERR)
		s->pull = true;
}

static void on_ring(struct cc_watch *w, uint32_t events)
{
	cc_pooldev_reap(cc_list_entry(w, struct cc_session, ring_watch)->pooldev);
}

static void on_disks(struct cc_watch *w, uint32_t events)
{
	cc_disks_reap(cc_list_entry(w, struct cc_session, disks_watch)->disks);
}

static void on_fetch(struct cc_watch *w, uint32_t events)
{
	struct cc_session *s = cc_list_entry(w, struct cc_session, fetch_watch);

	while (cc_fetch_reap(s->fetch))
		;
}

static void on_follow(struct cc_watch *w, uint32_t events)
{
	cc_journal_follow_reap(cc_list_entry(w, struct cc_session, follow_watch)->follow);
}

static int watch(struct cc_session *s, struct cc_watch *w, int fd,
		 void (*fn)(struct cc_watch *w, uint32_t events))
{
	w->fd = fd;
	w->fn = fn;
	return cc_loop_add(s->loop, w, EPOLLIN);
}

static void unwatch(struct cc_session *s, struct cc_watch *w)
{
	if (w->fn)
		cc_loop_remove(s->loop, w);
	w->fn = NULL;
}

/* ---- making and unmaking ---- */

void cc_session_close_parts(struct cc_session *s)
{
	unwatch(s, &s->bell_watch);
	unwatch(s, &s->ring_watch);
	unwatch(s, &s->fetch_watch);
	unwatch(s, &s->disks_watch);
	unwatch(s, &s->follow_watch);
	cc_scrub_close(s->scrub);
	cc_volumes_close(s->volumes);
	cc_journal_follow_close(s->follow);
	cc_fills_close(s->fills);
	cc_disks_close(s->disks);
	cc_writer_close(s->writer);
	cc_manifest_area_close(s->area);
	cc_slot_table_close(s->table);
	cc_ramcache_close(s->ramcache);
	cc_index_close(s->index);
	cc_pooldev_close(s->pooldev);
	cc_channel_close(s->channel);
	s->follow = NULL;
	s->volumes = NULL;
	s->scrub = NULL;
	s->fills = NULL;
	s->disks = NULL;
	s->writer = NULL;
	s->area = NULL;
	s->table = NULL;
	s->ramcache = NULL;
	s->index = NULL;
	s->pooldev = NULL;
	s->channel = NULL;
}

static int open_memory(struct cc_session *s, uint32_t slot_shift)
{
	uint64_t nr = s->config->buffer_bytes ? s->config->buffer_bytes >> slot_shift : BUFFERS_DEFAULT;
	struct cc_ramcache_config c;
	int r;

	s->nr_buffers = nr < BUFFERS_MIN ? BUFFERS_MIN : (unsigned int)nr;
	r = cc_index_open(cc_session_max_slots(s), &s->index);
	if (r)
		return r;
	c = (struct cc_ramcache_config) {
		.chunk_size = (size_t)1 << slot_shift, .nr_fill = s->nr_buffers,
		.nr_cache = (unsigned int)(s->config->ram_cache_bytes >> slot_shift),
		.nr_reserved = s->nr_buffers / 4, .lock = s->config->lock_memory,
		.evict = cc_fills_evicted, .arg = s->index,
	};
	return cc_ramcache_open(&c, &s->ramcache);
}

static void on_loaded(void *arg, struct cc_disk *disk, bool fresh)
{
	struct cc_session *s = arg;

	cc_disk_reads_start(disk, fresh, s->config->prefetch ? s->config->prefetch_window : 0);
	if (s->config->replay && fresh)
		cc_fills_replay(s->fills, disk);
}

static int open_disks(struct cc_session *s, uint32_t slot_shift)
{
	struct cc_disks_config c = {
		.channel = s->channel, .fetch = s->fetch, .index = s->index, .sources = s->sources,
		.area = s->area, .pooldev = s->pooldev, .slot_shift = slot_shift,
		.added = cc_disk_reads_new, .loaded = on_loaded, .listens = cc_disk_reads_listen,
		.gone = cc_disk_reads_free, .arg = s,
	};

	return cc_disks_open(&c, &s->disks);
}

/* Half of what there is: who comes finds a buffer and a request.  The kernel gives a quarter of the slots. */
static unsigned int prefetch_max(const struct cc_session *s)
{
	uint64_t max = s->config->fetch.max_in_flight / 2;

	if (max > s->nr_buffers / 2)
		max = s->nr_buffers / 2;
	if (max > s->attachment.nr_slots / 4)
		max = s->attachment.nr_slots / 4;
	return max ? (unsigned int)max : 1;
}

static void on_volume_miss(void *arg, const struct chunkcache_miss *m)
{
	cc_volumes_take_miss(((struct cc_session *)arg)->volumes, m);
}

static int open_volumes(struct cc_session *s)
{
	struct cc_volumes_config c = {
		.channel = s->channel, .follow = s->follow, .pooldev = s->pooldev, .writer = s->writer,
		.sources = s->sources, .disks = s->disks, .loop = s->loop,
	};

	return cc_volumes_open(&c, &s->volumes);
}

static int open_scrub(struct cc_session *s)
{
	struct cc_scrub_config c = {
		.channel = s->channel, .pooldev = s->pooldev, .index = s->index, .loop = s->loop,
		.max_slots = cc_session_max_slots(s), .interval_ns = s->config->scrub_interval_ms * CC_MS,
	};

	return cc_scrub_open(&c, &s->scrub);
}

static int open_fills(struct cc_session *s, uint32_t slot_shift)
{
	struct cc_fills_config c = {
		.channel = s->channel, .disks = s->disks, .fetch = s->fetch, .index = s->index,
		.ramcache = s->ramcache, .table = s->table, .supplies = &s->supplies, .writer = s->writer,
		.nr_slots = s->attachment.nr_slots, .max_slots = cc_session_max_slots(s), .slot_shift = slot_shift,
		.nr_buffers = s->nr_buffers, .slot_wait_ms = s->config->slot_wait_ms,
		.prefetch_max = prefetch_max(s), .volume_miss = on_volume_miss, .arg = s,
	};

	return cc_fills_open(&c, &s->stats, &s->fills);
}

/* Before any slot is asked for: those with what no store has are claimed by name. */
static int open_follow(struct cc_session *s)
{
	struct cc_journal_follow_config c = {
		.channel = s->channel, .pooldev = s->pooldev, .instance = s->attachment.instance,
		.nr_slots = s->attachment.nr_slots,
	};

	return cc_journal_follow_open(&c, &s->follow);
}

static int watch_follow(struct cc_session *s)
{
	int fd = cc_journal_follow_fd(s->follow);

	return fd < 0 ? 0 : watch(s, &s->follow_watch, fd, on_follow);
}

int cc_session_open_parts(struct cc_session *s)
{
	uint32_t shift = cc_pooldev_geometry(s->pooldev)->slot_shift;
	int r;

	r = open_memory(s, shift);
	if (!r)
		r = cc_slot_table_open(s->pooldev, cc_session_slot_record, s, &s->table);
	if (!r)
		r = cc_manifest_area_open(s->pooldev, &s->area);
	if (!r)
		r = cc_writer_open(s->pooldev, s->config->verify_fill, &s->writer);
	if (!r)
		r = open_disks(s, shift);
	if (!r)
		r = open_fills(s, shift);
	if (!r)
		r = open_follow(s);
	if (!r)
		r = open_volumes(s);
	if (!r)
		r = open_scrub(s);
	if (!r)
		r = cc_session_load_slots(s);
	if (!r)
		r = watch(s, &s->bell_watch, cc_channel_bell_fd(s->channel), on_bell);
	if (!r)
		r = watch(s, &s->ring_watch, cc_pooldev_event_fd(s->pooldev), on_ring);
	if (!r)
		r = watch(s, &s->fetch_watch, cc_fetch_fd(s->fetch), on_fetch);
	if (!r)
		r = watch(s, &s->disks_watch, cc_disks_fd(s->disks), on_disks);
	if (!r)
		r = watch_follow(s);
	return r;
}
