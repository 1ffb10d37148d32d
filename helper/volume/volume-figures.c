// SPDX-License-Identifier: GPL-2.0-or-later
/* What an operator wants to know of each volume; see volumes.h.  Only reads. */
#include "volumes-impl.h"

#include <string.h>

static const char *life_name(enum cc_volume_life life)
{
	static const char *const names[] = {
		[CC_VOLUME_OPENING] = "opening", [CC_VOLUME_RUNNING] = "running",
		[CC_VOLUME_FAILED] = "failed", [CC_VOLUME_GONE] = "closing",
	};

	return names[life];
}

/* As of the last page that was read: more may be dirty by now, if it can't be read any more. */
static bool is_known(const struct cc_volumes *all)
{
	return cc_journal_follow_how(all->c.follow) != CC_FOLLOW_OFF;
}

/* What stops all volumes of the pool comes before what stops one. */
static const char *why_of(const struct cc_volume *v)
{
	const struct cc_journal_follow *follow = v->all->c.follow;

	if (v->life == CC_VOLUME_FAILED)
		return v->why;
	if (cc_journal_follow_failed(follow))
		return "the pool's journal can't be written, as if the cache device had died: writes fail";
	if (cc_journal_follow_how(follow) == CC_FOLLOW_BROKEN)
		return cc_journal_follow_why(follow);
	return v->why;
}

static void take_journal(const struct cc_volumes *all, struct cc_journal_volume *j, struct cc_volume_figures *f)
{
	f->journal_pages = cc_journal_follow_keeps(all->c.follow, j);
	f->dirty = j->nr_writes;
	f->dirty_bytes = j->dirty_blocks << CC_BLOCK_SHIFT;
	if (!f->term)
		f->term = j->term;
}

static void tell_volume(const struct cc_volume *v, cc_volume_figures_fn *fn, void *arg)
{
	struct cc_volume_figures f = {
		.name = v->info.name, .store = v->info.store, .state = life_name(v->life), .why = why_of(v),
		.term = v->term, .commit_ns = v->commit_ns, .commits = v->counted.commits,
		.packs = v->counted.packs, .stored_bytes = v->counted.bytes,
		.rescue = cc_volume_rescue_state(v->all, v->uuid),
		.rescued_as = cc_volume_rescued_as(v->all, v->uuid), .snapshot = v->snap.name,
		.snapshot_state = cc_volume_snap_how(v),
	};
	struct cc_journal_volume *j = is_known(v->all) ? cc_volume_journal(v) : NULL;

	memcpy(f.uuid, v->uuid, sizeof(f.uuid));
	if (j)
		take_journal(v->all, j, &f);
	if (f.dirty)
		f.oldest_ns = v->age.dirty_ns;
	fn(arg, &f);
}

/* It is nobody's business here but to be kept: its device has not come, or was refused. */
static void tell_left(const struct cc_volumes *all, struct cc_journal_volume *j, cc_volume_figures_fn *fn,
		      void *arg)
{
	struct cc_volume_figures f = {
		.name = "", .store = "", .state = "left", .why = "", .rescue = cc_volume_rescue_state(all, j->uuid),
		.rescued_as = cc_volume_rescued_as(all, j->uuid),
		.snapshot = "", .snapshot_state = "",
	};

	memcpy(f.uuid, j->uuid, sizeof(f.uuid));
	take_journal(all, j, &f);
	if (f.dirty)
		fn(arg, &f);
}

void cc_volumes_each(const struct cc_volumes *all, cc_volume_figures_fn *fn, void *arg)
{
	cc_list_each(n, &all->volumes)
		tell_volume(cc_list_entry(n, struct cc_volume, node), fn, arg);
	if (!is_known(all))
		return;
	cc_list_each(n, &cc_journal_follow_volumes(all->c.follow)->volumes) {
		struct cc_journal_volume *j = cc_list_entry(n, struct cc_journal_volume, node);

		if (!cc_volume_of_uuid(all, j->uuid))
			tell_left(all, j, fn, arg);
	}
}

void cc_volumes_each_store(const struct cc_volumes *all, cc_volume_uploads_fn *fn, void *arg)
{
	cc_list_each(n, &all->stores) {
		const struct cc_volume_store *s = cc_list_entry(n, struct cc_volume_store, node);
		struct cc_uploads_figures f;

		cc_uploads_get_figures(s->uploads, &f);
		fn(arg, s->source->config->name, &f);
	}
}
