// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commits that can't be made since the cache device does not give back what was written: a slot can't be read, or the
 * journal can't.  It may be one block of a device that is well besides.  So the volume goes on as long as it can, and
 * what fails is tried again; but when its writes wait for room they would wait for ever, and it fails.
 *
 * A device that has died is found by the kernel, which fails the journal; then no write waits any more.
 */
#include "volumes-impl.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

#define LOOK_STUCK	(2 * CC_SECOND)
#define STUCK_MAX	(30 * CC_SECOND) /* a device that is reset comes back sooner */

static bool is_broken(const struct cc_volumes *all)
{
	return cc_journal_follow_how(all->c.follow) == CC_FOLLOW_BROKEN;
}

/* Can nothing of it be brought to the store? */
static bool is_kept_back(const struct cc_volume *v)
{
	return (v->life == CC_VOLUME_RUNNING && is_broken(v->all)) ||
	       ((v->life == CC_VOLUME_RUNNING || v->life == CC_VOLUME_OPENING) && v->unreadable);
}

static void fail_stuck(struct cc_volume *v)
{
	char why[sizeof(v->why) + 100];

	snprintf(why, sizeof(why), "%.*s; its writes would wait for ever", (int)sizeof(v->why),
		 v->unreadable ? v->why : cc_journal_follow_why(v->all->c.follow));
	cc_volume_failed(v, why);
}

struct stuck_look {
	struct cc_volumes *all;
	uint64_t now_ns;
};

static struct cc_volume *volume_of_device(struct cc_volumes *all, const char *name)
{
	cc_list_each(n, &all->volumes) {
		struct cc_volume *v = cc_list_entry(n, struct cc_volume, node);

		if (!strcmp(v->info.name, name))
			return v;
	}
	return NULL;
}

static void look_at(void *arg, const struct cc_channel_stats *st)
{
	const struct stuck_look *l = arg;
	struct cc_volume *v = volume_of_device(l->all, st->disk);
	bool waits = st->n[CHUNKCACHE_STAT_HELD_WRITES];

	if (!v)
		return;
	if (!waits || !is_kept_back(v) || st->n[CHUNKCACHE_STAT_WRITES] != v->writes)
		v->stuck_ns = 0;
	else if (!v->stuck_ns)
		v->stuck_ns = l->now_ns;
	v->writes = st->n[CHUNKCACHE_STAT_WRITES];
	if (v->stuck_ns && l->now_ns - v->stuck_ns >= STUCK_MAX)
		fail_stuck(v);
}

void cc_volumes_look_stuck(struct cc_volumes *all, uint64_t now_ns)
{
	struct stuck_look l = { .all = all, .now_ns = now_ns };
	bool any = false;

	if (now_ns < all->stuck_due)
		return;
	all->stuck_due = now_ns + LOOK_STUCK;
	cc_list_each(n, &all->volumes) {
		struct cc_volume *v = cc_list_entry(n, struct cc_volume, node);

		if (is_kept_back(v))
			any = true;
		else
			v->stuck_ns = 0;
	}
	if (any)
		cc_volume_channel(all, cc_channel_stats_get(all->c.channel, look_at, &l));
}
