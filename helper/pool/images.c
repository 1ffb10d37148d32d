// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Images and the loading of their manifests; see images.h.
 */
#include "images.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clock.h"
#include "log.h"

#define MAX_LOADING	8		/* manifests at a time: each has a buffer of its own */
#define LOAD_BUF_MIN	(16u << 20)	/* so that one for smaller chunks can be named as such */
#define BACKOFF_MIN	(1 * CC_SECOND)
#define BACKOFF_MAX	(30 * CC_SECOND)

struct cc_images {
	struct cc_images_config c;
	struct cc_worker *worker;	/* a large manifest takes seconds to hash and to index */
	struct cc_list list;
	unsigned int nr_loading;
	bool cancelled;
};

static struct cc_image *find_image(const struct cc_images *all, const struct cc_source *source, uint64_t sectors,
				   const uint8_t digest[CC_ID_SIZE])
{
	cc_list_each(n, &all->list) {
		struct cc_image *image = cc_list_entry(n, struct cc_image, node);

		if (image->source == source && image->sectors == sectors && image->refs &&
		    !memcmp(image->digest, digest, CC_ID_SIZE))
			return image;
	}
	return NULL;
}

struct cc_image *cc_image_hold(struct cc_image *image)
{
	image->refs++;
	return image;
}

struct cc_image *cc_image_get(struct cc_images *all, const struct cc_disk_info *info,
			      struct cc_source *source)
{
	struct cc_image *image = find_image(all, source, info->sectors, info->digest);

	if (image)
		return cc_image_hold(image);
	image = calloc(1, sizeof(*image));
	if (!image)
		return NULL;
	image->images = all;
	image->source = source;
	image->sectors = info->sectors;
	memcpy(image->digest, info->digest, CC_ID_SIZE);
	image->refs = 1;
	image->backoff = BACKOFF_MIN;
	cc_list_add_tail(&all->list, &image->node);
	return image;
}

static bool image_in_flight(const struct cc_image *image)
{
	return image->state == CC_IMAGE_READING || image->state == CC_IMAGE_FETCHING ||
	       image->state == CC_IMAGE_CHECKING;
}

static void image_release(struct cc_image *image)
{
	cc_places_free(image->places);
	image->places = NULL;
	cc_manifest_free(&image->manifest);
	free(image->buf);
	image->buf = NULL;
}

static void image_free(struct cc_image *image)
{
	cc_list_del(&image->node);
	image_release(image);
	free(image);
}

/* What image waited for came, or does not come any more.  False: nobody wants it, and image may be gone. */
static bool image_step_ended(struct cc_image *image)
{
	struct cc_images *all = image->images;

	all->nr_loading--;
	image->state = CC_IMAGE_QUEUED;
	if (image->refs && !all->cancelled)
		return true;
	image_release(image);
	if (!image->refs)
		image_free(image);
	return false;
}

/* Nobody waits for image, which is in flight: a completion comes soon, or it has ended here. */
static void image_give_up(struct cc_image *image)
{
	struct cc_images *all = image->images;

	if (image->state == CC_IMAGE_FETCHING)
		cc_fetch_cancel(all->c.fetch, &image->req);
	else if (image->state == CC_IMAGE_CHECKING && cc_worker_drop(all->worker, &image->job))
		image_step_ended(image);
}

void cc_image_put(struct cc_image *image)
{
	if (!image || --image->refs)
		return;
	if (image_in_flight(image))
		image_give_up(image);
	else
		image_free(image);
}

/* ---- manifests that somebody else got ---- */

int cc_image_of_manifest(struct cc_manifest *m, struct cc_image **ret_image)
{
	struct cc_image *image = calloc(1, sizeof(*image));
	int r;

	if (!image) {
		cc_manifest_free(m);
		return -ENOMEM;
	}
	cc_list_init(&image->node);
	image->sectors = m->image_size / 512;
	memcpy(image->digest, m->digest, CC_ID_SIZE);
	image->refs = 1;
	image->state = CC_IMAGE_READY;
	image->manifest = *m;
	*m = (struct cc_manifest){ 0 };
	r = cc_places_build(&image->manifest, &image->places);
	if (r)
		cc_image_put(image);
	else
		*ret_image = image;
	return r;
}

struct cc_image *cc_image_add(struct cc_images *all, struct cc_image *image, struct cc_source *source)
{
	struct cc_image *other = find_image(all, source, image->sectors, image->digest);

	if (other && other->state == CC_IMAGE_READY) {
		cc_image_put(image);
		return cc_image_hold(other);
	}
	image->images = all;
	image->source = source;
	cc_list_add_tail(&all->list, &image->node);
	return image;
}

/* ---- loading ---- */

static void image_refuse(struct cc_images *all, struct cc_image *image, uint64_t retry_ns, const char *reason)
{
	image->state = CC_IMAGE_REFUSED;
	image->due = retry_ns == UINT64_MAX ? UINT64_MAX : cc_now_ns() + retry_ns;
	snprintf(image->reason, sizeof(image->reason), "%.*s", CHUNKCACHE_REASON_MAX, reason);
	image_release(image);
	all->c.changed(all->c.arg, image);
}

static void image_retry(struct cc_image *image, const char *why)
{
	image->state = CC_IMAGE_QUEUED;
	image->due = cc_now_ns() + image->backoff;
	cc_log(LOG_WARNING, "manifest: %s; next try in %llu s", why,
	       (unsigned long long)(image->backoff / CC_SECOND));
	image->backoff = image->backoff * 2 > BACKOFF_MAX ? BACKOFF_MAX : image->backoff * 2;
	image_release(image);
}

/* Does the manifest fit the pool and the disk?  0, or -EINVAL with a line. */
static int image_check(const struct cc_image *image, char *err, size_t errlen)
{
	const struct cc_images *all = image->images;
	const struct cc_manifest *m = &image->manifest;

	if (m->chunk_shift != all->c.slot_shift) {
		snprintf(err, errlen, "manifest: chunk size is %llu, expected the pool's slot size %llu",
			 1ULL << m->chunk_shift, 1ULL << all->c.slot_shift);
		return -EINVAL;
	}
	if (m->image_size != image->sectors * 512) {
		snprintf(err, errlen, "manifest: image has %llu sectors, but the table line says %llu",
			 (unsigned long long)(m->image_size / 512), (unsigned long long)image->sectors);
		return -EINVAL;
	}
	return 0;
}

/*
 * The bytes in buf are what the digest says and fit: 0, with manifest and places.  -EILSEQ: they are not.
 * -ENOMEM: worth another try.  Else refused for good.  In the worker's thread.
 */
static int make_manifest(struct cc_image *image, char *err, size_t errlen)
{
	void *shrunk = image->size ? realloc(image->buf, image->size) : NULL;
	struct cc_manifest m;
	int r;

	if (shrunk)
		image->buf = shrunk;
	r = cc_manifest_parse(image->buf, image->size, image->digest, &m, err, errlen);
	if (r)
		return r;
	image->buf = NULL;
	image->manifest = m;
	r = image_check(image, err, errlen);
	if (r)
		return r;
	r = cc_places_build(&image->manifest, &image->places);
	if (r)
		snprintf(err, errlen, "%s", r == -ENOMEM ? "out of memory" : "manifest: too many chunks");
	return r;
}

static void run_check(struct cc_job *job)
{
	struct cc_image *image = cc_list_entry(job, struct cc_image, job);

	image->result = make_manifest(image, image->error, sizeof(image->error));
}

/* The store answered, but not with a manifest. */
static void image_failed(struct cc_images *all, struct cc_image *image, const struct cc_fetch_req *req)
{
	char reason[200];

	switch (req->result) {
	case CC_STORE_NOTFOUND:
		snprintf(reason, sizeof(reason), "manifest not found in store %s", image->source->config->name);
		image_refuse(all, image, BACKOFF_MAX, reason);
		break;
	case CC_STORE_CORRUPT:
		snprintf(reason, sizeof(reason), "manifest in store %s is not what its digest says",
			 image->source->config->name);
		image_refuse(all, image, BACKOFF_MAX, reason);
		break;
	case CC_STORE_TOOBIG:
		snprintf(reason, sizeof(reason),
			 "manifest is larger than a disk of %llu sectors and slots of %llu bytes can need",
			 (unsigned long long)image->sectors, 1ULL << all->c.slot_shift);
		image_refuse(all, image, UINT64_MAX, reason);
		break;
	default:
		image_retry(image, req->error[0] ? req->error : cc_store_result_name(req->result));
	}
}

static void manifest_checked(struct cc_job *job);

/* size bytes of a manifest are in buf. */
static void image_start_check(struct cc_image *image, size_t size, bool from_area)
{
	image->images->nr_loading++;
	image->state = CC_IMAGE_CHECKING;
	image->size = size;
	image->from_area = from_area;
	image->job = (struct cc_job) { .run = run_check, .done = manifest_checked };
	cc_worker_submit(image->images->worker, &image->job);
}

static void manifest_fetched(struct cc_fetch_req *req)
{
	struct cc_image *image = cc_list_entry(req, struct cc_image, req);
	struct cc_images *all = image->images;

	all->c.charge(all->c.arg, image, req);
	cc_source_note(image->source, req, cc_now_ns());
	if (!image_step_ended(image))
		return;
	if (req->result == CC_STORE_OK)
		image_start_check(image, req->size, false);
	else
		image_failed(all, image, req);
}

static void image_fetch(struct cc_images *all, struct cc_image *image)
{
	all->nr_loading++;
	image->state = CC_IMAGE_FETCHING;
	image->req = (struct cc_fetch_req) {
		.store = image->source->store, .kind = CC_FETCH_MANIFEST, .buf = image->buf,
		.buf_size = image->buf_size, .done = manifest_fetched,
	};
	memcpy(image->req.id, image->digest, CC_ID_SIZE);
	cc_fetch_submit(all->c.fetch, &image->req, CC_FETCH_DEMAND);
}

/* What the area had is of no use; the store's copy decides. */
static void image_fetch_instead(struct cc_image *image)
{
	struct cc_images *all = image->images;

	cc_manifest_area_forget(all->c.area, image->source->domain, image->digest);
	image_release(image);
	image->buf = malloc(image->buf_size);
	if (image->buf)
		image_fetch(all, image);
	else
		image_retry(image, "out of memory");
}

static void manifest_checked(struct cc_job *job)
{
	struct cc_image *image = cc_list_entry(job, struct cc_image, job);
	struct cc_images *all = image->images;

	if (!image_step_ended(image))
		return;
	if (image->result == -ENOMEM) {
		image_retry(image, image->error);
	} else if (image->result && image->from_area) {
		image_fetch_instead(image);
	} else if (image->result) {
		image_refuse(all, image, UINT64_MAX, image->error);
	} else {
		image->state = CC_IMAGE_READY;
		all->c.changed(all->c.arg, image);
		if (!image->from_area)
			cc_manifest_area_store(all->c.area, image->source->domain, image->digest,
					       image->manifest.data, (uint32_t)image->manifest.size);
	}
}

static void image_was_read(struct cc_io *io, int error)
{
	struct cc_image *image = cc_list_entry(io, struct cc_image, io);

	if (!image_step_ended(image))
		return;
	if (error)
		image_fetch_instead(image);
	else
		image_start_check(image, image->size, true);
}

static bool image_read(struct cc_images *all, struct cc_image *image)
{
	uint64_t offset;
	uint32_t size;

	if (cc_manifest_area_find(all->c.area, image->source->domain, image->digest, &offset, &size) ||
	    size > image->buf_size)
		return false;
	all->nr_loading++;
	image->state = CC_IMAGE_READING;
	image->size = size;
	image->io = (struct cc_io) {
		.buf = image->buf, .len = (size + 4095) & ~4095u, .offset = offset, .done = image_was_read,
	};
	cc_pooldev_submit(all->c.pooldev, &image->io);
	return true;
}

static void image_start(struct cc_images *all, struct cc_image *image)
{
	uint64_t chunk_sectors = (1ULL << all->c.slot_shift) / 512;
	uint64_t nr = image->sectors / chunk_sectors + !!(image->sectors % chunk_sectors);

	if (!image->sectors || nr > CC_MANIFEST_CHUNKS_MAX) {
		image_refuse(all, image, UINT64_MAX, "disk is larger than a manifest may describe");
		return;
	}
	image->buf_size = sizeof(struct cc_manifest_header) + nr * CC_ID_SIZE;
	if (image->buf_size < LOAD_BUF_MIN)
		image->buf_size = LOAD_BUF_MIN;
	image->buf_size = (image->buf_size + 4095) & ~4095ULL;
	if (posix_memalign(&image->buf, 4096, image->buf_size)) {
		image->buf = NULL;
		image_retry(image, "out of memory");
		return;
	}
	if (!image_read(all, image))
		image_fetch(all, image);
}

/* ---- all of them ---- */

uint64_t cc_images_step(struct cc_images *all, uint64_t now_ns)
{
	uint64_t due = UINT64_MAX;

	cc_list_each(n, &all->list) {
		struct cc_image *image = cc_list_entry(n, struct cc_image, node);

		if (all->cancelled || (image->state != CC_IMAGE_QUEUED && image->state != CC_IMAGE_REFUSED))
			continue;
		if (now_ns < image->due)
			due = image->due < due ? image->due : due;
		else if (all->nr_loading < MAX_LOADING)
			image_start(all, image);
	}
	return due;
}

void cc_images_cancel(struct cc_images *all)
{
	all->cancelled = true;
	cc_list_each_safe(n, &all->list)
		image_give_up(cc_list_entry(n, struct cc_image, node));
}

int cc_images_fd(const struct cc_images *all)
{
	return cc_worker_fd(all->worker);
}

void cc_images_reap(struct cc_images *all)
{
	cc_worker_reap(all->worker);
}

unsigned int cc_images_loading(const struct cc_images *all)
{
	return all->nr_loading;
}

int cc_images_open(const struct cc_images_config *c, struct cc_images **ret_images)
{
	struct cc_images *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return -ENOMEM;
	r = cc_worker_open(1, &all->worker);
	if (r) {
		free(all);
		return r;
	}
	all->c = *c;
	cc_list_init(&all->list);
	*ret_images = all;
	return 0;
}

void cc_images_close(struct cc_images *all)
{
	cc_worker_close(all->worker);
	free(all);
}
