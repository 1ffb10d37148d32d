// SPDX-License-Identifier: GPL-2.0-or-later
/* What the volumes of one store share; see volume-store.h. */
#include "volume-store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "log.h"

#define PACKS_MAX	8		/* of 8 to 16 MiB each, in memory */
#define MISS_THREADS	16

static unsigned int at_most(unsigned int n, unsigned int max)
{
	return n < max ? n : max;
}

/* By a thread that waits. */
static void tell_waiting(void *arg, const char *reason, unsigned int seconds)
{
	const struct cc_volume_store *s = arg;

	if (reason)
		cc_log(LOG_WARNING, "store %s: commits of volumes wait: %s", s->source->config->name, reason);
	else
		cc_log(LOG_NOTICE, "store %s: commits of volumes go on, after %u s", s->source->config->name, seconds);
}

static void on_volume_misses(struct cc_watch *w, uint32_t events)
{
	cc_worker_reap(cc_list_entry(w, struct cc_volume_store, watch)->misses);
}

static int open_threads(struct cc_volume_store *s)
{
	const struct cc_store_config *c = s->source->config;
	const struct cc_uploads_config uploads = {
		.store = s->store, .parallel = at_most(c->connections, PACKS_MAX), .rate = c->upload_rate,
	};
	int r = cc_uploads_open(&uploads, &s->uploads);

	if (!r)
		r = cc_worker_open(at_most(c->connections, MISS_THREADS), &s->misses);
	if (r)
		return r;
	s->watch = (struct cc_watch){ .fd = cc_worker_fd(s->misses), .fn = on_volume_misses };
	r = cc_loop_add(s->loop, &s->watch, EPOLLIN);
	if (r)
		s->watch.fn = NULL;
	return r;
}

int cc_volume_store_open(struct cc_source *source, struct cc_loop *loop, struct cc_volume_store **ret_store, char *err,
			 size_t errlen)
{
	struct cc_volume_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	cc_list_init(&s->node);
	s->source = source;
	s->loop = loop;
	r = cc_store_open(source->config, &s->store, err, errlen);
	if (!r) {
		cc_store_be_patient(s->store, tell_waiting, s);
		r = open_threads(s);
		if (r)
			snprintf(err, errlen, "threads: %s", strerror(-r));
	}
	if (r)
		cc_volume_store_close(s);
	else
		*ret_store = s;
	return r;
}

void cc_volume_store_stop(struct cc_volume_store *s)
{
	cc_uploads_stop(s->uploads);
	cc_store_hurry(s->store);
}

void cc_volume_store_close(struct cc_volume_store *s)
{
	cc_list_del(&s->node);
	if (s->watch.fn)
		cc_loop_remove(s->loop, &s->watch);
	if (s->misses)
		cc_worker_close(s->misses);
	cc_uploads_close(s->uploads);
	cc_store_close(s->store);
	free(s);
}
