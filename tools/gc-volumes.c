// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What of a store's volumes is in use; see gc-volumes.h.
 */
#include "gc-volumes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "uuid.h"
#include "volume/volume-name.h"
#include "volume/volume-snapshot.h"
#include "volume/volume-trim.h"

#define READ_PARALLEL	16		/* requests, while a log is read */
#define CLOCKS		60		/* seconds between those of a store's servers, where there is a grace time */

struct ctl_gc_volume {
	uint8_t uuid[16];
	bool named;
	bool garbage;			/* all of it */
	bool log_goes;			/* some of its log */
	int64_t newest;			/* object */
	int64_t last;			/* time of the last commit */
	struct cc_trim trim;
	size_t room;			/* of its commits */
};

static int gc_no_memory(void)
{
	ctl_err("out of memory");
	return CTL_FAILED;
}

/* ---- which there are ---- */

static int by_uuid(const void *a, const void *b)
{
	return memcmp(((const struct ctl_gc_volume *)a)->uuid, ((const struct ctl_gc_volume *)b)->uuid, 16);
}

static struct ctl_gc_volume *volume_of_uuid(struct ctl_gc_volumes *v, const uint8_t uuid[16])
{
	struct ctl_gc_volume key = { 0 };

	memcpy(key.uuid, uuid, sizeof(key.uuid));
	return v->nr ? bsearch(&key, v->all, v->nr, sizeof(*v->all), by_uuid) : NULL;
}

/* Before they are sorted: objects of a volume come one after the other, mostly. */
static struct ctl_gc_volume *note_volume(struct ctl_gc_volumes *v, const uint8_t uuid[16])
{
	struct ctl_gc_volume *all;
	size_t room = v->room ? v->room * 2 : 64;

	if (v->recent < v->nr && !memcmp(v->all[v->recent].uuid, uuid, 16))
		return &v->all[v->recent];
	for (v->recent = 0; v->recent < v->nr; v->recent++)
		if (!memcmp(v->all[v->recent].uuid, uuid, 16))
			return &v->all[v->recent];
	if (v->nr == v->room) {
		all = reallocarray(v->all, room, sizeof(*all));
		if (!all)
			return NULL;
		v->all = all;
		v->room = room;
	}
	v->all[v->nr] = (struct ctl_gc_volume){ 0 };
	memcpy(v->all[v->nr].uuid, uuid, 16);
	return &v->all[v->nr++];
}

/* "volumes/<uuid>/<rest>": the rest, or NULL. */
static const char *take_object_name(const char *object, uint8_t ret_uuid[16])
{
	char text[CC_UUID_TEXT];
	const char *from = strchr(object, '/');
	const char *slash = from ? strchr(from + 1, '/') : NULL;

	if (!slash || slash - from != CC_UUID_TEXT)
		return NULL;
	memcpy(text, from + 1, CC_UUID_TEXT - 1);
	text[CC_UUID_TEXT - 1] = '\0';
	return cc_uuid_parse(text, ret_uuid) ? NULL : slash + 1;
}

/* 0: it is no commit. */
static uint64_t commit_number(const uint8_t uuid[16], const char *object, const char *rest)
{
	char name[CC_OBJECT_NAME_MAX];
	uint64_t number;

	if (strncmp(rest, "log/", 4))
		return 0;
	number = strtoull(rest + 4, NULL, 16);
	cc_commit_name(uuid, number, name);
	return strcmp(name, object) ? 0 : number;
}

static int note_commit(struct ctl_gc_volume *volume, uint64_t number, uint64_t size, int64_t mtime)
{
	struct cc_trim *t = &volume->trim;

	if (t->nr == volume->room) {
		size_t room = volume->room ? volume->room * 2 : 64;
		struct cc_trim_commit *all = reallocarray(t->all, room, sizeof(*all));

		if (!all)
			return -1;
		t->all = all;
		volume->room = room;
	}
	t->all[t->nr++] = (struct cc_trim_commit){ .number = number, .size = size, .time = mtime };
	return 0;
}

struct search {
	struct ctl_gc_volumes *volumes;
	int code;
};

static int see_object(void *arg, const char *object, uint64_t size, int64_t mtime)
{
	struct search *s = arg;
	struct ctl_gc_volume *volume;
	uint8_t uuid[16];
	const char *rest = take_object_name(object, uuid);
	uint64_t number;

	if (!rest)
		return 0;
	volume = note_volume(s->volumes, uuid);
	number = volume ? commit_number(uuid, object, rest) : 0;
	if (!volume || (number && note_commit(volume, number, size, mtime)))
		s->code = gc_no_memory();
	else if (mtime > volume->newest)
		volume->newest = mtime;
	return s->code;
}

static int see_name(void *arg, const char *object, uint64_t size, int64_t mtime)
{
	struct search *s = arg;
	struct ctl_gc_volume *volume;
	const char *slash = strrchr(object, '/');
	char err[400] = "";
	uint8_t uuid[16];
	enum cc_store_result r = cc_volume_uuid(s->volumes->store, slash ? slash + 1 : object, uuid, err, sizeof(err));

	if (r == CC_STORE_NOTFOUND)
		return 0;			/* gone meanwhile */
	if (r) {
		ctl_err("%s", err);
		s->code = r == CC_STORE_CORRUPT ? CTL_DAMAGE : CTL_FAILED;
		return s->code;
	}
	volume = note_volume(s->volumes, uuid);
	if (!volume)
		return s->code = gc_no_memory();
	volume->named = true;
	return 0;
}

/* Names first: one that is made meanwhile is one of a volume that is young. */
static int find_volumes(struct ctl_gc_volumes *v)
{
	struct search s = { .volumes = v };
	char err[400] = "";
	enum cc_store_result r = cc_store_list(v->store, "volume-names/", see_name, &s, err, sizeof(err));

	if (!r && !s.code)
		r = cc_store_list(v->store, "volumes/", see_object, &s, err, sizeof(err));
	if (s.code)
		return s.code;
	if (r) {
		ctl_err("%s", err);
		return CTL_FAILED;
	}
	if (v->nr)
		qsort(v->all, v->nr, sizeof(*v->all), by_uuid);
	return 0;
}

/* ---- what they use ---- */

static int mark_object(struct ctl_gc_volumes *v, const char *name)
{
	uint8_t id[CC_ID_SIZE];

	cc_sha256(name, strlen(name), id);
	return cc_id_set_add(&v->objects, id) < 0 ? -ENOMEM : 0;
}

static bool is_marked(const struct ctl_gc_volumes *v, const char *name)
{
	uint8_t id[CC_ID_SIZE];

	cc_sha256(name, strlen(name), id);
	return cc_id_set_has(&v->objects, id);
}

static int mark_pages(struct ctl_gc_volumes *v, const struct cc_root *root)
{
	char name[CC_OBJECT_NAME_MAX];
	int r = 0;

	for (size_t i = 0; !r && i < root->nr_refs; i++)
		if (cc_checkpoint_page_name(root, &root->refs[i], name))
			r = mark_object(v, name);
	return r;
}

/* A root, and what it names. */
static int mark_map(struct ctl_gc_volumes *v, const struct cc_commit *c, char *err, size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX];
	struct cc_root root;
	int r;

	if (!c->map_number)
		return 0;
	cc_map_name(c->volume, c->map_term, c->map, name);
	if (c->type != CC_COMMIT_CHECKPOINT || is_marked(v, name))
		return mark_object(v, name);
	r = cc_checkpoint_get_root(v->store, c->volume, c->map_term, c->map, &root, err, errlen);
	if (r)
		return r;
	r = mark_object(v, name);
	if (!r)
		r = mark_pages(v, &root);
	cc_root_free(&root);
	return r;
}

static int mark_pieces(struct ctl_gc_volumes *v, const struct cc_volume_state *s)
{
	char name[CC_OBJECT_NAME_MAX];
	int r = 0;

	for (size_t i = 0; !r && i < s->pieces.nr; i++) {
		const struct cc_piece *p = &s->pieces.all[i];
		const uint8_t *of = cc_volume_state_origin(s, p->place);

		if (!p->count)
			continue;
		if (p->pack_term)
			cc_pack_name(of, p->pack_term, p->pack, name);
		else
			cc_commit_name(of, p->commit, name);
		r = mark_object(v, name);
	}
	return r;
}

/* What a state's log tells goes on to the state, and its maps are marked. */
struct reading {
	struct ctl_gc_volumes *volumes;
	struct cc_volume_state state;
	cc_volume_log_fn *fn;
};

static int see_commit(void *arg, const struct cc_commit *c, char *err, size_t errlen)
{
	struct reading *r = arg;
	int error = mark_map(r->volumes, c, err, errlen);

	return error ? error : r->fn(&r->state, c, err, errlen);
}

/* floor NULL: to the end; else up to the end of a term, from where it says. */
static int read_and_mark(struct reading *r, const uint8_t uuid[16], const struct cc_volume_floor *floor, uint32_t term,
			 char *err, size_t errlen)
{
	static const uint8_t nobody[16];
	struct cc_volume_log *l = &r->state.log;
	int error;

	cc_volume_state_init(&r->state, r->volumes->store, uuid, nobody, "");
	r->fn = l->fn;
	l->fn = see_commit;
	l->arg = r;
	l->parallel = READ_PARALLEL;
	l->last_term = term;
	if (floor) {
		l->floor = *floor;
		l->floor_given = true;
	}
	error = cc_volume_log_read(l, err, errlen);
	return error ? error : mark_pieces(r->volumes, &r->state);
}

static int mark_forks(struct ctl_gc_volumes *v, struct ctl_gc_volume *volume, char *err, size_t errlen)
{
	const struct cc_volume_floor *f = &volume->trim.floor;
	int error = 0;

	for (unsigned int i = 0; !error && i < f->nr_forks; i++) {
		struct reading r = { .volumes = v };

		error = read_and_mark(&r, volume->uuid, f, f->forks[i].term, err, errlen);
		cc_volume_state_free(&r.state);
	}
	return error;
}

/* ---- and what their snapshots do ---- */

struct snapshots {
	struct ctl_gc_volumes *volumes;
	const uint8_t *uuid;
	int r;
	char *err;
	size_t errlen;
};

static int mark_snapshot(struct snapshots *x, const struct cc_snapshot *p)
{
	static const uint8_t nobody[16];
	char name[CC_OBJECT_NAME_MAX];
	struct cc_volume_state s;
	int r;

	cc_volume_state_init(&s, x->volumes->store, x->uuid, nobody, "");
	s.log.parallel = READ_PARALLEL;
	r = cc_snapshot_load(&s, p, false, x->err, x->errlen);
	cc_map_name(x->uuid, p->term, p->sha256, name);
	if (!r)
		r = mark_object(x->volumes, name);
	if (!r)
		r = mark_pages(x->volumes, &s.root);
	if (!r)
		r = mark_pieces(x->volumes, &s);
	cc_volume_state_free(&s);
	return r;
}

static int see_snapshot(void *arg, const char *name)
{
	struct snapshots *x = arg;
	struct cc_snapshot p;
	char why[400];
	enum cc_store_result res = cc_snapshot_get(x->volumes->store, x->uuid, name, &p, x->err, x->errlen);

	if (res == CC_STORE_NOTFOUND)
		return 0;			/* gone meanwhile */
	x->r = res ? cc_store_errno(res) : mark_snapshot(x, &p);
	if (!x->r)
		return 0;
	snprintf(why, sizeof(why), "%s", x->r == -ENOMEM ? "out of memory" : x->err);
	snprintf(x->err, x->errlen, "snapshot %s: %s", name, why);
	return x->r;
}

/*
 * Listed when the log was read, and not before: one that is made meanwhile is of a checkpoint that is the newest still
 * when its name is there, and so is either listed or marked by the log.
 */
static int mark_snapshots(struct ctl_gc_volumes *v, const uint8_t uuid[16], char *err, size_t errlen)
{
	struct snapshots x = { .volumes = v, .uuid = uuid, .err = err, .errlen = errlen };
	enum cc_store_result res = cc_snapshot_each(v->store, uuid, see_snapshot, &x, err, errlen);

	return x.r ? x.r : res ? -EIO : 0;
}

/* Commits whose bytes are in use stay, too.  Of one that came later the time is not known: that of one before. */
static void keep_commits(struct ctl_gc_volumes *v, struct ctl_gc_volume *volume, uint64_t last)
{
	char name[CC_OBJECT_NAME_MAX];
	uint64_t known = 0;

	for (size_t i = 0; i < volume->trim.nr; i++) {
		struct cc_trim_commit *c = &volume->trim.all[i];

		cc_commit_name(volume->uuid, c->number, name);
		c->keep |= is_marked(v, name);
		if (c->number <= last && c->number >= known) {
			known = c->number;
			volume->last = c->time;
		}
	}
}

static int read_volume(struct ctl_gc_volumes *v, struct ctl_gc_volume *volume, struct ctl_marks *m, char *err,
		       size_t errlen)
{
	struct reading r = { .volumes = v };
	int code = 0, error = read_and_mark(&r, volume->uuid, NULL, 0, err, errlen);

	if (!error)
		error = mark_snapshots(v, volume->uuid, err, errlen);
	if (!error) {
		keep_commits(v, volume, r.state.log.last.number);
		error = cc_volume_trim(&r.state.log, &volume->trim, v->now - (int64_t)v->forks, err, errlen);
	}
	if (!error)
		error = mark_forks(v, volume, err, errlen);
	if (!error && !cc_id_is_hole(r.state.log.last.base))
		code = ctl_mark_digest(m, r.state.log.last.base, "the image below a volume: ");
	cc_volume_state_free(&r.state);
	if (!error)
		keep_commits(v, volume, 0);
	return error ? error : code;
}

static int mark_volume(struct ctl_gc_volumes *v, struct ctl_gc_volume *volume, struct ctl_marks *m)
{
	bool young = v->now - volume->newest < (int64_t)v->grace;
	char err[400] = "", uuid[CC_UUID_TEXT];
	int r;

	volume->garbage = !volume->named && !young;
	if (volume->garbage)
		return 0;
	r = read_volume(v, volume, m, err, sizeof(err));
	if (r >= 0) {
		v->nr_read++;
		return r;
	}
	/* What rm has left, so far. */
	if (r == -ENOENT && !volume->named) {
		for (size_t i = 0; i < volume->trim.nr; i++)
			volume->trim.all[i].keep = true;
		volume->last = 0;
		return 0;
	}
	cc_uuid_text(volume->uuid, uuid);
	ctl_err("volume %s: %s", uuid, *err ? err : strerror(-r));
	return r == -EBADMSG || r == -ENOENT ? CTL_DAMAGE : CTL_FAILED;
}

/* ---- what came meanwhile ---- */

/* Volumes that were not listed at first, so nothing of theirs goes; but what they use of others may not go either. */
struct newcomers {
	struct ctl_gc_volumes *volumes;
	uint8_t (*uuids)[16];
	size_t nr, seen;		/* seen: were marked once */
	int code;
};

static bool is_known(const struct newcomers *n, const uint8_t uuid[16])
{
	for (size_t i = 0; i < n->nr; i++)
		if (!memcmp(n->uuids[i], uuid, 16))
			return true;
	return volume_of_uuid(n->volumes, uuid);
}

static int see_newcomer(void *arg, const char *object, uint64_t size, int64_t mtime)
{
	struct newcomers *n = arg;
	uint8_t uuid[16], (*uuids)[16];

	if (!take_object_name(object, uuid) || is_known(n, uuid))
		return 0;
	uuids = reallocarray(n->uuids, n->nr + 1, sizeof(*uuids));
	if (!uuids)
		return n->code = gc_no_memory();
	n->uuids = uuids;
	memcpy(uuids[n->nr++], uuid, sizeof(uuid));
	return 0;
}

static int mark_again(struct ctl_gc_volumes *v, const uint8_t uuid[16], struct ctl_marks *m)
{
	struct reading r = { .volumes = v };
	char err[400] = "", text[CC_UUID_TEXT];
	int code = 0, error = read_and_mark(&r, uuid, NULL, 0, err, sizeof(err));

	if (!error)
		error = mark_snapshots(v, uuid, err, sizeof(err));
	if (!error && !cc_id_is_hole(r.state.log.last.base))
		code = ctl_mark_digest(m, r.state.log.last.base, "the image below a volume: ");
	cc_volume_state_free(&r.state);
	if (!error || error == -ENOENT)		/* nothing of it is there yet, or any more */
		return code;
	cc_uuid_text(uuid, text);
	ctl_err("volume %s: %s", text, *err ? err : strerror(-error));
	return error == -EBADMSG ? CTL_DAMAGE : CTL_FAILED;
}

/* Until a listing has none that was not there at the one before. */
static int mark_newcomers(struct newcomers *n, struct ctl_marks *m)
{
	char err[400] = "";
	enum cc_store_result res = CC_STORE_OK;
	int r = 0;

	do {
		while (!r && n->seen < n->nr)
			r = mark_again(n->volumes, n->uuids[n->seen++], m);
		if (!r)
			res = cc_store_list(n->volumes->store, "volumes/", see_newcomer, n, err, sizeof(err));
		if (!r && !n->code && res) {
			ctl_err("%s", err);
			r = CTL_FAILED;
		}
	} while (!r && !n->code && n->seen < n->nr);
	return r ? r : n->code;
}

/*
 * Clones that are being made have no name yet.  They are read again when all snapshots were listed and no volume comes
 * any more: one that does not name by then what it is made of finds its snapshot there when it looks for it afterwards,
 * and that was marked.
 */
static int mark_clones(struct ctl_gc_volumes *v, struct ctl_marks *m)
{
	struct newcomers n = { .volumes = v };
	int r = mark_newcomers(&n, m);

	for (size_t i = 0; !r && i < n.nr; i++)
		r = mark_again(v, n.uuids[i], m);
	for (size_t i = 0; !r && i < v->nr; i++)
		if (!v->all[i].named && !v->all[i].garbage)
			r = mark_again(v, v->all[i].uuid, m);
	free(n.uuids);
	return r;
}

int ctl_gc_mark_volumes(struct ctl_gc_volumes *v, struct ctl_marks *m)
{
	int r = find_volumes(v);

	for (size_t i = 0; !r && i < v->nr; i++)
		r = mark_volume(v, &v->all[i], m);
	return r ? r : mark_clones(v, m);
}

/* ---- what they do not use ---- */

static bool uses_commit(struct ctl_gc_volume *volume, uint64_t number)
{
	const struct cc_trim *t = &volume->trim;
	size_t low = 0, high = t->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->all[middle].number == number)
			return t->all[middle].keep;
		if (t->all[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return true;			/* it came later */
}

static bool is_put_ahead(const struct ctl_gc_volumes *v, const struct ctl_gc_volume *volume, int64_t mtime)
{
	return mtime + (v->grace < CLOCKS ? 0 : CLOCKS) >= volume->last;
}

bool ctl_gc_volume_uses(struct ctl_gc_volumes *v, const char *object, int64_t mtime)
{
	uint8_t uuid[16];
	const char *rest = take_object_name(object, uuid);
	struct ctl_gc_volume *volume = rest ? volume_of_uuid(v, uuid) : NULL;
	uint64_t number;

	if (!volume || is_marked(v, object))
		return true;
	if (volume->garbage)
		return false;
	number = commit_number(uuid, object, rest);
	if (number && !uses_commit(volume, number)) {
		volume->log_goes |= v->now - mtime >= (int64_t)v->grace;
		return false;
	}
	if (strncmp(rest, "packs/", 6) && strncmp(rest, "map/", 4))
		return true;
	return is_put_ahead(v, volume, mtime);
}

int ctl_gc_raise_floors(struct ctl_gc_volumes *v)
{
	char err[400] = "", uuid[CC_UUID_TEXT];

	for (size_t i = 0; i < v->nr; i++) {
		struct ctl_gc_volume *volume = &v->all[i];

		if (!volume->log_goes || !volume->trim.raise ||
		    !cc_volume_floor_create(v->store, volume->uuid, &volume->trim.floor, err, sizeof(err)))
			continue;
		cc_uuid_text(volume->uuid, uuid);
		ctl_err("volume %s: %s", uuid, err);
		return CTL_FAILED;
	}
	return 0;
}

void ctl_gc_volumes_free(struct ctl_gc_volumes *v)
{
	for (size_t i = 0; i < v->nr; i++)
		free(v->all[i].trim.all);
	free(v->all);
	cc_id_set_free(&v->objects);
}
