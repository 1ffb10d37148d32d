// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Snapshots of volumes at work: from the wish to a commit that has what it is of, and to the checkpoint that it names.
 * The guest is not stopped, nor told: what a commit ends at is a state that it could find after a power cut.
 */
#include "volumes-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "volume/place.h"
#include "volume/volume-snapshot.h"

#define ASK_INTERVAL (100 * CC_MS)	/* for another cut, if that which came was begun before the wish */

static void set_snap_state(struct cc_volume *v, enum cc_snap_state state)
{
	v->snap.state = state;
}

static bool is_wanted(const struct cc_snap *s)
{
	return s->state != CC_SNAP_NONE && s->state != CC_SNAP_ENDED;
}

int cc_volumes_snapshot(struct cc_volumes *all, const uint8_t uuid[16], const char *name, char *err, size_t errlen)
{
	struct cc_volume *v = cc_volume_of_uuid(all, uuid);
	char object[CC_OBJECT_NAME_MAX];

	if (cc_snapshot_name(uuid, name, object)) {
		snprintf(err, errlen, "name: expected one of a snapshot: 1 to %d of [a-zA-Z0-9._-]", CC_SNAPSHOT_NAME_MAX);
		return -EINVAL;
	}
	if (!v || v->life != CC_VOLUME_RUNNING || all->draining) {
		snprintf(err, errlen, "volume: it is not at work here");
		return -ENOENT;
	}
	if (is_wanted(&v->snap)) {
		snprintf(err, errlen, "volume: snapshot %s is being made", v->snap.name);
		return -EBUSY;
	}
	v->snap = (struct cc_snap){ .ticket = cc_journal_follow_ticket(all->c.follow) };
	snprintf(v->snap.name, sizeof(v->snap.name), "%s", name);
	set_snap_state(v, CC_SNAP_READING);
	return 0;
}

/* Of what is in no commit yet. */
static uint64_t highest_place(const struct cc_journal_volume *j)
{
	uint64_t highest = 0;

	for (size_t i = 0; j && i < j->nr_writes; i++) {
		const struct chunkcache_record *r = &j->writes[i].r;
		uint64_t last = cc_place_is_data(r->place) ? cc_place_nth(r->place, r->count - 1) : r->place;

		if (last > highest)
			highest = last;
	}
	return highest;
}

bool cc_volume_snap_is_due(const struct cc_volume *v)
{
	return v->snap.state == CC_SNAP_COMMITTING && (!v->snap.above || v->upto > v->snap.above);
}

void cc_volume_snap_step(struct cc_volume *v, const struct cc_journal_volume *j, uint64_t now_ns)
{
	struct cc_snap *s = &v->snap;

	if (s->state == CC_SNAP_READING && cc_journal_follow_has_read(v->all->c.follow, s->ticket)) {
		s->above = highest_place(j);
		set_snap_state(v, CC_SNAP_COMMITTING);
	}
	if (s->state != CC_SNAP_COMMITTING || cc_volume_snap_is_due(v))
		return;
	/* Neither waits for the end of the interval. */
	if (j && j->cut > s->above) {
		v->commit_due = cc_earlier(v->commit_due, now_ns);
	} else if (now_ns >= s->ask_due) {
		v->cut_due = now_ns;
		s->ask_due = now_ns + ASK_INTERVAL;
	}
}

void cc_volume_snap_started(struct cc_volume *v)
{
	set_snap_state(v, CC_SNAP_TAKING);
}

int cc_volume_snap_take(struct cc_volume *v)
{
	int r = cc_snapshot_create(&v->store, v->snap.name, false, v->err, sizeof(v->err));

	if (!r)
		v->checkpoint_bytes = v->counts.bytes;
	return r;
}

void cc_volume_snap_ended(struct cc_volume *v)
{
	v->snap.result = v->result;
	snprintf(v->snap.err, sizeof(v->snap.err), "%s", v->err);
	set_snap_state(v, CC_SNAP_ENDED);
	if (v->result)
		cc_log(LOG_ERR, "volume %s: snapshot %s: %s", v->info.name, v->snap.name, v->err);
	else
		cc_log(LOG_INFO, "volume %s: snapshot %s", v->info.name, v->snap.name);
}

const char *cc_volume_snap_how(const struct cc_volume *v)
{
	if (v->snap.state == CC_SNAP_NONE)
		return "";
	if (v->snap.state != CC_SNAP_ENDED)
		return v->life == CC_VOLUME_FAILED ? v->why : "running";
	return v->snap.result ? v->snap.err : "done";
}
