// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl volume create, resize and rm: what changes a volume that nobody has open.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image-arg.h"
#include "store/store-proof.h"
#include "uuid.h"
#include "volume-arg.h"
#include "volume/volume-clone.h"
#include "volume/volume-name.h"
#include "volume/volume-snapshot.h"

#define DELETE_MAX 1000			/* names of objects kept at a time */

/* ---- create ---- */

static const char create_help[] =
	"The volume is in the store at once; `chunkctl volume show' has its UUID, for the\n"
	"table line of a device.  What a guest never wrote reads as the image has it, or\n"
	"as zeros.\n"
	"\n"
	"A store in which an object can't be created only if there is none yet is found\n"
	"out, and refused: nothing else keeps two hosts from writing to one volume.\n"
	"\n"
	"With --from it begins as what another volume was: that takes no time and no room,\n"
	"whatever the size, and stays whatever becomes of the other one.\n"
	"\n"
	"  --from VOLUME@SNAP   a snapshot; size, image and log chunks are those of it\n"
	"  --size SIZE          of the volume, a multiple of 4K; default the image's\n"
	"  --image I            name or sha256:DIGEST of what is below it\n"
	"  --chunk-size SIZE    slot size of the pools that it is to run on, default the\n"
	"                       image's, or 1M\n"
	"  --json               print the volume's name, UUID and sizes as JSON, not its UUID\n"
	"\n"
	CTL_STORE_HELP;

struct create {
	const char *name;
	struct ctl_volume_args args;
	struct ctl_store store;
	uint8_t uuid[16];
	struct cc_commit first;
};

static int take_volume_image(struct create *c)
{
	struct cc_manifest m;
	int r;

	if (!c->args.image)
		return 0;
	r = ctl_image_resolve(c->store.store, c->args.image, &m);
	if (r)
		return r;
	memcpy(c->first.base, m.digest, sizeof(c->first.base));
	if (!c->args.size)
		c->args.size = (m.image_size + CC_BLOCK_SIZE - 1) / CC_BLOCK_SIZE * CC_BLOCK_SIZE;
	if (c->args.chunk_shift && c->args.chunk_shift != m.chunk_shift)
		r = ctl_usage("--chunk-size: expected what the image has, %u", 1u << m.chunk_shift);
	else if (c->args.size < m.image_size)
		r = ctl_usage("--size: expected at least the image's, %llu bytes", (unsigned long long)m.image_size);
	c->args.chunk_shift = m.chunk_shift;
	cc_manifest_free(&m);
	return r;
}

static int check_volume_size(struct create *c)
{
	if (!c->args.size)
		return ctl_usage("%s: how large? expected --size or --image", c->name);
	if (c->args.size % CC_BLOCK_SIZE || c->args.size > CC_IMAGE_SIZE_MAX)
		return ctl_usage("--size: expected a multiple of 4096 bytes, at most %llu",
				 (unsigned long long)CC_IMAGE_SIZE_MAX);
	c->first.size = c->args.size;
	c->first.chunk_shift = c->args.chunk_shift ? c->args.chunk_shift : CC_CHUNK_SHIFT_DEFAULT;
	return 0;
}

static int prove_store(struct create *c)
{
	char name[CC_OBJECT_NAME_MAX], err[600] = "";

	cc_volume_prefix(c->uuid, name);
	strcat(name, "probe");
	if (!cc_store_prove_create(c->store.store, name, err, sizeof(err)))
		return 0;
	ctl_err("%s: %s", c->name, err);
	return CTL_FAILED;
}

static int print_created(const struct create *c)
{
	char uuid[CC_UUID_TEXT];

	cc_uuid_text(c->uuid, uuid);
	if (c->args.json)
		return ctl_print_json(json_pack("{s:s, s:s, s:I, s:I}", "name", c->name, "uuid", uuid,
						"bytes", (json_int_t)c->first.size,
						"chunk_bytes", (json_int_t)1 << c->first.chunk_shift));
	printf("%s\n", uuid);
	return CTL_OK;
}

static int check_name_is_free(const struct create *c)
{
	uint8_t other[16];
	char err[400] = "";
	enum cc_store_result res = cc_volume_uuid(c->store.store, c->name, other, err, sizeof(err));

	if (res == CC_STORE_NOTFOUND)
		return 0;
	ctl_err("%s: %s", c->name, res ? err : "there is a volume of that name");
	return CTL_FAILED;
}

static int make_volume(struct create *c)
{
	char err[400] = "";
	int r = check_name_is_free(c);

	if (!r)
		r = prove_store(c);
	if (r)
		return r;
	r = cc_volume_log_create(c->store.store, c->uuid, &c->first, err, sizeof(err));
	if (r)
		return ctl_volume_failed(c->name, r, err);
	if (cc_volume_put_name(c->store.store, c->name, c->uuid, err, sizeof(err))) {
		ctl_err("%s: %s", c->name, err);
		return CTL_FAILED;
	}
	return print_created(c);
}

/* ---- --from ---- */

static int check_from(const struct create *c)
{
	if (c->args.image || c->args.size || c->args.chunk_shift)
		return ctl_usage("--from: size, image and chunk size are the snapshot's: expected none of these");
	return strchr(c->args.from, '@') ? 0 : ctl_usage("--from: expected VOLUME@SNAPSHOT, got '%s'", c->args.from);
}

/* parent is an open volume's, and stays. */
static int clone_volume(struct create *c, const struct ctl_volume *parent)
{
	char err[400] = "", host[CC_VOLUME_HOST_MAX + 1] = "";
	uint8_t self[16];
	struct cc_clone clone = {
		.store = c->store.store, .parent = parent->uuid, .uuid = c->uuid, .self = self, .host = host,
		.snapshot = strchr(c->args.from, '@') + 1, .name = c->name,
	};
	int r = cc_uuid_random(self);

	gethostname(host, sizeof(host) - 1);
	if (!r)
		r = cc_volume_clone(&clone, err, sizeof(err));
	c->first.size = clone.size;
	c->first.chunk_shift = clone.chunk_shift;
	return r ? ctl_volume_failed(c->args.from, r, err) : print_created(c);
}

static int make_clone(struct create *c)
{
	char *volume = strndup(c->args.from, strchr(c->args.from, '@') - c->args.from);
	struct ctl_volume parent = { 0 };
	int r = check_name_is_free(c);

	if (!r && !volume)
		r = ctl_volume_failed(c->args.from, -ENOMEM, "");
	if (!r)
		r = ctl_volume_find(&c->args.opts, volume, &parent);
	if (!r)
		r = clone_volume(c, &parent);
	ctl_volume_close(&parent);
	free(volume);
	return r;
}

static int run_volume_create(const struct ctl_command *cmd, int argc, char **argv)
{
	struct create c = { 0 };
	char object[CC_OBJECT_NAME_MAX];
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "iscjo", &c.args, &r))
		return r;
	r = ctl_operands(argc, 1, "one NAME");
	if (r)
		return r;
	c.name = argv[optind];
	if (cc_volume_name(c.name, object))
		return ctl_usage("'%s': expected a name of 1 to %d of [a-zA-Z0-9._-]", c.name, CC_IMAGE_NAME_MAX);
	if (cc_uuid_random(c.uuid)) {
		ctl_err("there are no random numbers");
		return CTL_FAILED;
	}
	r = c.args.from ? check_from(&c) : 0;
	if (!r)
		r = ctl_store_open(&c.args.opts, &c.store);
	if (!r && !c.args.from)
		r = take_volume_image(&c);
	if (!r && !c.args.from)
		r = check_volume_size(&c);
	if (!r)
		r = c.args.from ? make_clone(&c) : make_volume(&c);
	ctl_store_close(&c.store);
	return ctl_finish(r);
}

const struct ctl_command ctl_volume_create = {
	.name = "volume create",
	.synopsis = "NAME [--image I] [--size SIZE] | NAME --from VOLUME@SNAPSHOT --store S [OPTION]...",
	.summary = "Make a volume, empty, on an image, or from a snapshot",
	.help = create_help,
	.run = run_volume_create,
};

/* ---- resize ---- */

static const char resize_help[] =
	"Volumes grow only, and while nobody has them open; a device of it that is made\n"
	"then has the new size.\n"
	"\n"
	"  --size SIZE          of the volume from now on\n"
	"  --json               print its name and size as JSON\n"
	"\n"
	CTL_STORE_HELP;

static int append_resize(struct cc_volume_log *log, uint64_t size, char *err, size_t errlen)
{
	struct cc_commit resize = { .type = CC_COMMIT_RESIZE, .size = size }, close = { .type = CC_COMMIT_CLOSE };
	int r = cc_volume_log_take(log, err, errlen);

	if (!r)
		r = cc_volume_log_append(log, &resize, NULL, 0, err, errlen);
	if (!r)
		r = cc_volume_log_append(log, &close, NULL, 0, err, errlen);
	return r;
}

static int resize_volume(struct ctl_volume *v, const char *name, uint64_t size)
{
	const struct cc_commit *last = &v->state.log.last;
	char err[400] = "";
	int r = ctl_volume_check_closed(v, name);

	if (r)
		return r;
	if (size % CC_BLOCK_SIZE || size < last->size || size > CC_IMAGE_SIZE_MAX)
		return ctl_usage("--size: expected a multiple of 4096 bytes, at least %llu, as now",
				 (unsigned long long)last->size);
	if (size == last->size)
		return 0;
	r = append_resize(&v->state.log, size, err, sizeof(err));
	if (r == -EAGAIN || r == -ESTALE) {
		ctl_err("%s: somebody has opened it just now", name);
		return CTL_FAILED;
	}
	return r ? ctl_volume_failed(name, r, err) : 0;
}

static int run_volume_resize(const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_volume_args a = { 0 };
	struct ctl_volume v;
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "sj", &a, &r))
		return r;
	r = ctl_operands(argc, 1, "one NAME");
	if (r)
		return r;
	if (!a.size)
		return ctl_usage("%s: how large? expected --size", argv[optind]);
	r = ctl_volume_open(&a.opts, argv[optind], &v);
	if (!r)
		r = resize_volume(&v, argv[optind], a.size);
	if (!r && a.json)
		r = ctl_print_json(json_pack("{s:s, s:I}", "name", argv[optind], "bytes", (json_int_t)a.size));
	ctl_volume_close(&v);
	return ctl_finish(r);
}

const struct ctl_command ctl_volume_resize = {
	.name = "volume resize",
	.synopsis = "NAME --size SIZE --store S [OPTION]...",
	.summary = "Make a volume larger",
	.help = resize_help,
	.run = run_volume_resize,
};

/* ---- rm ---- */

static const char rm_help[] =
	"Deletes the name, then all objects of the volume.  What was written is gone, but\n"
	"what clones have of it: if there were ever any, gc has to find out what goes.\n"
	"Refused while somebody has it open, and if it has snapshots.\n"
	"\n"
	"  --force              whoever has it open, also its snapshots, or if its log is\n"
	"                       damaged\n"
	"  --json               print what was deleted, name and UUID, as JSON\n"
	"\n"
	CTL_STORE_HELP;

struct names {
	char *all[DELETE_MAX];
	size_t nr;
};

static int keep_name(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	struct names *n = arg;

	n->all[n->nr] = strdup(name);
	if (n->all[n->nr])
		n->nr++;
	return n->nr == DELETE_MAX;
}

/* Some at a time, the listing anew, until there are none. */
static int delete_objects(struct cc_store *s, const char *prefix)
{
	char err[400] = "";
	enum cc_store_result res;
	struct names *n = calloc(1, sizeof(*n));
	size_t found;

	if (!n) {
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	do {
		n->nr = 0;
		res = cc_store_list(s, prefix, keep_name, n, err, sizeof(err));
		found = res ? 0 : n->nr;
		for (size_t i = 0; i < n->nr; i++) {
			if (!res)
				res = cc_store_delete(s, n->all[i], err, sizeof(err));
			if (res == CC_STORE_NOTFOUND)
				res = CC_STORE_OK;
			free(n->all[i]);
		}
	} while (!res && found);
	free(n);
	if (!res)
		return 0;
	ctl_err("%s", err);
	return CTL_FAILED;
}

static int count_snapshot(void *arg, const char *name)
{
	++*(unsigned int *)arg;
	return 0;
}

static int check_no_snapshots(const struct ctl_volume *v, const char *name)
{
	unsigned int nr = 0;
	char err[400] = "";

	if (cc_snapshot_each(v->store.store, v->uuid, count_snapshot, &nr, err, sizeof(err)))
		return ctl_volume_failed(name, -EIO, err);
	if (!nr)
		return 0;
	ctl_err("%s: has %u snapshot%s: `chunkctl snapshot list %s'; --force deletes them, too", name, nr, nr == 1 ? "" : "s",
		name);
	return CTL_FAILED;
}

/* Those that are being made look for their snapshot last: so the mark of one that has found it is there. */
static int count_clones(const struct ctl_volume *v, const char *name, unsigned int *ret_nr)
{
	struct names n = { .nr = 0 };
	char prefix[CC_OBJECT_NAME_MAX], err[400] = "";
	int r;

	cc_snapshot_prefix(v->uuid, prefix);
	r = delete_objects(v->store.store, prefix);
	if (r)
		return r;
	cc_clone_prefix(v->uuid, prefix);
	if (cc_store_list(v->store.store, prefix, keep_name, &n, err, sizeof(err)))
		r = ctl_volume_failed(name, -EIO, err);
	for (*ret_nr = 0; *ret_nr < n.nr; ++*ret_nr)
		free(n.all[*ret_nr]);
	return r;
}

static int remove_volume(struct ctl_volume *v, const char *name)
{
	char object[CC_OBJECT_NAME_MAX], err[400] = "";
	enum cc_store_result res;
	unsigned int clones;
	uint8_t uuid[16];
	int r;

	if (cc_uuid_parse(name, uuid) && !cc_volume_name(name, object) &&
	    cc_store_delete(v->store.store, object, err, sizeof(err))) {
		ctl_err("%s: %s", name, err);
		return CTL_FAILED;
	}
	r = count_clones(v, name, &clones);
	if (r)
		return r;
	if (clones) {
		ctl_note("%s: what its clones do not need is left to `chunkctl gc'", name);
		return 0;
	}
	/* Where its log begins, so that nobody takes what is left for one that is damaged. */
	cc_commit_name(v->uuid, v->state.log.floor.index ? v->state.log.floor.number : 1, object);
	res = cc_store_delete(v->store.store, object, err, sizeof(err));
	if (res && res != CC_STORE_NOTFOUND) {
		ctl_err("%s: %s", name, err);
		return CTL_FAILED;
	}
	cc_volume_prefix(v->uuid, object);
	return delete_objects(v->store.store, object);
}

static int run_volume_rm(const struct ctl_command *cmd, int argc, char **argv)
{
	static const uint8_t unknown[16];
	char uuid[CC_UUID_TEXT];
	struct ctl_volume_args a = { 0 };
	struct ctl_volume v;
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "fj", &a, &r))
		return r;
	r = ctl_operands(argc, 1, "one NAME");
	if (r)
		return r;
	r = ctl_volume_open(&a.opts, argv[optind], &v);
	if (!r && !a.force)
		r = ctl_volume_check_closed(&v, argv[optind]);
	if (!r && !a.force)
		r = check_no_snapshots(&v, argv[optind]);
	if (r && a.force && memcmp(v.uuid, unknown, sizeof(unknown)))
		r = 0;
	if (!r)
		r = remove_volume(&v, argv[optind]);
	if (!r && a.json) {
		cc_uuid_text(v.uuid, uuid);
		r = ctl_print_json(json_pack("{s:s, s:s}", "name", argv[optind], "uuid", uuid));
	}
	ctl_volume_close(&v);
	return ctl_finish(r);
}

const struct ctl_command ctl_volume_rm = {
	.name = "volume rm",
	.synopsis = "NAME --store S [OPTION]...",
	.summary = "Delete a volume and all that it is made of",
	.help = rm_help,
	.run = run_volume_rm,
};
