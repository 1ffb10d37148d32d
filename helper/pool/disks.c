// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Disks and the loading of their manifests; see disks.h.  Owns disk and image objects.  Chunks
 * are the fill engine's business; here they are only looked up.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "disks.h"
#include "clock.h"
#include "log.h"
#include "places.h"

#define DISK_BUCKETS	1024u
#define MAX_LOADING	8		/* manifests at a time: each has a buffer of its own */
#define LOAD_BUF_MIN	(16u << 20)	/* so that one for smaller chunks can be named as such */
#define SCAN_CHUNKS	16384		/* looked at in one step */
#define BACKOFF_MIN	(1 * CC_SECOND)
#define BACKOFF_MAX	(30 * CC_SECOND)

/*
 * An image: one manifest as one source has it, for disks of one length.
 *	QUEUED -> READING [in the area] -> READY, FETCHING
 *	QUEUED -> FETCHING -> READY, REFUSED, QUEUED [store can't be reached: try again]
 *	REFUSED -> QUEUED [after a while, if the store may have it by then]
 */
enum image_state {
	IMAGE_QUEUED,		/* waits for its time and for its turn */
	IMAGE_READING,		/* device owns buf */
	IMAGE_FETCHING,		/* fetch engine owns buf */
	IMAGE_READY,		/* manifest and places are valid */
	IMAGE_REFUSED,		/* reason says why */
};

struct cc_image {
	struct cc_list node;
	struct cc_disks *disks;
	struct cc_source *source;
	uint64_t sectors;
	uint8_t digest[CC_ID_SIZE];
	unsigned int refs;
	enum image_state state;
	uint64_t due;			/* QUEUED: not before; REFUSED: then QUEUED */
	uint64_t backoff;
	char reason[CHUNKCACHE_REASON_MAX + 1];
	void *buf;
	size_t buf_size;
	struct cc_fetch_req req;
	struct cc_io io;
	struct cc_manifest manifest;
	struct cc_places *places;
};

struct cc_disks {
	struct cc_disks_config c;
	struct cc_disk *buckets[DISK_BUCKETS];
	struct cc_list images;
	unsigned int nr_loading;
	unsigned int nr_scanning;	/* disks with scanned < nr_chunks */
	bool cancelled;
	bool loaded;			/* since the last step */
	int error;			/* of the channel, since the last step */
	struct chunkcache_map maps[CHUNKCACHE_MAP_BATCH_MAX];
	struct cc_refusals refusals;
};

/* A reason, cut to what the kernel takes. */
static void set_reason(char to[CHUNKCACHE_REASON_MAX + 1], const char *from)
{
	size_t len = strnlen(from, CHUNKCACHE_REASON_MAX);

	memmove(to, from, len);
	to[len] = 0;
}

/* ---- disks ---- */

static struct cc_disk **disk_bucket(struct cc_disks *d, uint64_t id)
{
	return &d->buckets[id % DISK_BUCKETS];
}

struct cc_disk *cc_disks_find(struct cc_disks *d, uint64_t id)
{
	struct cc_disk *k = *disk_bucket(d, id);

	while (k && k->info.id != id)
		k = k->next;
	return k;
}

struct cc_disk *cc_disks_find_name(struct cc_disks *d, const char *name)
{
	struct cc_disk *found = NULL;

	for (unsigned int i = 0; i < DISK_BUCKETS; i++)
		for (struct cc_disk *k = d->buckets[i]; k; k = k->next)
			if (!strcmp(k->info.name, name) && (!found || k->info.id > found->info.id))
				found = k;
	return found;
}

void cc_disks_each(struct cc_disks *d, cc_disks_fn *fn, void *arg)
{
	for (unsigned int i = 0; i < DISK_BUCKETS; i++)
		for (struct cc_disk *k = d->buckets[i]; k; k = k->next)
			fn(arg, k);
}

static void tell_state(struct cc_disks *d, struct cc_disk *k)
{
	int r = cc_channel_disk_state(d->c.channel, k->info.id, k->state,
				      k->state == CHUNKCACHE_DISK_REFUSED ? k->reason : NULL);

	/* A disk that went meanwhile is found missing by the next dump. */
	if (r && r != -ENOENT)
		d->error = r;
}

static void disk_refuse(struct cc_disks *d, struct cc_disk *k, const char *reason)
{
	k->state = CHUNKCACHE_DISK_REFUSED;
	set_reason(k->reason, reason);
	cc_log(LOG_ERR, "disk %s: refused: %s", k->info.name, k->reason);
	tell_state(d, k);
}

/* Of a disk that a helper served before this one nobody knows what it has read. */
static bool is_fresh(const struct cc_disk *k)
{
	return k->info.state != CHUNKCACHE_DISK_LOADED;
}

static void disk_load(struct cc_disks *d, struct cc_disk *k)
{
	k->state = CHUNKCACHE_DISK_LOADED;
	k->reason[0] = 0;
	k->manifest = &k->image->manifest;
	k->scanned = 0;
	cc_streams_init(&k->streams, k->manifest->nr_chunks, d->c.prefetch_window);
	if (is_fresh(k))
		cc_recording_start(&k->recording, k->manifest->nr_chunks, cc_now_ns());
	d->nr_scanning++;
	d->loaded = true;
	cc_log(LOG_INFO, "disk %s: %llu chunks of store %s", k->info.name,
	       (unsigned long long)k->manifest->nr_chunks, k->source->config->name);
	tell_state(d, k);
	d->c.loaded(d->c.arg, k, is_fresh(k));
}

static void scan_end(struct cc_disks *d, struct cc_disk *k)
{
	if (k->manifest && k->scanned < k->manifest->nr_chunks) {
		k->scanned = k->manifest->nr_chunks;
		d->nr_scanning--;
	}
}

/* All disks of an image, after its state has changed. */
static void image_changed(struct cc_disks *d, struct cc_image *g)
{
	for (unsigned int i = 0; i < DISK_BUCKETS; i++) {
		for (struct cc_disk *k = d->buckets[i]; k; k = k->next) {
			if (k->image != g)
				continue;
			if (g->state == IMAGE_READY)
				disk_load(d, k);
			else if (k->state != CHUNKCACHE_DISK_REFUSED)
				disk_refuse(d, k, g->reason);
		}
	}
}

/* ---- images ---- */

static struct cc_image *image_get(struct cc_disks *d, const struct cc_disk_info *info, struct cc_source *source)
{
	struct cc_image *g;

	cc_list_each(n, &d->images) {
		g = cc_list_entry(n, struct cc_image, node);
		if (g->source == source && g->sectors == info->sectors && g->refs &&
		    !memcmp(g->digest, info->digest, CC_ID_SIZE)) {
			g->refs++;
			return g;
		}
	}
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	g->disks = d;
	g->source = source;
	g->sectors = info->sectors;
	memcpy(g->digest, info->digest, CC_ID_SIZE);
	g->refs = 1;
	g->backoff = BACKOFF_MIN;
	cc_list_add_tail(&d->images, &g->node);
	return g;
}

static bool image_in_flight(const struct cc_image *g)
{
	return g->state == IMAGE_READING || g->state == IMAGE_FETCHING;
}

static void image_free(struct cc_image *g)
{
	cc_list_del(&g->node);
	cc_places_free(g->places);
	cc_manifest_free(&g->manifest);
	free(g->buf);
	free(g);
}

static void image_put(struct cc_disks *d, struct cc_image *g)
{
	if (!g || --g->refs)
		return;
	if (!image_in_flight(g))
		image_free(g);
	else if (g->state == IMAGE_FETCHING)
		cc_fetch_cancel(d->c.fetch, &g->req);
}

static void image_release_buf(struct cc_image *g)
{
	free(g->buf);
	g->buf = NULL;
}

static void image_refuse(struct cc_disks *d, struct cc_image *g, uint64_t retry_ns, const char *reason)
{
	g->state = IMAGE_REFUSED;
	g->due = retry_ns == UINT64_MAX ? UINT64_MAX : cc_now_ns() + retry_ns;
	set_reason(g->reason, reason);
	image_release_buf(g);
	image_changed(d, g);
}

static void image_retry(struct cc_image *g, const char *why)
{
	g->state = IMAGE_QUEUED;
	g->due = cc_now_ns() + g->backoff;
	cc_log(LOG_WARNING, "manifest: %s; next try in %llu s", why,
	       (unsigned long long)(g->backoff / CC_SECOND));
	g->backoff = g->backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : g->backoff * 2;
	image_release_buf(g);
}

/* Does the manifest fit the pool and the disk?  0, or -EINVAL with a line. */
static int image_check(struct cc_disks *d, const struct cc_image *g, const struct cc_manifest *m,
		       char *err, size_t errlen)
{
	if (m->chunk_shift != d->c.slot_shift) {
		snprintf(err, errlen, "manifest: chunk size is %llu, expected the pool's slot size %llu",
			 1ULL << m->chunk_shift, 1ULL << d->c.slot_shift);
		return -EINVAL;
	}
	if (m->image_size != g->sectors * 512) {
		snprintf(err, errlen, "manifest: image has %llu sectors, but the table line says %llu",
			 (unsigned long long)(m->image_size / 512), (unsigned long long)g->sectors);
		return -EINVAL;
	}
	return 0;
}

/*
 * size bytes are in buf.  0: READY.  -EILSEQ: not what the digest says.  -ENOMEM: worth another try.
 * Else refused for good.  With a line in err.
 */
static int image_take(struct cc_disks *d, struct cc_image *g, size_t size, char *err, size_t errlen)
{
	struct cc_manifest m;
	void *shrunk;
	int r;

	shrunk = size ? realloc(g->buf, size) : NULL;
	if (shrunk)
		g->buf = shrunk;
	r = cc_manifest_parse(g->buf, size, g->digest, &m, err, errlen);
	if (r)
		return r;
	g->buf = NULL;
	r = image_check(d, g, &m, err, errlen);
	if (r)
		goto err_manifest;
	g->manifest = m;
	r = cc_places_build(&g->manifest, &g->places);
	if (r) {
		snprintf(err, errlen, "%s", r == -ENOMEM ? "out of memory" : "manifest: too many chunks");
		memset(&g->manifest, 0, sizeof(g->manifest));
		goto err_manifest;
	}
	g->state = IMAGE_READY;
	image_changed(d, g);
	return 0;
err_manifest:
	cc_manifest_free(&m);
	return r;
}

static void manifest_fetched(struct cc_fetch_req *req);

static void image_fetch(struct cc_disks *d, struct cc_image *g)
{
	g->state = IMAGE_FETCHING;
	g->req = (struct cc_fetch_req) {
		.store = g->source->store, .kind = CC_FETCH_MANIFEST, .buf = g->buf, .buf_size = g->buf_size,
		.done = manifest_fetched,
	};
	memcpy(g->req.id, g->digest, CC_ID_SIZE);
	cc_fetch_submit(d->c.fetch, &g->req, CC_FETCH_DEMAND);
}

/* A read or a fetch of g came back.  False: nobody wants it any more, and g may be gone. */
static bool image_step_ended(struct cc_disks *d, struct cc_image *g)
{
	d->nr_loading--;
	g->state = IMAGE_QUEUED;
	if (g->refs && !d->cancelled)
		return true;
	image_release_buf(g);
	if (!g->refs)
		image_free(g);
	return false;
}

static void image_was_read(struct cc_io *io, int error)
{
	struct cc_image *g = cc_list_entry(io, struct cc_image, io);
	struct cc_disks *d = g->disks;
	char err[160];
	void *whole;
	int r;

	if (!image_step_ended(d, g))
		return;
	r = error ? -EIO : image_take(d, g, g->req.size, err, sizeof(err));
	if (!r)
		return;
	if (r == -ENOMEM) {
		image_retry(g, err);
		return;
	}
	/* What the area had is of no use; the store's copy decides. */
	cc_manifest_area_forget(d->c.area, g->source->domain, g->digest);
	whole = realloc(g->buf, g->buf_size);
	if (!whole) {
		image_retry(g, "out of memory");
		return;
	}
	g->buf = whole;
	d->nr_loading++;
	image_fetch(d, g);
}

static bool image_read(struct cc_disks *d, struct cc_image *g)
{
	uint64_t offset;
	uint32_t size;

	if (cc_manifest_area_find(d->c.area, g->source->domain, g->digest, &offset, &size) ||
	    size > g->buf_size)
		return false;
	g->state = IMAGE_READING;
	g->req.size = size;
	g->io = (struct cc_io) {
		.buf = g->buf, .len = (size + 4095) & ~4095u, .offset = offset, .done = image_was_read,
	};
	cc_pooldev_submit(d->c.pooldev, &g->io);
	return true;
}

static void image_start(struct cc_disks *d, struct cc_image *g)
{
	uint64_t chunk_sectors = (1ULL << d->c.slot_shift) / 512;
	uint64_t nr = g->sectors / chunk_sectors + !!(g->sectors % chunk_sectors);

	if (!g->sectors || nr > CC_MANIFEST_CHUNKS_MAX) {
		image_refuse(d, g, UINT64_MAX, "disk is larger than a manifest may describe");
		return;
	}
	g->buf_size = sizeof(struct cc_manifest_header) + nr * CC_ID_SIZE;
	if (g->buf_size < LOAD_BUF_MIN)
		g->buf_size = LOAD_BUF_MIN;
	g->buf_size = (g->buf_size + 4095) & ~4095ULL;
	if (posix_memalign(&g->buf, 4096, g->buf_size)) {
		g->buf = NULL;
		image_retry(g, "out of memory");
		return;
	}
	d->nr_loading++;
	if (!image_read(d, g))
		image_fetch(d, g);
}

/* The store answered, but not with a manifest. */
static void image_failed(struct cc_disks *d, struct cc_image *g, const struct cc_fetch_req *req)
{
	char reason[200];

	switch (req->result) {
	case CC_STORE_NOTFOUND:
		snprintf(reason, sizeof(reason), "manifest not found in store %s", g->source->config->name);
		image_refuse(d, g, BACKOFF_MAX, reason);
		break;
	case CC_STORE_CORRUPT:
		snprintf(reason, sizeof(reason), "manifest in store %s is not what its digest says",
			 g->source->config->name);
		image_refuse(d, g, BACKOFF_MAX, reason);
		break;
	case CC_STORE_TOOBIG:
		snprintf(reason, sizeof(reason),
			 "manifest is larger than a disk of %llu sectors and slots of %llu bytes can need",
			 (unsigned long long)g->sectors, 1ULL << d->c.slot_shift);
		image_refuse(d, g, UINT64_MAX, reason);
		break;
	default:
		image_retry(g, req->error[0] ? req->error : cc_store_result_name(req->result));
	}
}

/* One of the image's disks pays for the manifest. */
static void charge(struct cc_disks *d, const struct cc_image *g, const struct cc_fetch_req *req)
{
	struct cc_account *account = NULL;

	for (unsigned int i = 0; i < DISK_BUCKETS && !account; i++)
		for (struct cc_disk *k = d->buckets[i]; k && !account; k = k->next)
			if (k->image == g)
				account = k->account;
	cc_accounts_charge(&d->c.sources->accounts, account, req->attempts, req->bytes_fetched);
}

static void manifest_fetched(struct cc_fetch_req *req)
{
	struct cc_image *g = cc_list_entry(req, struct cc_image, req);
	struct cc_disks *d = g->disks;
	char err[160];
	int r;

	charge(d, g, req);
	cc_source_note(g->source, req, cc_now_ns());
	if (!image_step_ended(d, g))
		return;
	if (req->result != CC_STORE_OK) {
		image_failed(d, g, req);
		return;
	}
	r = image_take(d, g, req->size, err, sizeof(err));
	if (r == -ENOMEM)
		image_retry(g, err);
	else if (r)
		image_refuse(d, g, UINT64_MAX, err);
	else
		cc_manifest_area_store(d->c.area, g->source->domain, g->digest, g->manifest.data,
				       (uint32_t)g->manifest.size);
}

/* ---- which disks there are ---- */

static void disk_unlink(struct cc_disks *d, struct cc_disk *k)
{
	struct cc_disk **p = disk_bucket(d, k->info.id);

	while (*p != k)
		p = &(*p)->next;
	*p = k->next;
	scan_end(d, k);
	image_put(d, k->image);
	cc_accounts_put(&d->c.sources->accounts, k->account);
	cc_replay_free(&k->replay);
	cc_recording_free(&k->recording);
	free(k);
}

/* What is left undone is found by the next dump. */
static void short_of_memory(struct cc_disks *d)
{
	if (!d->error)
		d->error = -ENOMEM;
}

static void disk_start(struct cc_disks *d, struct cc_disk *k)
{
	char reason[CHUNKCACHE_REASON_MAX + 64];

	k->source = cc_sources_find(d->c.sources, k->info.store);
	if (!k->source) {
		snprintf(reason, sizeof(reason), "no store '%s' in the helper's configuration",
			 k->info.store);
		disk_refuse(d, k, reason);
		return;
	}
	k->image = image_get(d, &k->info, k->source);
	if (!k->image)
		short_of_memory(d);
	else if (k->image->state == IMAGE_READY)
		disk_load(d, k);
	else if (k->image->state == IMAGE_REFUSED)
		disk_refuse(d, k, k->image->reason);
}

static void take_disk(void *arg, const struct cc_disk_info *info)
{
	struct cc_disks *d = arg;
	struct cc_disk *k = cc_disks_find(d, info->id), **b;

	if (k) {
		k->seen = true;
		/* The kernel did not get what it was told. */
		k->untold = k->state != CHUNKCACHE_DISK_NEW && k->state != info->state;
		return;
	}
	k = calloc(1, sizeof(*k));
	if (!k) {
		short_of_memory(d);
		return;
	}
	k->info = *info;
	k->seen = true;
	k->state = CHUNKCACHE_DISK_NEW;
	cc_replay_init(&k->replay);
	k->account = cc_accounts_get(&d->c.sources->accounts, info);
	b = disk_bucket(d, info->id);
	k->next = *b;
	*b = k;
}

/* A new disk is started after the dump: no request can be made while one is answered. */
int cc_disks_refresh(struct cc_disks *d)
{
	int r;

	for (unsigned int i = 0; i < DISK_BUCKETS; i++)
		for (struct cc_disk *k = d->buckets[i]; k; k = k->next)
			k->seen = false;
	r = cc_channel_disk_get(d->c.channel, take_disk, d);
	for (unsigned int i = 0; i < DISK_BUCKETS; i++) {
		for (struct cc_disk *k = d->buckets[i], *next; k; k = next) {
			next = k->next;
			/* A dump that was cut proves nothing of who is missing. */
			if (!k->seen && !r)
				disk_unlink(d, k);
			else if (!k->image && k->state == CHUNKCACHE_DISK_NEW)
				disk_start(d, k);
			else if (k->untold)
				tell_state(d, k);
		}
	}
	return r;
}

/* ---- telling the kernel what is cached ---- */

/* The first read of a chunk is to be heard of while the disk is recorded. */
static uint32_t flags_of(const struct cc_disk *k, uint64_t chunk)
{
	return cc_recording_listens(&k->recording, chunk) ? CHUNKCACHE_MAP_MARK : 0;
}

/* One record for chunk c or for the run of holes that starts there; returns how many chunks it was about. */
static uint64_t scan_chunk(struct cc_disks *d, struct cc_disk *k, uint64_t c, uint64_t end, uint32_t *nr)
{
	const struct cc_manifest *m = k->manifest;
	struct chunkcache_map *map = &d->maps[*nr];
	uint64_t n = 1;

	*map = (struct chunkcache_map) { .disk = k->info.id, .chunk = c, .count = 1 };
	if (cc_id_is_hole(cc_manifest_id(m, c))) {
		while (c + n < end && cc_id_is_hole(cc_manifest_id(m, c + n)))
			n++;
		map->count = n;
		map->flags = CHUNKCACHE_MAP_HOLE;
		(*nr)++;
	} else {
		const struct cc_chunk *x = cc_index_find(d->c.index, k->source->domain, cc_manifest_id(m, c));

		if (x && x->state == CC_CHUNK_CACHED) {
			map->slot = x->slot;
			map->gen = x->gen;
			map->flags = x->unread_of ? CHUNKCACHE_MAP_MARK : flags_of(k, c);
			(*nr)++;
		}
	}
	return n;
}

static void scan_refused(struct cc_disks *d, struct cc_disk *k)
{
	for (uint32_t i = 0; i < d->refusals.nr; i++) {
		const struct chunkcache_refused *r = &d->refusals.r[i];

		if (r->index >= CHUNKCACHE_MAP_BATCH_MAX)
			continue;
		if (r->error == ESTALE)
			cc_index_slot_gone(d->c.index, d->maps[r->index].slot, d->maps[r->index].gen);
		else if (r->error == ENOENT)
			scan_end(d, k);
	}
}

static void scan_disk(struct cc_disks *d, struct cc_disk *k)
{
	uint64_t nr_chunks = k->manifest->nr_chunks, c = k->scanned;
	uint64_t end = c + SCAN_CHUNKS < nr_chunks ? c + SCAN_CHUNKS : nr_chunks;
	uint32_t nr = 0;
	int r = 0;

	while (c < end && nr < CHUNKCACHE_MAP_BATCH_MAX)
		c += scan_chunk(d, k, c, end, &nr);
	if (c >= nr_chunks)
		scan_end(d, k);
	else
		k->scanned = c;
	if (nr)
		r = cc_channel_map(d->c.channel, d->maps, nr, &d->refusals);
	if (r)
		d->error = r;
	else if (nr)
		scan_refused(d, k);
}

static void scan_one(struct cc_disks *d)
{
	for (unsigned int i = 0; i < DISK_BUCKETS; i++) {
		for (struct cc_disk *k = d->buckets[i]; k; k = k->next) {
			if (k->manifest && k->scanned < k->manifest->nr_chunks) {
				scan_disk(d, k);
				return;
			}
		}
	}
}

uint64_t cc_disks_step(struct cc_disks *d, uint64_t now_ns, bool *ret_loaded, int *ret_error)
{
	uint64_t due = UINT64_MAX;

	cc_list_each(n, &d->images) {
		struct cc_image *g = cc_list_entry(n, struct cc_image, node);

		if (d->cancelled || (g->state != IMAGE_QUEUED && g->state != IMAGE_REFUSED))
			continue;
		if (now_ns < g->due)
			due = g->due < due ? g->due : due;
		else if (d->nr_loading < MAX_LOADING)
			image_start(d, g);
	}
	if (d->nr_scanning)
		scan_one(d);
	if (d->loaded)
		*ret_loaded = true;
	*ret_error = d->error;
	d->loaded = false;
	d->error = 0;
	return d->nr_scanning ? 0 : due;
}

uint32_t cc_disks_maps(struct cc_disks *d, uint64_t domain, const uint8_t id[CC_ID_SIZE],
		       struct chunkcache_slot slot, struct chunkcache_map *maps, uint32_t max,
		       cc_disks_skip_fn *skip, void *arg)
{
	uint32_t nr = 0;

	for (unsigned int i = 0; i < DISK_BUCKETS; i++) {
		for (struct cc_disk *k = d->buckets[i]; k; k = k->next) {
			uint64_t c;

			if (!k->manifest || k->source->domain != domain)
				continue;
			c = cc_places_first(k->image->places, id);
			for (; c != CC_NO_PLACE && nr < max; c = cc_places_next(k->image->places, c)) {
				if (skip(arg, k->info.id, c))
					continue;
				maps[nr++] = (struct chunkcache_map) {
					.disk = k->info.id, .chunk = c, .count = 1,
					.slot = slot.slot, .gen = slot.gen, .flags = flags_of(k, c),
				};
			}
		}
	}
	return nr;
}

/* ---- life ---- */

int cc_disks_open(const struct cc_disks_config *c, struct cc_disks **ret_disks)
{
	struct cc_disks *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->c = *c;
	cc_list_init(&d->images);
	*ret_disks = d;
	return 0;
}

void cc_disks_close(struct cc_disks *d)
{
	if (!d)
		return;
	for (unsigned int i = 0; i < DISK_BUCKETS; i++)
		while (d->buckets[i])
			disk_unlink(d, d->buckets[i]);
	free(d);
}

void cc_disks_cancel(struct cc_disks *d)
{
	d->cancelled = true;
	cc_list_each(n, &d->images) {
		struct cc_image *g = cc_list_entry(n, struct cc_image, node);

		if (g->state == IMAGE_FETCHING)
			cc_fetch_cancel(d->c.fetch, &g->req);
	}
}

unsigned int cc_disks_in_flight(const struct cc_disks *d)
{
	return d->nr_loading;
}
