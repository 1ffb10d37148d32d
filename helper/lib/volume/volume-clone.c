// SPDX-License-Identifier: GPL-2.0-or-later
/* Clones of volumes; see volume-clone.h. */
#include "volume-clone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uuid.h"
#include "volume-name.h"

static int find_snapshot(const struct cc_clone *c, struct cc_snapshot *ret, char *err, size_t errlen)
{
	enum cc_store_result res = cc_snapshot_get(c->store, c->parent, c->snapshot, ret, err, errlen);

	if (res == CC_STORE_NOTFOUND)
		snprintf(err, errlen, "there is no snapshot %s", c->snapshot);
	return res ? cc_store_errno(res) : 0;
}

static int put_marker(const struct cc_clone *c, char *err, size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX], text[CC_UUID_TEXT + 1];

	cc_clone_name(c->parent, c->uuid, name);
	cc_uuid_text(c->uuid, text);
	strcat(text, "\n");
	return cc_store_put(c->store, name, text, strlen(text), err, errlen) ? -EIO : 0;
}

/* What root has is of the parent's up to its term, but what that one has inherited itself. */
static int inherit(struct cc_root *root, const uint8_t parent[16])
{
	struct cc_origin *origins = reallocarray(root->origins, root->nr_origins + 1, sizeof(*origins));

	if (!origins)
		return -ENOMEM;
	memcpy(origins[root->nr_origins].volume, parent, sizeof(origins->volume));
	origins[root->nr_origins].term = root->term;
	root->origins = origins;
	root->nr_origins++;
	return root->nr_origins > CC_ORIGINS_MAX ? -ENOSPC : 0;
}

/* Terms go on where those of the parent end, so that no place comes twice. */
static int create_log(struct cc_clone *c, const struct cc_root *root, char *err, size_t errlen)
{
	struct cc_commit first = { .size = root->size, .chunk_shift = root->chunk_shift, .term = root->term + 1 };

	if (root->term >= CC_LOG_TERM_MAX - 2) {
		snprintf(err, errlen, "it was opened %u times, as often as it can be", root->term);
		return -ENOSPC;
	}
	c->size = root->size;
	c->chunk_shift = root->chunk_shift;
	memcpy(first.base, root->base, sizeof(first.base));
	return cc_volume_log_create(c->store, c->uuid, &first, err, errlen);
}

/* s->root is the parent's, with it as an origin: as if that had been the checkpoint before, without a change since. */
static int write_log(struct cc_volume_state *s, char *err, size_t errlen)
{
	struct cc_commit close = { .type = CC_COMMIT_CLOSE };
	int r = cc_volume_log_read(&s->log, err, errlen);

	if (!r)
		r = cc_volume_log_take(&s->log, err, errlen);
	if (!r)
		r = cc_volume_state_checkpoint(s, true, err, errlen);
	return r ? r : cc_volume_log_append(&s->log, &close, NULL, 0, err, errlen);
}

static int check_snapshot(const struct cc_clone *c, const struct cc_snapshot *was, char *err, size_t errlen)
{
	struct cc_snapshot now;
	int r = find_snapshot(c, &now, err, errlen);

	if (r || !memcmp(now.sha256, was->sha256, sizeof(now.sha256)))
		return r;
	snprintf(err, errlen, "snapshot %s is another one by now", c->snapshot);
	return -ENOENT;
}

static int put_clone_name(const struct cc_clone *c, char *err, size_t errlen)
{
	enum cc_store_result res = cc_volume_put_name(c->store, c->name, c->uuid, err, errlen);

	return !res ? 0 : res == CC_STORE_EXISTS ? -EEXIST : -EIO;
}

int cc_volume_clone(struct cc_clone *c, char *err, size_t errlen)
{
	struct cc_volume_state s;
	struct cc_snapshot snapshot;
	int r = find_snapshot(c, &snapshot, err, errlen);

	if (r)
		return r;
	cc_volume_state_init(&s, c->store, c->uuid, c->self, c->host);
	r = cc_checkpoint_get_root(c->store, c->parent, snapshot.term, snapshot.sha256, &s.root, err, errlen);
	if (!r)
		r = put_marker(c, err, errlen);
	if (!r)
		r = create_log(c, &s.root, err, errlen);
	if (!r) {
		r = inherit(&s.root, c->parent);
		if (r)
			snprintf(err, errlen, "%s", r == -ENOMEM ? "out of memory" : "it has inherited from too many");
	}
	if (!r)
		r = write_log(&s, err, errlen);
	if (!r)
		r = check_snapshot(c, &snapshot, err, errlen);
	cc_volume_state_free(&s);
	return r ? r : put_clone_name(c, err, errlen);
}
