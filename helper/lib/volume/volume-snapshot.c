// SPDX-License-Identifier: GPL-2.0-or-later
/* Snapshots of a volume; see volume-snapshot.h. */
#include "volume-snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "volume-name.h"

#define LINE_MAX_BYTES 128

/* ---- its text: "<term> <64 hex> <time>\n" ---- */

/* A decimal number from 1 to max, and what ends it; NULL if it is none. */
static const char *take_number(const char *s, char end, uint64_t max, uint64_t *ret)
{
	char *behind;

	if (!s || *s < '1' || *s > '9')
		return NULL;
	errno = 0;
	*ret = strtoull(s, &behind, 10);
	return errno || *ret > max || *behind != end ? NULL : behind + 1;
}

static bool parse_snapshot(const char *s, struct cc_snapshot *ret)
{
	char hex[2 * CC_ID_SIZE + 1] = "";
	uint64_t term, time;

	s = take_number(s, ' ', CC_LOG_TERM_MAX, &term);
	if (!s || strlen(s) <= sizeof(hex) || s[sizeof(hex) - 1] != ' ')
		return false;
	memcpy(hex, s, sizeof(hex) - 1);
	s = take_number(s + sizeof(hex), '\n', INT64_MAX, &time);
	if (!s || *s || cc_id_from_hex(hex, ret->sha256))
		return false;
	ret->term = (uint32_t)term;
	ret->time = (int64_t)time;
	return true;
}

static size_t write_snapshot(const struct cc_snapshot *p, char text[LINE_MAX_BYTES])
{
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(p->sha256, hex);
	return snprintf(text, LINE_MAX_BYTES, "%" PRIu32 " %s %" PRId64 "\n", p->term, hex, p->time);
}

/* ---- names ---- */

static enum cc_store_result snapshot_object(const uint8_t volume[16], const char *name,
					    char ret_object[CC_OBJECT_NAME_MAX], char *err, size_t errlen)
{
	if (!cc_snapshot_name(volume, name, ret_object))
		return CC_STORE_OK;
	snprintf(err, errlen, "snapshot '%s': expected a name of 1 to %d of [a-zA-Z0-9._-], not starting with '.' or '-'",
		 name, CC_SNAPSHOT_NAME_MAX);
	return CC_STORE_ERROR;
}

enum cc_store_result cc_snapshot_get(struct cc_store *s, const uint8_t volume[16], const char *name,
				     struct cc_snapshot *ret, char *err, size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX], text[LINE_MAX_BYTES];
	enum cc_store_result r = snapshot_object(volume, name, object, err, errlen);
	void *data;
	size_t size;

	if (!r)
		r = cc_store_get(s, object, sizeof(text) - 1, &data, &size, err, errlen);
	if (r)
		return r == CC_STORE_TOOBIG ? CC_STORE_CORRUPT : r;
	memcpy(text, data, size);
	text[size] = '\0';
	free(data);
	if (strlen(text) == size && parse_snapshot(text, ret))
		return CC_STORE_OK;
	snprintf(err, errlen, "%s: expected one line with a term, a digest and a time", object);
	return CC_STORE_CORRUPT;
}

enum cc_store_result cc_snapshot_delete(struct cc_store *s, const uint8_t volume[16], const char *name, char *err,
					size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX];
	enum cc_store_result r = snapshot_object(volume, name, object, err, errlen);

	return r ? r : cc_store_delete(s, object, err, errlen);
}

struct snapshot_names {
	cc_snapshot_fn *fn;
	void *arg;
};

static int see_snapshot_object(void *arg, const char *object, uint64_t size, int64_t mtime)
{
	const struct snapshot_names *n = arg;

	return n->fn(n->arg, strrchr(object, '/') + 1);
}

enum cc_store_result cc_snapshot_each(struct cc_store *s, const uint8_t volume[16], cc_snapshot_fn *fn, void *arg,
				      char *err, size_t errlen)
{
	struct snapshot_names n = { .fn = fn, .arg = arg };
	char prefix[CC_OBJECT_NAME_MAX];

	cc_snapshot_prefix(volume, prefix);
	return cc_store_list(s, prefix, see_snapshot_object, &n, err, errlen);
}

/* ---- making one ---- */

/* In the log at last, so that nothing of it can go before it has a name. */
static int make_checkpoint(struct cc_volume_state *s, bool last, char *err, size_t errlen)
{
	int r;

	do {
		r = cc_volume_state_checkpoint(s, last, err, errlen);
	} while (r == -EAGAIN);
	return r;
}

/* It may be ours, if the answer to a first attempt was lost. */
static bool snapshot_is_there(struct cc_volume_state *s, const char *name, const struct cc_snapshot *p)
{
	struct cc_snapshot there;
	char unused[400];

	return !cc_snapshot_get(s->log.store, s->log.volume, name, &there, unused, sizeof(unused)) &&
	       !memcmp(there.sha256, p->sha256, sizeof(there.sha256));
}

static int put_snapshot(struct cc_volume_state *s, const char *name, const char *object, char *err, size_t errlen)
{
	struct cc_snapshot p = { .term = s->log.last.map_term, .time = time(NULL) };
	char text[LINE_MAX_BYTES];
	enum cc_store_result res;

	memcpy(p.sha256, s->log.last.map, sizeof(p.sha256));
	res = cc_store_create(s->log.store, object, text, write_snapshot(&p, text), err, errlen);
	if (!res || (res == CC_STORE_EXISTS && snapshot_is_there(s, name, &p)))
		return 0;
	if (res != CC_STORE_EXISTS)
		return -EIO;
	snprintf(err, errlen, "there is a snapshot of that name");
	return -EEXIST;
}

/* Still ours, so no checkpoint but this one is the newest. */
static int check_newest(struct cc_volume_state *s, char *err, size_t errlen)
{
	int r;

	do {
		r = cc_volume_log_probe(&s->log, err, errlen);
	} while (r == -EAGAIN);
	return r;
}

static int check_free(struct cc_store *s, const char *object, char *err, size_t errlen)
{
	uint64_t size;
	enum cc_store_result res = cc_store_head(s, object, &size, err, errlen);

	if (res == CC_STORE_NOTFOUND)
		return 0;
	if (res)
		return -EIO;
	snprintf(err, errlen, "there is a snapshot of that name");
	return -EEXIST;
}

int cc_snapshot_create(struct cc_volume_state *s, const char *name, bool last, char *err, size_t errlen)
{
	char object[CC_OBJECT_NAME_MAX], unused[400];
	int r = snapshot_object(s->log.volume, name, object, err, errlen) ? -EINVAL : 0;

	if (!r)
		r = check_free(s->log.store, object, err, errlen);
	if (!r)
		r = make_checkpoint(s, last, err, errlen);
	if (r)
		return r;
	r = put_snapshot(s, name, object, err, errlen);
	if (r == -EEXIST)
		return r;
	if (!r)
		r = check_newest(s, err, errlen);
	if (r)
		cc_store_delete(s->log.store, object, unused, sizeof(unused));
	return r;
}

/* ---- reading one ---- */

int cc_snapshot_load(struct cc_volume_state *s, const struct cc_snapshot *snapshot, bool with_map, char *err,
		     size_t errlen)
{
	struct cc_checkpoint p = { .store = s->log.store, .parallel = s->log.parallel, .pieces = &s->pieces };
	struct cc_commit *last = &s->log.last;
	int r = cc_checkpoint_get_root(s->log.store, s->log.volume, snapshot->term, snapshot->sha256, &s->root, err,
				       errlen);

	if (r)
		return r;
	last->size = s->root.size;
	last->chunk_shift = s->root.chunk_shift;
	memcpy(last->base, s->root.base, sizeof(last->base));
	r = with_map ? cc_volume_state_open_map(s, last->size, err, errlen) : 0;
	if (r)
		return r;
	p.map = s->map;
	return cc_checkpoint_load(&p, &s->root, err, errlen);
}
