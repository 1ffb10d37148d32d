// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The disks of the pool; see disks.h.  Owns disk objects.  Chunks are the fill engine's business; here they
 * are only looked up.
 */
#include "disks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clock.h"
#include "log.h"

#define DISK_BUCKETS	1024u
#define SCAN_CHUNKS	16384		/* looked at in one step */

struct cc_disks {
	struct cc_disks_config c;
	struct cc_disk *buckets[DISK_BUCKETS];
	struct cc_images *images;
	unsigned int nr_scanning;	/* disks with scanned < nr_chunks */
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
	struct cc_disk *disk = *disk_bucket(d, id);

	while (disk && disk->info.id != id)
		disk = disk->next;
	return disk;
}

struct cc_disk *cc_disks_find_name(struct cc_disks *d, const char *name)
{
	struct cc_disk *found = NULL;

	for (unsigned int i = 0; i < DISK_BUCKETS; i++)
		for (struct cc_disk *disk = d->buckets[i]; disk; disk = disk->next)
			if (!strcmp(disk->info.name, name) && (!found || disk->info.id > found->info.id))
				found = disk;
	return found;
}

void cc_disks_each(struct cc_disks *d, cc_disks_fn *fn, void *arg)
{
	for (unsigned int i = 0; i < DISK_BUCKETS; i++)
		for (struct cc_disk *disk = d->buckets[i]; disk; disk = disk->next)
			fn(arg, disk);
}

static void tell_state(struct cc_disks *d, struct cc_disk *disk)
{
	int r = cc_channel_disk_state(d->c.channel, disk->info.id, disk->state,
				      disk->state == CHUNKCACHE_DISK_REFUSED ? disk->reason : NULL);

	/* A disk that went meanwhile is found missing by the next dump. */
	if (r && r != -ENOENT)
		d->error = r;
}

static void disk_refuse(struct cc_disks *d, struct cc_disk *disk, const char *reason)
{
	disk->state = CHUNKCACHE_DISK_REFUSED;
	set_reason(disk->reason, reason);
	cc_log(LOG_ERR, "disk %s: refused: %s", disk->info.name, disk->reason);
	tell_state(d, disk);
}

/* Of a disk that a helper served before this one nobody knows what it has read. */
static bool is_fresh(const struct cc_disk *disk)
{
	return disk->info.state != CHUNKCACHE_DISK_LOADED;
}

/* Its image is READY. */
static void disk_begin(struct cc_disks *d, struct cc_disk *disk)
{
	disk->manifest = &disk->image->manifest;
	disk->nr_chunks = disk->manifest->nr_chunks;
	/* Behind a volume that is smaller than its base are log chunks. */
	if (disk->info.is_volume && disk->nr_chunks > disk->info.first_log)
		disk->nr_chunks = disk->info.first_log;
	disk->scanned = 0;
	d->nr_scanning++;
	d->loaded = true;
	cc_log(LOG_INFO, "disk %s: %llu chunks of store %s", disk->info.name, (unsigned long long)disk->nr_chunks,
	       disk->source->config->name);
}

static void disk_load(struct cc_disks *d, struct cc_disk *disk)
{
	disk->state = CHUNKCACHE_DISK_LOADED;
	disk->reason[0] = 0;
	disk_begin(d, disk);
	tell_state(d, disk);
	d->c.loaded(d->c.arg, disk, is_fresh(disk));
}

struct cc_image *cc_disks_add_base(struct cc_disks *d, struct cc_image *image, struct cc_source *source)
{
	return cc_image_add(d->images, image, source);
}

/* Its state is the volumes' to tell, and whoever boots from it is not recorded: it reads what it wrote, too. */
void cc_disks_set_base(struct cc_disks *d, uint64_t id, struct cc_image *base)
{
	struct cc_disk *disk = cc_disks_find(d, id);

	if (!disk || disk->image)
		return;
	disk->source = base->source;
	disk->image = cc_image_hold(base);
	memcpy(disk->info.digest, base->digest, CC_ID_SIZE);
	disk->account = cc_accounts_get(&d->c.sources->accounts, &disk->info);
	disk_begin(d, disk);
	d->c.loaded(d->c.arg, disk, false);
}

static void scan_end(struct cc_disks *d, struct cc_disk *disk)
{
	if (disk->scanned < disk->nr_chunks) {
		disk->scanned = disk->nr_chunks;
		d->nr_scanning--;
	}
}

/* All disks of an image, after its state has changed. */
static void image_changed(void *arg, struct cc_image *image)
{
	struct cc_disks *d = arg;

	for (unsigned int i = 0; i < DISK_BUCKETS; i++) {
		for (struct cc_disk *disk = d->buckets[i]; disk; disk = disk->next) {
			if (disk->image != image)
				continue;
			if (image->state == CC_IMAGE_READY)
				disk_load(d, disk);
			else if (disk->state != CHUNKCACHE_DISK_REFUSED)
				disk_refuse(d, disk, image->reason);
		}
	}
}

/* One of the image's disks pays for the manifest. */
static void charge_image(void *arg, const struct cc_image *image, const struct cc_fetch_req *req)
{
	struct cc_disks *d = arg;
	struct cc_account *account = NULL;

	for (unsigned int i = 0; i < DISK_BUCKETS && !account; i++)
		for (struct cc_disk *disk = d->buckets[i]; disk && !account; disk = disk->next)
			if (disk->image == image)
				account = disk->account;
	cc_accounts_charge(&d->c.sources->accounts, account, req->attempts, req->bytes_fetched);
}

/* ---- which disks there are ---- */

static void disk_unlink(struct cc_disks *d, struct cc_disk *disk)
{
	struct cc_disk **p = disk_bucket(d, disk->info.id);

	while (*p != disk)
		p = &(*p)->next;
	*p = disk->next;
	scan_end(d, disk);
	cc_image_put(disk->image);
	cc_accounts_put(&d->c.sources->accounts, disk->account);
	d->c.gone(disk);
	free(disk);
}

/* What is left undone is found by the next dump. */
static void short_of_memory(struct cc_disks *d)
{
	if (!d->error)
		d->error = -ENOMEM;
}

static void disk_start(struct cc_disks *d, struct cc_disk *disk)
{
	char reason[CHUNKCACHE_REASON_MAX + 64];

	disk->source = cc_sources_find(d->c.sources, disk->info.store);
	if (!disk->source) {
		snprintf(reason, sizeof(reason), "no store '%s' in the helper's configuration",
			 disk->info.store);
		disk_refuse(d, disk, reason);
		return;
	}
	disk->image = cc_image_get(d->images, &disk->info, disk->source);
	if (!disk->image)
		short_of_memory(d);
	else if (disk->image->state == CC_IMAGE_READY)
		disk_load(d, disk);
	else if (disk->image->state == CC_IMAGE_REFUSED)
		disk_refuse(d, disk, disk->image->reason);
}

static void take_disk(void *arg, const struct cc_disk_info *info)
{
	struct cc_disks *d = arg;
	struct cc_disk *disk = cc_disks_find(d, info->id), **b;

	if (disk) {
		disk->seen = true;
		/* The kernel did not get what it was told. */
		disk->untold = disk->state != CHUNKCACHE_DISK_NEW && disk->state != info->state;
		return;
	}
	disk = calloc(1, sizeof(*disk));
	if (!disk || d->c.added(disk)) {
		free(disk);
		short_of_memory(d);
		return;
	}
	disk->info = *info;
	disk->seen = true;
	disk->state = CHUNKCACHE_DISK_NEW;
	if (!info->is_volume)
		disk->account = cc_accounts_get(&d->c.sources->accounts, info);
	b = disk_bucket(d, info->id);
	disk->next = *b;
	*b = disk;
}

/* A new disk is started after the dump: no request can be made while one is answered. */
int cc_disks_refresh(struct cc_disks *d)
{
	int r;

	for (unsigned int i = 0; i < DISK_BUCKETS; i++)
		for (struct cc_disk *disk = d->buckets[i]; disk; disk = disk->next)
			disk->seen = false;
	r = cc_channel_disk_get(d->c.channel, take_disk, d);
	for (unsigned int i = 0; i < DISK_BUCKETS; i++) {
		for (struct cc_disk *disk = d->buckets[i], *next; disk; disk = next) {
			next = disk->next;
			/* A dump that was cut proves nothing of who is missing. */
			if (!disk->seen && !r)
				disk_unlink(d, disk);
			else if (!disk->info.is_volume && !disk->image && disk->state == CHUNKCACHE_DISK_NEW)
				disk_start(d, disk);
			else if (disk->untold)
				tell_state(d, disk);
		}
	}
	return r;
}

/* ---- telling the kernel what is cached ---- */

static uint32_t flags_of(const struct cc_disks *d, const struct cc_disk *disk, uint64_t chunk)
{
	return d->c.listens(disk, chunk) ? CHUNKCACHE_MAP_MARK : 0;
}

/* One record for chunk c or for the run of holes that starts there; returns how many chunks it was about. */
static uint64_t scan_chunk(struct cc_disks *d, struct cc_disk *disk, uint64_t c, uint64_t end, uint32_t *nr)
{
	const struct cc_manifest *m = disk->manifest;
	struct chunkcache_map *map = &d->maps[*nr];
	uint64_t n = 1;

	*map = (struct chunkcache_map) { .disk = disk->info.id, .chunk = c, .count = 1 };
	if (cc_id_is_hole(cc_manifest_id(m, c))) {
		while (c + n < end && cc_id_is_hole(cc_manifest_id(m, c + n)))
			n++;
		map->count = n;
		map->flags = CHUNKCACHE_MAP_HOLE;
		(*nr)++;
	} else {
		const struct cc_chunk *x = cc_index_find(d->c.index, disk->source->domain, cc_manifest_id(m, c));

		if (x && x->state == CC_CHUNK_CACHED) {
			map->slot = x->slot;
			map->gen = x->gen;
			map->flags = x->unread_of ? CHUNKCACHE_MAP_MARK : flags_of(d, disk, c);
			(*nr)++;
		}
	}
	return n;
}

static void scan_refused(struct cc_disks *d, struct cc_disk *disk)
{
	for (uint32_t i = 0; i < d->refusals.nr; i++) {
		const struct chunkcache_refused *r = &d->refusals.r[i];

		if (r->index >= CHUNKCACHE_MAP_BATCH_MAX)
			continue;
		if (r->error == ESTALE)
			cc_index_slot_gone(d->c.index, d->maps[r->index].slot, d->maps[r->index].gen);
		else if (r->error == ENOENT)
			scan_end(d, disk);
	}
}

static void scan_disk(struct cc_disks *d, struct cc_disk *disk)
{
	uint64_t nr_chunks = disk->nr_chunks, c = disk->scanned;
	uint64_t end = c + SCAN_CHUNKS < nr_chunks ? c + SCAN_CHUNKS : nr_chunks;
	uint32_t nr = 0;
	int r = 0;

	while (c < end && nr < CHUNKCACHE_MAP_BATCH_MAX)
		c += scan_chunk(d, disk, c, end, &nr);
	if (c >= nr_chunks)
		scan_end(d, disk);
	else
		disk->scanned = c;
	if (nr)
		r = cc_channel_map(d->c.channel, d->maps, nr, &d->refusals);
	if (r)
		d->error = r;
	else if (nr)
		scan_refused(d, disk);
}

static void scan_one(struct cc_disks *d)
{
	for (unsigned int i = 0; i < DISK_BUCKETS; i++) {
		for (struct cc_disk *disk = d->buckets[i]; disk; disk = disk->next) {
			if (disk->scanned < disk->nr_chunks) {
				scan_disk(d, disk);
				return;
			}
		}
	}
}

uint64_t cc_disks_step(struct cc_disks *d, uint64_t now_ns, bool *ret_loaded, int *ret_error)
{
	uint64_t due = cc_images_step(d->images, now_ns);

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
		for (struct cc_disk *disk = d->buckets[i]; disk; disk = disk->next) {
			uint64_t c;

			if (!disk->manifest || disk->source->domain != domain)
				continue;
			c = cc_places_first(disk->image->places, id);
			for (; c != CC_NO_PLACE && nr < max; c = cc_places_next(disk->image->places, c)) {
				if (c >= disk->nr_chunks || skip(arg, disk->info.id, c))
					continue;
				maps[nr++] = (struct chunkcache_map) {
					.disk = disk->info.id, .chunk = c, .count = 1,
					.slot = slot.slot, .gen = slot.gen, .flags = flags_of(d, disk, c),
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
	const struct cc_images_config ic = {
		.fetch = c->fetch, .area = c->area, .pooldev = c->pooldev, .slot_shift = c->slot_shift,
		.changed = image_changed, .charge = charge_image, .arg = d,
	};
	int r;

	if (!d)
		return -ENOMEM;
	d->c = *c;
	r = cc_images_open(&ic, &d->images);
	if (r) {
		free(d);
		return r;
	}
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
	cc_images_close(d->images);
	free(d);
}

void cc_disks_cancel(struct cc_disks *d)
{
	cc_images_cancel(d->images);
}

int cc_disks_fd(const struct cc_disks *d)
{
	return cc_images_fd(d->images);
}

void cc_disks_reap(struct cc_disks *d)
{
	cc_images_reap(d->images);
}

unsigned int cc_disks_in_flight(const struct cc_disks *d)
{
	return cc_images_loading(d->images);
}
