// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Host name lookups in the background.  Addresses that have grown old are used on while they are
 * looked up anew, and for ever if that fails: a name server that is down is no reason to stop.
 */
#include "resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "thread.h"

#define MAX_ADDRESSES	16
#define FRESH_NS	(30 * CC_SECOND)	/* addresses are good for */
#define FAILED_NS	(1 * CC_SECOND)	/* a failure is remembered for */
#define PAUSE_MIN_NS	(5 * CC_SECOND)	/* so long an address that failed is left out; twice ... */
#define PAUSE_MAX_NS	(160 * CC_SECOND) /* ... as long each time that it fails then, but no longer */
#define SLOW_FACTOR	2			/* slower than the next by so much: left out mostly ... */
#define SLOW_TRIES	31			/* ... but for one turn in so many (a prime: all get one) */

struct address {
	char text[CC_ADDRESS_SIZE];
	uint64_t parked_ns;		/* until then */
	uint64_t pause_ns;		/* the last one; 0: it has not failed since it answered */
	bool probing;			/* one request finds out whether it is back */
	uint64_t us;			/* to the first byte, a mean that forgets; 0: not known */
};

struct cc_resolver {
	pthread_mutex_t lock;		/* covers all below but host and literal */
	pthread_cond_t changed;
	char *host;
	bool literal;
	bool busy;			/* a lookup is under way */
	unsigned int refs;		/* the owner's and that of the lookup */
	struct address addresses[MAX_ADDRESSES];
	unsigned int nr_addresses, next, turns;
	int error;			/* of getaddrinfo(), or 0 */
	uint64_t until_ns;		/* the result, good or bad, is not asked for again before */
};

static bool is_literal(const char *host)
{
	struct in6_addr addr;

	return inet_pton(AF_INET, host, &addr) == 1 || inet_pton(AF_INET6, host, &addr) == 1;
}

struct cc_resolver *cc_resolver_new(const char *host)
{
	struct cc_resolver *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return NULL;
	r->host = strdup(host);
	if (!r->host) {
		free(r);
		return NULL;
	}
	r->literal = is_literal(host);
	r->refs = 1;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	return r;
}

/* Called with the lock held, returns without it. */
static void put_resolver(struct cc_resolver *r)
{
	bool last = !--r->refs;

	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->host);
	free(r);
}

void cc_resolver_free(struct cc_resolver *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	put_resolver(r);
}

/* Called with the lock held. */
static struct address *find_address(struct cc_resolver *r, const char *text)
{
	for (unsigned int i = 0; i < r->nr_addresses; i++)
		if (!strcmp(r->addresses[i].text, text))
			return &r->addresses[i];
	return NULL;
}

/* What is known of an address that was there before is kept. */
static void take_addresses(struct cc_resolver *r, const struct addrinfo *list)
{
	struct address new[MAX_ADDRESSES] = { { .us = 0 } };
	unsigned int n = 0;

	for (; list && n < MAX_ADDRESSES; list = list->ai_next) {
		char text[INET6_ADDRSTRLEN];
		const struct address *old;

		if (getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0,
				NI_NUMERICHOST))
			continue;
		new[n] = (struct address){ .us = 0 };
		snprintf(new[n].text, CC_ADDRESS_SIZE,
			 list->ai_family == AF_INET6 ? "[%s]" : "%s", text);
		old = find_address(r, new[n].text);
		if (old)
			new[n] = *old;
		n++;
	}
	memcpy(r->addresses, new, n * sizeof(new[0]));
	r->nr_addresses = n;
}

static void *look_up(void *arg)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct cc_resolver *r = arg;
	struct addrinfo *list = NULL;
	int error;

	error = getaddrinfo(r->host, NULL, &hints, &list);
	pthread_mutex_lock(&r->lock);
	r->error = error;
	if (!error)
		take_addresses(r, list);
	r->until_ns = cc_now_ns() + (error ? FAILED_NS : FRESH_NS);
	r->busy = false;
	pthread_cond_broadcast(&r->changed);
	put_resolver(r);
	if (!error)
		freeaddrinfo(list);
	return NULL;
}

/* Called with the lock held. */
static void start_lookup(struct cc_resolver *r)
{
	if (r->busy || cc_now_ns() < r->until_ns)
		return;
	r->busy = true;
	r->refs++;
	if (!cc_thread_start(look_up, r, true, NULL))
		return;
	r->busy = false;
	r->refs--;
	r->error = EAI_MEMORY;
	r->until_ns = cc_now_ns() + FAILED_NS;
}

/* ---- the choice ---- */

/* In turn, one that is neither parked nor avoided; without one, what is not parked; else any. */
static struct address *in_turn(struct cc_resolver *r, const char *avoid, uint64_t now)
{
	struct address *up = NULL, *other = NULL;

	for (unsigned int i = 0; i < r->nr_addresses; i++) {
		struct address *next = &r->addresses[r->next++ % r->nr_addresses];
		bool avoided = avoid && !strcmp(next->text, avoid);
		bool parked = now < next->parked_ns;

		if (!avoided && !parked)
			return next;
		if (!parked)
			up = next;
		else if (!avoided && !other)
			other = next;
	}
	if (!up) {
		/* All were looked at: the next one has its turn, too. */
		r->next++;
		up = other;
	}
	return up ? up : &r->addresses[r->next++ % r->nr_addresses];
}

static struct address *choose_address(struct cc_resolver *r, const char *avoid)
{
	uint64_t now = cc_now_ns();
	struct address *a = in_turn(r, avoid, now), *b;

	if (r->nr_addresses < 2 || !(r->turns++ % SLOW_TRIES))
		return a;
	b = &r->addresses[r->next % r->nr_addresses];
	if (b->us && a->us > SLOW_FACTOR * b->us && now >= b->parked_ns &&
	    (!avoid || strcmp(b->text, avoid)))
		a = in_turn(r, avoid, now);
	return a;
}

/* Of an address whose pause is over one request learns more than many, which would all wait in vain. */
static void start_probe(struct address *a)
{
	uint64_t now = cc_now_ns();

	if (!a->pause_ns || now < a->parked_ns)
		return;
	a->probing = true;
	a->parked_ns = now + a->pause_ns;
}

/* Called with the lock held. */
static int get_address(struct cc_resolver *r, const char *avoid, char *ret_address, char *err,
		       unsigned int errlen)
{
	struct address *a;

	start_lookup(r);
	if (r->nr_addresses) {
		a = choose_address(r, avoid);
		start_probe(a);
		strcpy(ret_address, a->text);
		return 0;
	}
	if (r->busy)
		return -EINPROGRESS;
	snprintf(err, errlen, "host name %s: %s", r->host,
		 r->error ? gai_strerror(r->error) : "it has no address");
	return -EHOSTUNREACH;
}

int cc_resolver_get(struct cc_resolver *r, const char *avoid, char ret_address[CC_ADDRESS_SIZE],
		    char *err, unsigned int errlen)
{
	int result;

	if (r->literal) {
		ret_address[0] = '\0';
		return 0;
	}
	pthread_mutex_lock(&r->lock);
	result = get_address(r, avoid, ret_address, err, errlen);
	pthread_mutex_unlock(&r->lock);
	return result;
}

int cc_resolver_wait(struct cc_resolver *r, const char *avoid, uint64_t deadline_ns,
		     char ret_address[CC_ADDRESS_SIZE], char *err, unsigned int errlen)
{
	const struct timespec until = {
		.tv_sec = deadline_ns / CC_SECOND,
		.tv_nsec = deadline_ns % CC_SECOND,
	};
	int result;

	if (r->literal)
		return cc_resolver_get(r, avoid, ret_address, err, errlen);
	pthread_mutex_lock(&r->lock);
	for (;;) {
		result = get_address(r, avoid, ret_address, err, errlen);
		if (result != -EINPROGRESS)
			break;
		if (pthread_cond_timedwait(&r->changed, &r->lock, &until)) {
			snprintf(err, errlen, "host name %s: no answer from the name server",
				 r->host);
			result = -ETIMEDOUT;
			break;
		}
	}
	pthread_mutex_unlock(&r->lock);
	return result;
}

bool cc_resolver_has_other(struct cc_resolver *r, const char *address)
{
	bool has;

	if (r->literal)
		return false;
	pthread_mutex_lock(&r->lock);
	has = r->nr_addresses > (find_address(r, address) ? 1 : 0);
	pthread_mutex_unlock(&r->lock);
	return has;
}

/* ---- what is learned ---- */

/* Many requests may fail together: only the first, and later the probe, say how long to wait. */
static void park_address(struct address *a)
{
	uint64_t now = cc_now_ns();

	if (a->pause_ns && !a->probing && now < a->parked_ns)
		return;
	a->pause_ns = a->pause_ns ? 2 * a->pause_ns : PAUSE_MIN_NS;
	if (a->pause_ns > PAUSE_MAX_NS)
		a->pause_ns = PAUSE_MAX_NS;
	a->parked_ns = now + a->pause_ns;
	a->probing = false;
}

/* Called with the lock held. */
static void learn_address(struct address *a, bool failed, uint64_t us)
{
	if (failed) {
		park_address(a);
		return;
	}
	a->pause_ns = 0;
	a->parked_ns = 0;
	a->probing = false;
	if (!a->us)
		a->us = us;
	else
		a->us += ((int64_t)us - (int64_t)a->us) / 8;
}

static bool all_parked(const struct cc_resolver *r)
{
	uint64_t now = cc_now_ns();

	for (unsigned int i = 0; i < r->nr_addresses; i++)
		if (now >= r->addresses[i].parked_ns)
			return false;
	return true;
}

/* Whoever the name leads to by now, it is nobody of those. */
static void look_up_soon(struct cc_resolver *r)
{
	uint64_t soon = cc_now_ns() + FAILED_NS;

	if (soon < r->until_ns)
		r->until_ns = soon;
}

void cc_resolver_report(struct cc_resolver *r, const char *address, bool failed, uint64_t us)
{
	struct address *a;

	if (r->literal)
		return;
	pthread_mutex_lock(&r->lock);
	a = find_address(r, address);
	if (a && (failed || us))
		learn_address(a, failed, us);
	if (failed && all_parked(r))
		look_up_soon(r);
	pthread_mutex_unlock(&r->lock);
}
