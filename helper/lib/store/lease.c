// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases of a store; see lease.h.
 */
#include "lease.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "clock.h"
#include "manifest.h"

#define LEASES "leases/"
#define LOOK_MAX 256
#define ABANDON_SECONDS 3
#define LEASE_PREFIX 40

static const char *const kinds[] = { "import", "gc", "name" };

static bool is_overdue(const struct cc_lease *l)
{
	return cc_boot_ns() - l->renewed_ns >= CC_LEASE_LIFE / 2 * CC_SECOND;
}

static enum cc_store_result put_lease(struct cc_lease *l, char *err, size_t errlen)
{
	uint64_t start = cc_boot_ns();
	enum cc_store_result r = cc_store_put(l->store, l->object, "\n", 1, err, errlen);

	pthread_mutex_lock(&l->lock);
	l->lapsed |= l->renewed_ns && is_overdue(l);
	if (!r)
		l->renewed_ns = start;
	pthread_mutex_unlock(&l->lock);
	return r;
}

static void *renew(void *arg)
{
	struct cc_lease *l = arg;
	struct timespec due;
	char err[256];

	pthread_mutex_lock(&l->lock);
	while (!l->stop) {
		/* A clock that nobody sets: set back, it would let the lease lapse. */
		clock_gettime(CLOCK_MONOTONIC, &due);
		due.tv_sec += CC_LEASE_RENEW;
		pthread_cond_clockwait(&l->wake, &l->lock, CLOCK_MONOTONIC, &due);
		if (l->stop)
			break;
		pthread_mutex_unlock(&l->lock);
		/* A failure shows in lapsed, if it lasts. */
		put_lease(l, err, sizeof(err));
		pthread_mutex_lock(&l->lock);
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static void hash_name(const char *image, char ret_hash[17])
{
	uint8_t digest[CC_ID_SIZE];
	char hex[2 * CC_ID_SIZE + 1];

	cc_sha256(image, strlen(image), digest);
	cc_id_to_hex(digest, hex);
	memcpy(ret_hash, hex, 16);
	ret_hash[16] = 0;
}

/* What objects of a kind of lease start with; with a lease of a name's, those of that name. */
static void make_prefix(const struct cc_lease *l, enum cc_lease_kind kind, char *prefix, size_t size)
{
	bool of_name = kind == CC_LEASE_NAME;

	snprintf(prefix, size, LEASES "%s-%s%s", kinds[kind], of_name ? l->name : "", of_name ? "-" : "");
}

bool cc_lease_is_name(const char *object)
{
	size_t digits, len;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char prefix[LEASE_PREFIX];

		len = snprintf(prefix, sizeof(prefix), LEASES "%s-", kinds[i]);
		digits = i == CC_LEASE_NAME ? 33 : 16;
		if (!strncmp(object, prefix, len) && strlen(object) == len + digits &&
		    strspn(object + len, "0123456789abcdef-") == digits)
			return true;
	}
	return false;
}

/* A name for the object, and all as it is at the start.  0 or -errno. */
static int begin_lease(struct cc_lease *l, struct cc_store *s, enum cc_lease_kind kind, const char *image)
{
	char prefix[LEASE_PREFIX];
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -errno;
	if (image)
		hash_name(image, l->name);
	make_prefix(l, kind, prefix, sizeof(prefix));
	pthread_mutex_lock(&l->lock);
	l->store = s;
	snprintf(l->object, sizeof(l->object), "%s%016" PRIx64, prefix, random);
	l->stop = false;
	l->lapsed = false;
	l->renewed_ns = 0;
	pthread_mutex_unlock(&l->lock);
	return 0;
}

/* Renewed from here on.  0 or an errno. */
static int keep_lease(struct cc_lease *l)
{
	int r;

	pthread_mutex_lock(&l->lock);
	r = pthread_create(&l->thread, NULL, renew, l);
	l->held = !r;
	pthread_mutex_unlock(&l->lock);
	return r;
}

enum cc_store_result cc_lease_take(struct cc_store *s, enum cc_lease_kind kind, const char *image,
				   struct cc_lease *l, char *err, size_t errlen)
{
	enum cc_store_result res;
	char ignored[256];
	int r = begin_lease(l, s, kind, image);

	if (r) {
		snprintf(err, errlen, "random numbers: %s", strerror(-r));
		return CC_STORE_ERROR;
	}
	res = put_lease(l, err, errlen);
	if (res)
		return res;
	r = keep_lease(l);
	if (!r)
		return CC_STORE_OK;
	snprintf(err, errlen, "threads: %s", strerror(r));
	cc_store_delete(s, l->object, ignored, sizeof(ignored));
	return CC_STORE_ERROR;
}

/* True for the one that is to end its thread. */
static bool let_go(struct cc_lease *l)
{
	bool held;

	pthread_mutex_lock(&l->lock);
	held = l->held;
	l->held = false;
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	return held;
}

void cc_lease_drop(struct cc_lease *l)
{
	char err[256];

	if (!let_go(l))
		return;
	pthread_join(l->thread, NULL);
	cc_store_delete(l->store, l->object, err, sizeof(err));
}

/* A renewal that hangs is not waited for longer; should it arrive after all, the lease lapses by itself. */
static void await_thread(struct cc_lease *l)
{
	struct timespec due;

	clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec += ABANDON_SECONDS;
	pthread_clockjoin_np(l->thread, NULL, CLOCK_MONOTONIC, &due);
}

void cc_lease_abandon(struct cc_lease *l)
{
	struct cc_store *store;
	char err[256];

	pthread_mutex_lock(&l->lock);
	store = l->store;
	pthread_mutex_unlock(&l->lock);
	if (!store)
		return;
	cc_store_hurry(store);
	if (let_go(l))
		await_thread(l);
	cc_store_delete(store, l->object, err, sizeof(err));
}

bool cc_lease_holds(struct cc_lease *l)
{
	bool holds;

	pthread_mutex_lock(&l->lock);
	holds = !l->lapsed && !is_overdue(l);
	pthread_mutex_unlock(&l->lock);
	return holds;
}

struct look {
	const struct cc_lease *own;
	char prefix[LEASE_PREFIX];
	int64_t now, times[LOOK_MAX];
	unsigned int nr;
};

/* Those of the dead pile up: if there is no room, the oldest one makes some. */
static void note_time(struct look *look, int64_t mtime)
{
	unsigned int oldest = 0;

	if (look->nr < LOOK_MAX) {
		look->times[look->nr++] = mtime;
		return;
	}
	for (unsigned int i = 1; i < LOOK_MAX; i++)
		if (look->times[i] < look->times[oldest])
			oldest = i;
	if (look->times[oldest] < mtime)
		look->times[oldest] = mtime;
}

static int see(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	struct look *look = arg;

	if (!strcmp(name, look->own->object))
		look->now = mtime;
	else if (!strncmp(name, look->prefix, strlen(look->prefix)))
		note_time(look, mtime);
	return 0;
}

enum cc_store_result cc_lease_others(struct cc_lease *l, enum cc_lease_kind kind, unsigned int *ret_nr,
				     int64_t *ret_now, char *err, size_t errlen)
{
	struct look look = { .own = l, .now = -1 };
	enum cc_store_result res;
	unsigned int i;

	make_prefix(l, kind, look.prefix, sizeof(look.prefix));
	/* Renewed, so that its time in the listing is now. */
	res = put_lease(l, err, errlen);
	if (!res)
		res = cc_store_list(l->store, LEASES, see, &look, err, errlen);
	if (res)
		return res;
	if (look.now < 0) {
		snprintf(err, errlen, "%s: was put, but is not listed: is this store a cache of another?",
			 l->object);
		return CC_STORE_ERROR;
	}
	*ret_nr = 0;
	for (i = 0; i < look.nr; i++)
		*ret_nr += look.now - look.times[i] < CC_LEASE_LIFE;
	*ret_now = look.now;
	return CC_STORE_OK;
}
