// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Images of disks: manifests are checked beside the loop, one after the other, and what nobody wants any more
 * does not wait for that.  Fetch engine, device and manifest area are played here.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "pool/images.h"
#include "tap.h"

#define SHIFT	16
#define SMALL	4
#define LARGE	(1u << 20)		/* chunks: 32 MiB to hash, and to index */
#define NR	8

static struct cc_store_config config = { .name = (char *)"main" };
static struct cc_source source = { .config = &config, .domain = 1 };
static struct cc_images *images;
static struct cc_manifest small, large;
static struct cc_fetch_req *fetches[NR];
static unsigned int nr_fetches, nr_cancelled, nr_changed, nr_stored, nr_forgotten;
static struct cc_io *reading;
static bool in_area;

/* ---- what images ask for ---- */

void cc_fetch_submit(struct cc_fetch *f, struct cc_fetch_req *req, enum cc_fetch_priority prio)
{
	fetches[nr_fetches++] = req;
}

void cc_fetch_cancel(struct cc_fetch *f, struct cc_fetch_req *req)
{
	nr_cancelled++;
}

void cc_source_note(struct cc_source *s, const struct cc_fetch_req *req, uint64_t now_ns)
{
}

void cc_pooldev_submit(struct cc_pooldev *pd, struct cc_io *io)
{
	reading = io;
}

int cc_manifest_area_find(struct cc_manifest_area *a, uint64_t domain, const uint8_t digest[CC_ID_SIZE],
			  uint64_t *ret_offset, uint32_t *ret_size)
{
	*ret_offset = 0;
	*ret_size = small.size;
	return in_area ? 0 : -ENOENT;
}

void cc_manifest_area_forget(struct cc_manifest_area *a, uint64_t domain, const uint8_t digest[CC_ID_SIZE])
{
	nr_forgotten++;
}

void cc_manifest_area_store(struct cc_manifest_area *a, uint64_t domain, const uint8_t digest[CC_ID_SIZE],
			    const void *data, uint32_t size)
{
	nr_stored++;
}

static void on_changed(void *arg, struct cc_image *image)
{
	nr_changed++;
}

static void on_charge(void *arg, const struct cc_image *image, const struct cc_fetch_req *req)
{
}

/* ---- steps ---- */

static void make_manifest(struct cc_manifest *m, uint32_t nr)
{
	uint8_t *ids = calloc(nr, CC_ID_SIZE);

	for (uint32_t i = 0; ids && i < nr; i++)
		memcpy(ids + (size_t)i * CC_ID_SIZE, &(uint64_t){ i * 0x9e3779b97f4a7c15 + 1 }, 8);
	if (!ids || cc_manifest_build(SHIFT, (uint64_t)nr << SHIFT, CC_ENCODING_RAW, ids, m))
		abort();
	free(ids);
}

static struct cc_image *get(const struct cc_manifest *m, uint64_t sectors)
{
	struct cc_disk_info info = { .sectors = sectors };

	memcpy(info.digest, m->digest, CC_ID_SIZE);
	return cc_image_get(images, &info, &source);
}

static void complete(struct cc_fetch_req *req, const struct cc_manifest *m)
{
	memcpy(req->buf, m->data, m->size);
	req->size = m->size;
	req->result = CC_STORE_OK;
	req->done(req);
}

/* False: nothing ended in time. */
static bool reap(void)
{
	struct pollfd p = { .fd = cc_images_fd(images), .events = POLLIN };

	if (poll(&p, 1, 60000) != 1)
		return false;
	cc_images_reap(images);
	return true;
}

static void reset(void)
{
	nr_fetches = nr_cancelled = nr_changed = nr_stored = nr_forgotten = 0;
	reading = NULL;
}

/* ---- tests ---- */

static void test_beside_the_loop(void)
{
	struct cc_image *image = get(&large, (uint64_t)LARGE << SHIFT >> 9);

	reset();
	cc_images_step(images, UINT64_MAX - 1);
	ok(nr_fetches == 1 && image->state == CC_IMAGE_FETCHING, "fetched");
	complete(fetches[0], &large);
	ok(image->state == CC_IMAGE_CHECKING && !nr_changed && cc_images_loading(images) == 1,
	   "the loop goes on while a manifest is checked");
	ok(reap() && image->state == CC_IMAGE_READY && nr_changed == 1 && nr_stored == 1 &&
	   !cc_images_loading(images), "and hears of its end");
	ok(cc_places_first(image->places, cc_manifest_id(&image->manifest, 1000)) == 1000, "with an index");
	cc_image_put(image);
}

/* What is queued behind a check that takes long does not outlive who wants it. */
static void give_up(const char *how, bool cancel)
{
	struct cc_image *all[NR];

	reset();
	for (unsigned int i = 0; i < NR; i++)
		all[i] = i ? get(&small, (SMALL << SHIFT >> 9) + i) : get(&large, (uint64_t)LARGE << SHIFT >> 9);
	cc_images_step(images, UINT64_MAX - 1);
	for (unsigned int i = 0; i < NR; i++)
		complete(fetches[i], i ? &small : &large);
	ok(nr_fetches == NR && cc_images_loading(images) == NR && !nr_changed, "%s: eight at once", how);
	if (cancel)
		cc_images_cancel(images);
	for (unsigned int i = 0; i < NR; i++)
		cc_image_put(all[i]);
	/* None, if the worker was slow to begin. */
	ok(cc_images_loading(images) <= 1, "%s: at most the one under way is waited for", how);
	ok((!cc_images_loading(images) || reap()) && !cc_images_loading(images) && !nr_changed,
	   "%s: and ends", how);
}

static void test_refused(void)
{
	struct cc_image *image = get(&small, (SMALL << SHIFT >> 9) + 1);

	reset();
	cc_images_step(images, UINT64_MAX - 1);
	complete(fetches[0], &small);
	ok(reap() && image->state == CC_IMAGE_REFUSED && nr_changed == 1 && strstr(image->reason, "sectors"),
	   "of another length: %s", image->reason);
	cc_image_put(image);
}

static void test_area(void)
{
	struct cc_image *image = get(&small, SMALL << SHIFT >> 9);

	reset();
	in_area = true;
	cc_images_step(images, UINT64_MAX - 1);
	ok(reading && image->state == CC_IMAGE_READING, "read from the area");
	memset(image->buf, 1, small.size);
	reading->done(reading, 0);
	ok(reap() && nr_forgotten == 1 && nr_fetches == 1 && image->state == CC_IMAGE_FETCHING,
	   "what is wrong there is fetched");
	complete(fetches[0], &small);
	ok(reap() && image->state == CC_IMAGE_READY && nr_stored == 1, "and stored anew");
	cc_image_put(image);
	image = get(&small, SMALL << SHIFT >> 9);
	cc_images_step(images, UINT64_MAX - 1);
	memcpy(image->buf, small.data, small.size);
	reading->done(reading, 0);
	ok(reap() && image->state == CC_IMAGE_READY && nr_stored == 1 && nr_fetches == 1,
	   "what is right is neither fetched nor stored");
	cc_image_put(image);
	in_area = false;
}

int main(void)
{
	const struct cc_images_config c = {
		.slot_shift = SHIFT, .changed = on_changed, .charge = on_charge,
	};

	make_manifest(&small, SMALL);
	make_manifest(&large, LARGE);
	if (cc_images_open(&c, &images))
		return 1;
	test_beside_the_loop();
	test_refused();
	test_area();
	give_up("put", false);
	give_up("cancelled", true);
	cc_images_close(images);
	cc_manifest_free(&small);
	cc_manifest_free(&large);
	return tap_done();
}
