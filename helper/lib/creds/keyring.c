// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When keys are loaded, and who may have them; see keyring.h.  Keys that could not be renewed are given
 * out until the store itself refuses them: its clock decides, and not being able to ask for new
 * ones is no reason to stop.
 */
#include "keyring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "clock.h"
#include "log.h"
#include "thread.h"

#define LEAD_MAX_S	900		/* renewed so long before they expire, or a quarter of their life */
#define RENEW_MIN_S	1
#define BACKOFF_MIN_NS	CC_SECOND		/* after a failed load; doubled each time up to 16 s if that can wait */
#define STALE_MAX	6		/* doublings of RENEW_MIN_S, so 64 s */
#define RELOAD_NS	CC_SECOND		/* refused keys are not loaded again before */

struct keys {
	struct cc_creds creds;		/* constant */
	unsigned int refs;		/* under the keyring's lock */
};

struct cc_keyring {
	struct cc_store_config config;	/* a copy of what creds.h reads; constant */
	pthread_mutex_t lock;		/* covers what follows */
	pthread_cond_t changed;
	unsigned int refs;		/* the owner's and the thread's */
	bool running, stop;
	struct keys *current;		/* or NULL */
	bool refused;			/* current is not given out any more */
	bool wanted;			/* a load is asked for, or under way */
	char error[256];		/* of the last load, "" if it went well */
	unsigned int failures;		/* in a row */
	unsigned int stale;		/* loads in a row that brought keys that had expired */
	uint64_t next_ns;		/* when to load without being asked; UINT64_MAX: never */
	uint64_t not_before_ns;		/* nor on demand */
};

/* ---- life ---- */

static int copy_string(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

static int copy_config(struct cc_store_config *to, const struct cc_store_config *c)
{
	cc_store_config_init(to);
	if (copy_string(&to->name, c->name) || copy_string(&to->region, c->region) ||
	    copy_string(&to->credentials, c->credentials) ||
	    copy_string(&to->credentials_file, c->credentials_file) ||
	    copy_string(&to->profile, c->profile) || copy_string(&to->ca_file, c->ca_file)) {
		cc_store_config_free(to);
		return -ENOMEM;
	}
	return 0;
}

struct cc_keyring *cc_keyring_new(const struct cc_store_config *c)
{
	struct cc_keyring *keyring = calloc(1, sizeof(*keyring));
	pthread_condattr_t attr;

	if (!keyring)
		return NULL;
	if (copy_config(&keyring->config, c)) {
		free(keyring);
		return NULL;
	}
	keyring->refs = 1;
	keyring->next_ns = UINT64_MAX;
	pthread_mutex_init(&keyring->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&keyring->changed, &attr);
	pthread_condattr_destroy(&attr);
	return keyring;
}

/* Called with the lock held. */
static void put_keys(struct keys *keys)
{
	if (!keys || --keys->refs)
		return;
	cc_creds_wipe(&keys->creds);
	free(keys);
}

/* Called with the lock held, returns without it. */
static void put_keyring(struct cc_keyring *keyring)
{
	bool last = !--keyring->refs;

	pthread_mutex_unlock(&keyring->lock);
	if (!last)
		return;
	put_keys(keyring->current);
	pthread_cond_destroy(&keyring->changed);
	pthread_mutex_destroy(&keyring->lock);
	cc_store_config_free(&keyring->config);
	free(keyring);
}

void cc_keyring_free(struct cc_keyring *keyring)
{
	if (!keyring)
		return;
	pthread_mutex_lock(&keyring->lock);
	keyring->stop = true;
	pthread_cond_broadcast(&keyring->changed);
	put_keyring(keyring);
}

/* ---- the thread ---- */

/* Up to a tenth of n more, so that hosts that started together do not ask together. */
static uint64_t random_jitter(uint64_t n)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return 0;
	return (n / 10 * random) >> 32;
}

/* Nanoseconds from now until keys with this end should be renewed. */
static uint64_t renew_in(struct cc_keyring *keyring, int64_t expires)
{
	int64_t life = expires - (int64_t)time(NULL), lead = life / 4;

	if (lead > LEAD_MAX_S)
		lead = LEAD_MAX_S;
	/* Keys that are too old when they come: this host's clock is ahead, and each load brings such ones. */
	if (life - lead < RENEW_MIN_S)
		return RENEW_MIN_S * CC_SECOND << (keyring->stale < STALE_MAX ? keyring->stale++ : STALE_MAX);
	keyring->stale = 0;
	return (life - lead) * CC_SECOND - random_jitter((life - lead < 600 ? life - lead : 600) * CC_SECOND);
}

/* Called with the lock held, as all below. */
static void keys_loaded(struct cc_keyring *keyring, struct keys *keys)
{
	uint64_t now = cc_now_ns();

	if (keyring->failures && keyring->current)
		cc_log(LOG_NOTICE, "store %s: credentials renewed", keyring->config.name);
	put_keys(keyring->current);
	keyring->current = keys;
	keyring->refused = false;
	keyring->error[0] = '\0';
	keyring->failures = 0;
	keyring->next_ns = keys->creds.expires ? now + renew_in(keyring, keys->creds.expires) : UINT64_MAX;
	keyring->not_before_ns = now + RELOAD_NS;
}

static void keys_not_loaded(struct cc_keyring *keyring, const char *reason)
{
	uint64_t delay = BACKOFF_MIN_NS;

	snprintf(keyring->error, sizeof(keyring->error), "%s", reason);
	/* With keys that may well be good there is no hurry. */
	if (keyring->current && !keyring->refused)
		delay <<= keyring->failures < 4 ? keyring->failures : 4;
	/* Without any keys the requests say so; with old ones nobody else would. */
	if (!keyring->failures++ && keyring->current)
		cc_log(LOG_WARNING, "store %s: cannot renew keys: %s", keyring->config.name, reason);
	keyring->not_before_ns = cc_now_ns() + delay;
	keyring->next_ns = keyring->current ? keyring->not_before_ns + random_jitter(delay) : UINT64_MAX;
}

static void load_keys(struct cc_keyring *keyring)
{
	struct keys *keys = calloc(1, sizeof(*keys));
	char err[sizeof(keyring->error)] = "credentials: out of memory";
	int r = -ENOMEM;

	keyring->wanted = true;
	pthread_mutex_unlock(&keyring->lock);
	if (keys)
		r = cc_creds_load(&keyring->config, &keys->creds, err, sizeof(err));
	pthread_mutex_lock(&keyring->lock);
	if (!r) {
		keys->refs = 1;
		keys_loaded(keyring, keys);
	} else {
		free(keys);
		keys_not_loaded(keyring, err);
	}
	keyring->wanted = false;
	pthread_cond_broadcast(&keyring->changed);
}

static void wait_until(struct cc_keyring *keyring, uint64_t ns)
{
	const struct timespec until = { .tv_sec = ns / CC_SECOND, .tv_nsec = ns % CC_SECOND };

	if (ns == UINT64_MAX)
		pthread_cond_wait(&keyring->changed, &keyring->lock);
	else
		pthread_cond_timedwait(&keyring->changed, &keyring->lock, &until);
}

static void *run_keyring(void *arg)
{
	struct cc_keyring *keyring = arg;

	pthread_mutex_lock(&keyring->lock);
	while (!keyring->stop) {
		if (keyring->wanted || cc_now_ns() >= keyring->next_ns)
			load_keys(keyring);
		else
			wait_until(keyring, keyring->next_ns);
	}
	keyring->running = false;
	put_keyring(keyring);
	return NULL;
}

/* ---- interface ---- */

static void want_keys(struct cc_keyring *keyring)
{
	keyring->wanted = true;
	if (keyring->running) {
		pthread_cond_broadcast(&keyring->changed);
		return;
	}
	keyring->refs++;
	keyring->running = !cc_thread_start(run_keyring, keyring, true, NULL);
	if (keyring->running)
		return;
	keyring->refs--;
	keyring->wanted = false;
	keys_not_loaded(keyring, "credentials: cannot start a thread");
}

static int get_keys(struct cc_keyring *keyring, const struct cc_creds **ret_creds, char *err, size_t errlen)
{
	if (keyring->current && !keyring->refused) {
		keyring->current->refs++;
		*ret_creds = &keyring->current->creds;
		return 0;
	}
	if (!keyring->wanted && cc_now_ns() >= keyring->not_before_ns) {
		keyring->error[0] = '\0';
		want_keys(keyring);
	}
	if (!keyring->error[0])
		return -EINPROGRESS;
	snprintf(err, errlen, "%s", keyring->error);
	return -EACCES;
}

int cc_keyring_get(struct cc_keyring *keyring, const struct cc_creds **ret_creds, char *err, size_t errlen)
{
	int r;

	pthread_mutex_lock(&keyring->lock);
	r = get_keys(keyring, ret_creds, err, errlen);
	pthread_mutex_unlock(&keyring->lock);
	return r;
}

int cc_keyring_wait(struct cc_keyring *keyring, uint64_t deadline_ns, const struct cc_creds **ret_creds,
		    char *err, size_t errlen)
{
	int r;

	pthread_mutex_lock(&keyring->lock);
	while ((r = get_keys(keyring, ret_creds, err, errlen)) == -EINPROGRESS) {
		if (cc_now_ns() >= deadline_ns) {
			snprintf(err, errlen, "credentials: not loaded in time");
			r = -ETIMEDOUT;
			break;
		}
		wait_until(keyring, deadline_ns);
	}
	pthread_mutex_unlock(&keyring->lock);
	return r;
}

/* The credentials are the first member. */
static struct keys *keys_of(const struct cc_creds *creds)
{
	return (struct keys *)(uintptr_t)creds;
}

const struct cc_creds *cc_keyring_hold(struct cc_keyring *keyring, const struct cc_creds *creds)
{
	pthread_mutex_lock(&keyring->lock);
	keys_of(creds)->refs++;
	pthread_mutex_unlock(&keyring->lock);
	return creds;
}

void cc_keyring_put(struct cc_keyring *keyring, const struct cc_creds *creds)
{
	if (!creds)
		return;
	pthread_mutex_lock(&keyring->lock);
	put_keys(keys_of(creds));
	pthread_mutex_unlock(&keyring->lock);
}

void cc_keyring_refuse(struct cc_keyring *keyring, const struct cc_creds *creds)
{
	pthread_mutex_lock(&keyring->lock);
	if (keyring->current && creds == &keyring->current->creds && !keyring->refused &&
	    cc_now_ns() >= keyring->not_before_ns) {
		keyring->refused = true;
		want_keys(keyring);
	}
	pthread_mutex_unlock(&keyring->lock);
}
