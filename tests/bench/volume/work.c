// SPDX-License-Identifier: GPL-2.0-or-later
/* See work.h. */
#include "work.h"

#include <err.h>
#include <string.h>
#include <sys/epoll.h>

#include "clock.h"
#include "kernel.h"
#include "volume/volume-log.h"
#include "volume/volumes.h"

#define TURN	(5 * CC_MS)

const uint8_t bench_uuid[16] = "bench volume";

static struct cc_store_config config;
static struct cc_sources sources;
static struct cc_loop *loop;
static struct cc_journal_follow *follow;
static struct cc_volumes *volumes;
static struct cc_watch follow_watch;
static bool (*goes_on)(uint64_t now_ns);

/* ---- the store ---- */

struct cc_store *bench_store_open(char *url, char *endpoint)
{
	char why[400];

	cc_store_config_init(&config);
	config.name = (char *)"main";
	config.url = url;
	config.endpoint = endpoint;
	config.path_style = true;
	config.anonymous = endpoint;
	sources.nr = 1;
	sources.s[0].config = &config;
	if (cc_store_open(&config, &sources.s[0].store, why, sizeof(why)))
		errx(1, "%s", why);
	return sources.s[0].store;
}

void bench_store_close(void)
{
	cc_store_close(sources.s[0].store);
}

void bench_volume_create(uint64_t blocks)
{
	struct cc_commit c = {
		.size = blocks << CC_BLOCK_SHIFT,
		.chunk_shift = cc_pooldev_geometry(bench_kernel.pooldev)->slot_shift,
	};
	char why[400];

	if (cc_volume_log_create(sources.s[0].store, bench_uuid, &c, why, sizeof(why)))
		errx(1, "%s", why);
}

/* ---- the helper ---- */

static void reap_follow(struct cc_watch *w, uint32_t events)
{
	cc_journal_follow_reap(follow);
}

static void journal_news(void)
{
	cc_journal_follow_wake(follow);
}

void bench_work_start(void)
{
	struct cc_journal_follow_config f = {
		.pooldev = bench_kernel.pooldev, .instance = 1,
		.nr_slots = cc_pooldev_geometry(bench_kernel.pooldev)->nr_slots,
	};
	struct cc_volumes_config c = { .pooldev = bench_kernel.pooldev, .sources = &sources };

	bench_kernel_flush();
	if (cc_loop_open(&loop) || cc_journal_follow_open(&f, &follow))
		errx(1, "the helper can't be started");
	follow_watch = (struct cc_watch){ .fd = cc_journal_follow_fd(follow), .fn = reap_follow };
	c.loop = loop;
	c.follow = follow;
	if (cc_loop_add(loop, &follow_watch, EPOLLIN) || cc_volumes_open(&c, &volumes))
		errx(1, "the helper can't be started");
	bench_kernel.news = journal_news;
}

static uint64_t step_work(void *arg, uint64_t now_ns)
{
	bool started = false;
	int error = 0;

	if (goes_on(now_ns)) {
		cc_journal_follow_step(follow, now_ns, &error);
		if (!error)
			cc_volumes_step(volumes, now_ns, &started, &error);
	} else {
		cc_loop_stop(loop);
	}
	if (error || *bench_kernel.failed)
		errx(1, "%s", error ? strerror(-error) : bench_kernel.failed);
	return now_ns + TURN;
}

void bench_work_run(bool (*more)(uint64_t now_ns))
{
	goes_on = more;
	cc_volumes_refresh(volumes);
	if (cc_loop_run(loop, step_work, NULL))
		errx(1, "waiting for events failed");
}

void bench_work_stop(void)
{
	cc_volumes_drain(volumes);
	cc_volumes_close(volumes);
	cc_loop_remove(loop, &follow_watch);
	cc_journal_follow_close(follow);
	cc_loop_close(loop);
}
