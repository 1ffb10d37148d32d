// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl up and down: the dm device of a disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "command.h"
#include "disk-config.h"
#include "dm.h"
#include "image-arg.h"
#include "store-opts.h"
#include "table.h"
#include "uuid.h"

#define SECTOR 512
#define PARAMS_MAX 1024
#define FEATURE_WORDS_MAX 16

struct up {
	const char *name;
	struct ctl_disk_config want;
	struct ctl_store_opts store_opts;	/* only store and config are used */
	char store[64];				/* name of the store, for the table line */
	uint8_t digest[CC_ID_SIZE];
	uint64_t size;				/* bytes */
	uint64_t chunk_size;			/* 0: not known */
	uint32_t pool_major, pool_minor;
};

static const char up_help[] =
	"The disk appears as /dev/mapper/NAME, read-only; the host's udev does not look\n"
	"for what is on it.  Without --image or --digest it is made of what\n"
	"/etc/chunkcache/disks/NAME.conf says.\n"
	"\n"
	"  --image N            image of the store\n"
	"  --digest sha256:D    manifest of the store, whatever its names mean today\n"
	"  --size SIZE          with --digest: the image's size, so that the store is\n"
	"                       not asked\n"
	"  --pool P             dm name of the pool\n"
	"  --store S            name of a [store] section of the pool's configuration;\n"
	"                       may be left out if there is just one\n"
	"  --config FILE        that configuration, default /etc/chunkcache/P.conf\n"
	"  --feature 'WORD...'  arguments for the table line, such as 'miss_timeout_ms\n"
	"                       5000'; may be repeated\n"
	"  --min-slots N        slots of the pool that no other disk can take\n"
	"  --pin                the same for all of the disk: what it has read stays\n"
	"  --from-config[=FILE] read FILE, default /etc/chunkcache/disks/NAME.conf\n"
	"\n"
	"A disk that is up already with the same pool, store and digest is fine.\n";

static const char down_help[] =
	"Refused while the disk is open.\n"
	"\n"
	"  --force              reads that wait for data fail first, and all reads from\n"
	"                       then on; the disk goes as soon as nobody has it open\n";

/* ---- up ---- */

static int find_pool(struct up *u)
{
	struct ctl_pool_status status;
	struct ctl_dm_device d;
	char chunk[CTL_SIZE_TEXT], slot[CTL_SIZE_TEXT];
	int r = ctl_dm_get(u->want.pool, CTL_DM_STATUS, &d);

	if (r) {
		ctl_err("pool %s: %s", u->want.pool,
			r == -ENXIO ? "no such device; see `chunkctl pool-up'" : ctl_dm_reason(r));
		return CTL_FAILED;
	}
	if (strcmp(d.type, CTL_TARGET_POOL)) {
		ctl_err("pool %s: is no pool (its target is %s)", u->want.pool,
			d.type[0] ? d.type : "none");
		r = CTL_FAILED;
	} else if (u->chunk_size && !ctl_pool_status_parse(d.params, &status) &&
		   status.slot_sectors * SECTOR != u->chunk_size) {
		ctl_err("pool %s: has slots of %s, the image has chunks of %s", u->want.pool,
			ctl_size_text(status.slot_sectors * SECTOR, slot),
			ctl_size_text(u->chunk_size, chunk));
		r = CTL_FAILED;
	}
	u->pool_major = d.major;
	u->pool_minor = d.minor;
	ctl_dm_free(&d);
	return r;
}

static int ask_store(struct up *u)
{
	const char *what = u->want.image ? u->want.image : u->want.digest;
	struct cc_manifest m = { 0 };
	struct ctl_store s;
	int r = ctl_store_open(&u->store_opts, &s);

	if (r)
		return r;
	if (strlen(s.name) >= sizeof(u->store)) {
		ctl_err("store %s: its name is too long for a table line", s.name);
		r = CTL_FAILED;
	} else {
		r = ctl_image_resolve(s.store, what, &m);
	}
	if (!r) {
		snprintf(u->store, sizeof(u->store), "%s", s.name);
		memcpy(u->digest, m.digest, sizeof(u->digest));
		u->size = m.image_size;
		u->chunk_size = 1ULL << m.chunk_shift;
		cc_manifest_free(&m);
	}
	ctl_store_close(&s);
	return r;
}

/* What the table line needs to know of image and store. */
static int resolve(struct up *u)
{
	static char config[256];

	if (!u->store_opts.config) {
		snprintf(config, sizeof(config), CC_CONFIG_DIR "/%s.conf", u->want.pool);
		u->store_opts.config = config;
	}
	u->store_opts.store = u->want.store;
	if (!u->want.digest || !u->want.size || !u->want.store)
		return ask_store(u);
	snprintf(u->store, sizeof(u->store), "%s", u->want.store);
	u->size = u->want.size;
	return cc_parse_digest(u->want.digest, u->digest) ? CTL_FAILED : 0;
}

/* All that the table line is to have, as words; NULL: no memory. */
static char *all_features(const struct ctl_disk_config *w)
{
	char slots[40] = "", *text;

	if (w->min_slots)
		snprintf(slots, sizeof(slots), " min_slots %" PRIu64, w->min_slots);
	if (asprintf(&text, "%s%s%s", w->features ? w->features : "", slots, w->pin ? " pin" : "") < 0)
		return NULL;
	return text;
}

/* Append " <#words> <words>" if there are any. */
static int add_features(const struct ctl_disk_config *want, char *params)
{
	char *copy = all_features(want), *word, *save = NULL;
	const char *words[FEATURE_WORDS_MAX];
	unsigned int i, n = 0;
	size_t used = strlen(params);

	if (!copy)
		return -ENOMEM;
	for (word = strtok_r(copy, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		if (n == FEATURE_WORDS_MAX) {
			free(copy);
			return -E2BIG;
		}
		words[n++] = word;
	}
	if (n)
		used += snprintf(params + used, PARAMS_MAX - used, " %u", n);
	for (i = 0; i < n && used < PARAMS_MAX; i++)
		used += snprintf(params + used, PARAMS_MAX - used, " %s", words[i]);
	free(copy);
	return used < PARAMS_MAX ? 0 : -E2BIG;
}

/* The name is taken: fine if it is this very disk. */
static int check_existing(const struct up *u, const struct ctl_dm_device *d, const char *hex)
{
	char pool[32], digest[80];
	struct ctl_disk_table t;

	if (strcmp(d->type, CTL_TARGET_DISK) || ctl_disk_table_parse(d->params, &t)) {
		ctl_err("%s: is a dm device of another kind (%s) already", u->name,
			d->type[0] ? d->type : "no table");
		return CTL_FAILED;
	}
	snprintf(pool, sizeof(pool), "%u:%u", u->pool_major, u->pool_minor);
	snprintf(digest, sizeof(digest), "sha256:%s", hex);
	if (!strcmp(t.digest, digest) && !strcmp(t.store, u->store) && !strcmp(t.pool, pool)) {
		ctl_note("%s: is up already", u->name);
		return CTL_OK;
	}
	ctl_err("%s: is up already as another disk (%s of store %s on pool %s)", u->name, t.digest,
		t.store, t.pool);
	return CTL_FAILED;
}

/* As `chunkctl format' does, which may be long ago. */
static void warn_of_image_blocks(const struct up *u)
{
	char path[32 + CTL_DM_NAME_MAX];
	int fd, size = 0;

	snprintf(path, sizeof(path), "/dev/mapper/%s", u->want.pool);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!ioctl(fd, BLKSSZGET, &size) && size > SECTOR)
		ctl_note("%s: has logical blocks of %d bytes, as the cache device has: an image made with "
			 "512-byte sectors needs care, see dm-chunkcache(7)", u->name, size);
	close(fd);
}

/* A disk's UUID means nothing but that it is one of ours. */
static int make_device(const struct up *u, const char *params)
{
	uint8_t id[16];
	int r = cc_uuid_random(id);

	return r ? r : ctl_dm_create(u->name, "DISK", id, true, u->size / SECTOR, CTL_TARGET_DISK,
				     params);
}

static int create_disk(struct up *u)
{
	char params[PARAMS_MAX], hex[2 * CC_ID_SIZE + 1];
	struct ctl_dm_device d;
	int r;

	cc_id_to_hex(u->digest, hex);
	snprintf(params, sizeof(params), "/dev/mapper/%s %s sha256:%s", u->want.pool, u->store,
		 hex);
	r = add_features(&u->want, params);
	if (r) {
		ctl_err("features: %s", strerror(-r));
		return CTL_FAILED;
	}
	r = ctl_dm_get(u->name, CTL_DM_TABLE, &d);
	if (!r) {
		r = check_existing(u, &d, hex);
		ctl_dm_free(&d);
		return r;
	}
	if (r == -ENXIO)
		r = make_device(u, params);
	if (!r) {
		warn_of_image_blocks(u);
		return CTL_OK;
	}
	ctl_err("%s: %s", u->name, ctl_dm_reason(r));
	return CTL_FAILED;
}

static int check_wanted(const struct up *u)
{
	const struct ctl_disk_config *w = &u->want;
	uint8_t digest[CC_ID_SIZE];

	if (!w->pool)
		return ctl_usage("%s: which pool? expected --pool, or pool= in its file", u->name);
	if (!ctl_dm_name_ok(w->pool))
		return ctl_usage("pool '%s': expected a name of [a-zA-Z0-9._-]", w->pool);
	if (!w->image == !w->digest)
		return ctl_usage("%s: expected either an image or a digest", u->name);
	if (w->digest && cc_parse_digest(w->digest, digest))
		return ctl_usage("digest '%s': expected sha256: and 64 lower-case hex digits",
				 w->digest);
	if (w->size && (!w->digest || w->size % SECTOR))
		return ctl_usage("size: expected a multiple of 512, and with a digest only");
	if (w->pin && w->min_slots)
		return ctl_usage("%s: expected either --pin or --min-slots", u->name);
	if (w->store && (strlen(w->store) >= sizeof(u->store) || !ctl_dm_name_ok(w->store)))
		return ctl_usage("store '%s': expected the name of a [store] section", w->store);
	return 0;
}

static int up(struct up *u)
{
	int r = check_wanted(u);

	if (!r)
		r = resolve(u);
	if (!r)
		r = find_pool(u);
	return r ? r : create_disk(u);
}

static int set(char **to, const char *from)
{
	char *copy = strdup(from);

	if (!copy) {
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	free(*to);
	*to = copy;
	return 0;
}

/* --feature: one more at the end. */
static int append(char **to, const char *from)
{
	char *joined;
	int r;

	if (!*to)
		return set(to, from);
	if (asprintf(&joined, "%s %s", *to, from) < 0) {
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	r = set(to, joined);
	free(joined);
	return r;
}

static int parse_up_option(struct up *u, int c, char **argv)
{
	switch (c) {
	case 'i':
		return set(&u->want.image, optarg);
	case 'd':
		return set(&u->want.digest, optarg);
	case 'p':
		return set(&u->want.pool, optarg);
	case CTL_OPT_STORE:
		return set(&u->want.store, optarg);
	case CTL_OPT_CONFIG:
		u->store_opts.config = optarg;
		return 0;
	case 'f':
		return append(&u->want.features, optarg);
	case 's':
		return ctl_parse_size("--size", optarg, &u->want.size);
	case 'm':
		return ctl_parse_number("--min-slots", optarg, 1, CTL_MIN_SLOTS_MAX, &u->want.min_slots);
	case 'P':
		u->want.pin = true;
		return 0;
	}
	return ctl_bad_option(c, argv);
}

static int load_disk_config(struct up *u, const char *file)
{
	char path[256], err[256] = "";

	if (u->want.pool || u->want.store || u->want.image || u->want.digest || u->want.size ||
	    u->want.features || u->want.min_slots || u->want.pin)
		return ctl_usage("--image or --digest is needed; without, and with --from-config, "
				 "nothing but --config may be given");
	if (!file) {
		snprintf(path, sizeof(path), CTL_DISK_CONFIG_DIR "/%s.conf", u->name);
		file = path;
	}
	if (!ctl_disk_config_load(file, &u->want, err, sizeof(err)))
		return 0;
	ctl_err("%s", err);
	return CTL_FAILED;
}

static int run_up(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "image", required_argument, NULL, 'i' },
		{ "digest", required_argument, NULL, 'd' },
		{ "size", required_argument, NULL, 's' },
		{ "pool", required_argument, NULL, 'p' },
		{ "store", required_argument, NULL, CTL_OPT_STORE },
		{ "config", required_argument, NULL, CTL_OPT_CONFIG },
		{ "feature", required_argument, NULL, 'f' },
		{ "min-slots", required_argument, NULL, 'm' },
		{ "pin", no_argument, NULL, 'P' },
		{ "from-config", optional_argument, NULL, 'F' },
		{ 0 }
	};
	const char *file = NULL;
	bool from_config = false;
	struct up u = { 0 };
	int c, r = 0;

	while (!r && (c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP) {
			ctl_disk_config_free(&u.want);
			return ctl_help(cmd);
		}
		if (c == 'F') {
			from_config = true;
			file = optarg;
		} else {
			r = parse_up_option(&u, c, argv);
		}
	}
	if (!r)
		r = ctl_name_operand(argc, argv, 1, "one NAME");
	if (!r) {
		u.name = argv[optind];
		if (from_config || (!u.want.image && !u.want.digest))
			r = load_disk_config(&u, file);
	}
	if (!r)
		r = up(&u);
	ctl_disk_config_free(&u.want);
	return r;
}

/* ---- down ---- */

static int down(const char *name, bool force)
{
	struct ctl_dm_device d;
	int r = ctl_dm_get(name, CTL_DM_TABLE, &d);

	if (r) {
		ctl_err("%s: %s", name, r == -ENXIO ? "no such disk" : ctl_dm_reason(r));
		return CTL_FAILED;
	}
	/* An error table is what an earlier --force has left. */
	if (strcmp(d.type, CTL_TARGET_DISK) && !(force && !strcmp(d.type, "error"))) {
		ctl_err("%s: is no disk of ours (its target is %s)%s", name,
			d.type[0] ? d.type : "none",
			strcmp(d.type, "error") ? "" : "; --force removes what --force left");
		ctl_dm_free(&d);
		return CTL_FAILED;
	}
	r = force ? ctl_dm_wipe(name) : 0;
	if (!r)
		r = ctl_dm_remove(name);
	if (r == -EBUSY && force)
		ctl_err("%s: is still open; its reads fail from now on. Again when it is closed",
			name);
	else if (r == -EBUSY)
		ctl_err("%s: is open (mounted, or part of another device)", name);
	else if (r)
		ctl_err("%s: %s", name, ctl_dm_reason(r));
	ctl_dm_free(&d);
	return r ? CTL_FAILED : CTL_OK;
}

static int run_down(const struct ctl_command *cmd, int argc, char **argv)
{
	return ctl_run_remove(cmd, argc, argv, "one NAME", down);
}

const struct ctl_command ctl_cmd_up = {
	.name = "up",
	.synopsis = "NAME [--image N|--digest sha256:D --pool P [OPTION]...]",
	.summary = "Make a disk",
	.help = up_help,
	.run = run_up,
};

const struct ctl_command ctl_cmd_down = {
	.name = "down",
	.synopsis = "NAME [--force]",
	.summary = "Remove a disk",
	.help = down_help,
	.run = run_down,
};
