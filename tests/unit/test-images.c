// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Images of disks: manifests are checked beside the loop, one after the other, and what nobody wants any more
 * does not wait for that.  Fetch engine, device, manifest area and index are played here.
 */
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "pool/images.h"
#include "tap.h"

#define SHIFT	16
#define CHUNKS	4
#define NR	8

static struct cc_store_config config = { .name = (char *)"main" };
static struct cc_source source = { .config = &config, .domain = 1 };
static struct cc_images *images;
static struct cc_manifest manifest;
static struct cc_fetch_req *fetches[NR];
static unsigned int nr_fetches, nr_cancelled, nr_changed, nr_stored, nr_forgotten;
static struct cc_io *reading;
static bool in_area;
static atomic_bool held;			/* a check goes on until it is let go */
static sem_t begun, let_go;

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
	*ret_size = manifest.size;
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

static bool wait_for(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	return !sem_timedwait(sem, &until);
}

int cc_places_build(const struct cc_manifest *m, struct cc_places **ret_places)
{
	*ret_places = malloc(1);
	if (held) {
		sem_post(&begun);
		wait_for(&let_go);
	}
	return 0;
}

void cc_places_free(struct cc_places *p)
{
	free(p);
}

static void on_changed(void *arg, struct cc_image *image)
{
	nr_changed++;
}

static void on_charge(void *arg, const struct cc_image *image, const struct cc_fetch_req *req)
{
}

/* ---- steps ---- */

static void make_manifest(void)
{
	uint8_t ids[CHUNKS][CC_ID_SIZE] = { { 1 }, { 2 }, { 3 }, { 4 } };

	if (cc_manifest_build(SHIFT, CHUNKS << SHIFT, CC_ENCODING_RAW, ids[0], &manifest))
		abort();
}

/* Of as many sectors more than it should have. */
static struct cc_image *get(unsigned int more)
{
	struct cc_disk_info info = { .sectors = (CHUNKS << SHIFT >> 9) + more };

	memcpy(info.digest, manifest.digest, CC_ID_SIZE);
	return cc_image_get(images, &info, &source);
}

static void complete(struct cc_fetch_req *req)
{
	memcpy(req->buf, manifest.data, manifest.size);
	req->size = manifest.size;
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
	struct cc_image *image = get(0);

	reset();
	held = true;
	cc_images_step(images, UINT64_MAX - 1);
	ok(nr_fetches == 1 && image->state == CC_IMAGE_FETCHING, "fetched");
	complete(fetches[0]);
	ok(image->state == CC_IMAGE_CHECKING && !nr_changed && wait_for(&begun) && cc_images_loading(images) == 1,
	   "the loop goes on while a manifest is checked");
	sem_post(&let_go);
	ok(reap() && image->state == CC_IMAGE_READY && image->places && nr_changed == 1 && nr_stored == 1 &&
	   !cc_images_loading(images), "and hears of its end");
	held = false;
	cc_image_put(image);
}

/* What is queued behind a check that takes long does not outlive who wants it. */
static void give_up(const char *how, bool cancel)
{
	struct cc_image *all[NR];

	reset();
	held = true;
	for (unsigned int i = 0; i < NR; i++)
		all[i] = get(i);
	cc_images_step(images, UINT64_MAX - 1);
	for (unsigned int i = 0; i < NR; i++)
		complete(fetches[i]);
	ok(nr_fetches == NR && wait_for(&begun) && cc_images_loading(images) == NR && !nr_changed,
	   "%s: eight at once", how);
	if (cancel)
		cc_images_cancel(images);
	for (unsigned int i = 0; i < NR; i++)
		cc_image_put(all[i]);
	ok(cc_images_loading(images) == 1, "%s: only the one under way is waited for", how);
	held = false;
	sem_post(&let_go);
	ok(reap() && !cc_images_loading(images) && !nr_changed, "%s: and ends", how);
}

static void test_refused(void)
{
	struct cc_image *image = get(1);

	reset();
	cc_images_step(images, UINT64_MAX - 1);
	complete(fetches[0]);
	ok(reap() && image->state == CC_IMAGE_REFUSED && nr_changed == 1 && strstr(image->reason, "sectors"),
	   "of another length: %s", image->reason);
	cc_image_put(image);
}

static void test_area(void)
{
	struct cc_image *image = get(0);

	reset();
	in_area = true;
	cc_images_step(images, UINT64_MAX - 1);
	ok(reading && image->state == CC_IMAGE_READING, "read from the area");
	memset(image->buf, 1, manifest.size);
	reading->done(reading, 0);
	ok(reap() && nr_forgotten == 1 && nr_fetches == 1 && image->state == CC_IMAGE_FETCHING,
	   "what is wrong there is fetched");
	complete(fetches[0]);
	ok(reap() && image->state == CC_IMAGE_READY && nr_stored == 1, "and stored anew");
	cc_image_put(image);
	image = get(0);
	cc_images_step(images, UINT64_MAX - 1);
	memcpy(image->buf, manifest.data, manifest.size);
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

	make_manifest();
	sem_init(&begun, 0, 0);
	sem_init(&let_go, 0, 0);
	if (cc_images_open(&c, &images))
		return 1;
	test_beside_the_loop();
	test_refused();
	test_area();
	give_up("put", false);
	give_up("cancelled", true);
	cc_images_close(images);
	cc_manifest_free(&manifest);
	return tap_done();
}
