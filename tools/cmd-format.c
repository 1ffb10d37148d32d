// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl format: make a device a pool.  Refuses what is in use or holds something; the
 * superblocks are written last, so that an interrupted format leaves no pool at all.  The other thing that
 * it does, --upgrade, is in format-upgrade.c.
 */
#include <blkid/blkid.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/blkzoned.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "format-upgrade.h"
#include "journal-read.h"
#include "tail.h"
#include "uuid.h"

struct format {
	const char *path;
	uint32_t slot_shift;
	uint64_t manifest_bytes;	/* 0: the default for the size */
	uint64_t max_bytes;		/* the same */
	uint64_t dirty_bytes;		/* the same */
	bool journal, upgrade;
	bool force, discard, json, have_uuid;
	uint8_t uuid[16];
	const char *for_new;		/* an option that only a new pool can have */
	int fd;
	bool is_block;
	uint64_t device_bytes;
	struct cc_pool_geometry geometry;
};

static const char help[] =
	"DEVICE becomes a pool: a block device, or a regular file of its final size.\n"
	"What it held before is lost.  A device in use is refused, always; one with a\n"
	"known file system, partition table or other signature, or with a pool, unless\n"
	"forced.\n"
	"\n"
	"  --slot-size SIZE     power of two from 64K to 16M, default 1M; the chunk size\n"
	"                       of the images that this pool shall cache\n"
	"  --manifest-area SIZE room for manifests of images, default by the device's\n"
	"                       size\n"
	"  --max-size SIZE      the size that the pool can grow to, default four times\n"
	"                       the device's; each slot of it costs 64 bytes\n"
	"  --dirty-max SIZE     how much volumes may have written that no store has yet,\n"
	"                       default an eighth of the slots; the journal has room for\n"
	"                       twice what that can take, 3 % of it\n"
	"  --no-journal         make none: the pool takes no volumes\n"
	"  --upgrade            give a pool that has no journal one.  The pool is not up.\n"
	"                       What is cached stays, but in the slots that it takes\n"
	"  --uuid UUID          instead of a random one\n"
	"  --no-discard         leave the slots' old content where it is\n"
	"  --force              overwrite signatures\n"
	"  --json               print the geometry as JSON\n";

static int open_device(struct format *f)
{
	struct stat st;

	if (stat(f->path, &st)) {
		ctl_err("%s: %s", f->path, strerror(errno));
		return CTL_FAILED;
	}
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		ctl_err("%s: expected a block device or a regular file", f->path);
		return CTL_FAILED;
	}
	f->is_block = S_ISBLK(st.st_mode);
	f->fd = open(f->path, O_RDWR | O_CLOEXEC | (f->is_block ? O_EXCL : 0));
	if (f->fd >= 0)
		return 0;
	if (errno == EBUSY)
		ctl_err("%s: is in use (mounted, or part of another device)", f->path);
	else
		ctl_err("%s: %s", f->path, strerror(errno));
	return CTL_FAILED;
}

/* A guest's partitions are found only if the disk has blocks of the size that the image was made with. */
static void warn_of_blocks(const struct format *f)
{
	int size = 0;

	if (f->is_block && !ioctl(f->fd, BLKSSZGET, &size) && size > 512)
		ctl_note("%s: has logical blocks of %d bytes, and so will its disks: images made with 512-byte "
			 "sectors need care, see dm-chunkcache(7)", f->path, size);
}

/* ---- what is on the device ---- */

/* Not even --force makes a pool of it. */
static int refuse_zoned(const struct format *f)
{
	uint32_t zone_sectors = 0;

	if (!f->is_block || ioctl(f->fd, BLKGETZONESZ, &zone_sectors) || !zone_sectors)
		return 0;
	ctl_err("%s: is a zoned device; expected one whose blocks can be written in any order", f->path);
	return CTL_FAILED;
}

/* What volumes have there that no store has, as part of a sentence; "" if there is nothing. */
static void describe_dirty(const struct format *f, const struct cc_pool_geometry *old, char *text, size_t size)
{
	char err[256] = "", bytes[CTL_SIZE_TEXT];
	struct ctl_journal j;
	struct ctl_dirty d;

	text[0] = 0;
	if (!old->journal_size)
		return;
	if (ctl_journal_read(f->fd, old, &j, err, sizeof(err))) {
		snprintf(text, size, "what its volumes had not committed yet, of which nobody knows how much it is (%s)",
			 err);
		return;
	}
	d = ctl_journal_dirty(&j);
	if (d.nr_volumes)
		snprintf(text, size, "%s of %" PRIu64 " volume%s that no store has", ctl_size_text(d.bytes, bytes),
			 d.nr_volumes, d.nr_volumes == 1 ? "" : "s");
	ctl_journal_free(&j);
}

static void refuse_good_pool(const struct format *f, const struct cc_pool_geometry *old, const char *dirty)
{
	char uuid[CC_UUID_TEXT];

	cc_uuid_text(old->uuid, uuid);
	if (*dirty)
		ctl_err("%s: is a pool already (uuid %s), and has %s; --force formats it anew, and that is lost for ever",
			f->path, uuid, dirty);
	else
		ctl_err("%s: is a pool already (uuid %s); --force formats it anew", f->path, uuid);
}

static int refuse_pool(const struct format *f)
{
	struct cc_pool_geometry old;
	char err[200] = "", dirty[400] = "";
	int r = cc_superblock_read(f->fd, &old, err, sizeof(err));

	if (!r)
		describe_dirty(f, &old, dirty, sizeof(dirty));
	if (f->force && *dirty)
		ctl_note("%s: lost: %s", f->path, dirty);
	if (r == -ENODATA || f->force)
		return 0;
	if (!r)
		refuse_good_pool(f, &old, dirty);
	else if (r == -EILSEQ || r == -EPROTO || r == -EINVAL)
		ctl_err("%s: looks like a pool (%s); --force formats it anew", f->path, err);
	else
		ctl_err("%s: %s", f->path, err[0] ? err : strerror(-r));
	return CTL_FAILED;
}

static const char *probe_value(blkid_probe pr, const char *name)
{
	const char *value;

	return blkid_probe_lookup_value(pr, name, &value, NULL) ? NULL : value;
}

static int refuse_signature(const struct format *f, blkid_probe pr)
{
	int r = blkid_do_safeprobe(pr);
	const char *what;

	if (r == 1 || f->force)
		return 0;
	if (r == -2) {
		ctl_err("%s: has several signatures that contradict each other; --force "
			"overwrites them", f->path);
		return CTL_FAILED;
	}
	if (r) {
		ctl_err("%s: looking for signatures: %s", f->path, strerror(errno ? errno : EIO));
		return CTL_FAILED;
	}
	what = probe_value(pr, "TYPE");
	if (what)
		ctl_err("%s: has a signature of type %s; --force overwrites it", f->path, what);
	else
		ctl_err("%s: has a partition table of type %s; --force overwrites it", f->path,
			(what = probe_value(pr, "PTTYPE")) ? what : "unknown");
	return CTL_FAILED;
}

static int wipe_signatures(const struct format *f, blkid_probe pr)
{
	blkid_reset_probe(pr);
	while (!blkid_do_probe(pr))
		if (blkid_do_wipe(pr, 0)) {
			ctl_err("%s: removing a signature: %s", f->path, strerror(errno));
			return CTL_FAILED;
		}
	return 0;
}

static int with_probe(const struct format *f, int (*fn)(const struct format *f, blkid_probe pr))
{
	blkid_probe pr = blkid_new_probe();
	int r = CTL_FAILED;

	if (!pr || blkid_probe_set_device(pr, f->fd, 0, 0)) {
		ctl_err("%s: cannot look for signatures", f->path);
		goto out;
	}
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_MAGIC);
	blkid_probe_enable_partitions(pr, 1);
	blkid_probe_set_partitions_flags(pr, BLKID_PARTS_MAGIC);
	errno = 0;
	r = fn(f, pr);
out:
	blkid_free_probe(pr);
	return r;
}

/* ---- writing ---- */

/* Only a favour to the device below; nothing depends on it. */
static void discard_slots(const struct format *f)
{
	const struct cc_pool_geometry *g = &f->geometry;
	uint64_t range[2] = { g->slots_offset, g->nr_slots << g->slot_shift };

	if (!f->discard)
		return;
	if (f->is_block)
		ioctl(f->fd, BLKDISCARD, range);
	else
		fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, range[0], range[1]);
}

static int write_pool(const struct format *f)
{
	const struct cc_pool_geometry *g = &f->geometry;
	int r;

	r = ctl_zero_range(f->fd, 0, CC_HEAD_SIZE);
	if (!r && g->journal_size)
		r = ctl_zero_range(f->fd, g->journal_offset, g->journal_size);
	if (!r)
		r = ctl_zero_range(f->fd, g->manifest_offset, CC_MANIFEST_DIR_SIZE);
	if (!r)
		r = ctl_zero_range(f->fd, g->table_offset, g->table_size);
	if (!r)
		discard_slots(f);
	if (!r)
		r = ctl_tail_zero(f->fd, f->device_bytes);
	if (!r && fsync(f->fd))
		r = -errno;
	if (!r)
		r = cc_superblock_write(f->fd, g);
	if (!r)
		return 0;
	ctl_err("%s: writing: %s; the device is no pool now", f->path, strerror(-r));
	return CTL_FAILED;
}

/* ---- the command ---- */

/* Nobody who did not ask for one is refused a small pool. */
static int lay_out_journal(struct format *f, char *err, size_t errlen)
{
	uint64_t taken;
	int r;

	if (!f->journal)
		return 0;
	r = cc_superblock_add_journal(&f->geometry, f->dirty_bytes, &taken, err, errlen);
	if (!r || f->dirty_bytes)
		return r;
	ctl_note("%s: no journal, so the pool takes no volumes: %s", f->path, err);
	err[0] = 0;
	return 0;
}

static int lay_out(struct format *f)
{
	char err[200] = "";
	int r = cc_device_bytes(f->fd, &f->device_bytes);

	if (!r)
		r = cc_superblock_layout(f->device_bytes, f->slot_shift, f->manifest_bytes, f->max_bytes,
					 &f->geometry, err, sizeof(err));
	if (!r)
		r = lay_out_journal(f, err, sizeof(err));
	if (!r && !f->have_uuid)
		r = cc_uuid_random(f->uuid);
	if (r) {
		ctl_err("%s: %s", f->path, err[0] ? err : strerror(-r));
		return CTL_FAILED;
	}
	memcpy(f->geometry.uuid, f->uuid, sizeof(f->uuid));
	f->geometry.created = time(NULL);
	return 0;
}

static int print_geometry_json(const struct format *f, const char *uuid)
{
	const struct cc_pool_geometry *g = &f->geometry;

	return ctl_print_json(json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"device", f->path, "uuid", uuid,
		"slot_bytes", (json_int_t)1 << g->slot_shift,
		"slots", (json_int_t)g->nr_slots,
		"max_slots", (json_int_t)cc_superblock_max_slots(g),
		"manifest_offset", (json_int_t)g->manifest_offset,
		"manifest_bytes", (json_int_t)g->manifest_size,
		"table_offset", (json_int_t)g->table_offset,
		"table_bytes", (json_int_t)g->table_size,
		"journal_offset", (json_int_t)g->journal_offset,
		"journal_bytes", (json_int_t)g->journal_size,
		"dirty_max_slots", (json_int_t)g->dirty_max,
		"slots_offset", (json_int_t)g->slots_offset));
}

static int report_geometry(const struct format *f)
{
	const struct cc_pool_geometry *g = &f->geometry;
	char uuid[CC_UUID_TEXT], all[CTL_SIZE_TEXT], slot[CTL_SIZE_TEXT], area[CTL_SIZE_TEXT];
	char journal[CTL_SIZE_TEXT], dirty[CTL_SIZE_TEXT];

	cc_uuid_text(g->uuid, uuid);
	if (f->json)
		return print_geometry_json(f, uuid);
	printf("pool %s on %s: %" PRIu64 " slots of %s (%s) from byte %" PRIu64
	       ", manifest area %s", uuid, f->path, g->nr_slots,
	       ctl_size_text(1ULL << g->slot_shift, slot),
	       ctl_size_text(g->nr_slots << g->slot_shift, all), g->slots_offset,
	       ctl_size_text(g->manifest_size, area));
	if (g->journal_size)
		printf(", journal %s for up to %s that no store has",
		       ctl_size_text(g->journal_size, journal),
		       ctl_size_text(g->dirty_max << g->slot_shift, dirty));
	putchar('\n');
	return CTL_OK;
}

static int format_device(struct format *f)
{
	int r = refuse_zoned(f);

	if (!r)
		r = refuse_pool(f);
	if (!r)
		r = with_probe(f, refuse_signature);
	if (!r)
		r = lay_out(f);
	if (!r && f->force)
		r = with_probe(f, wipe_signatures);
	if (!r)
		r = write_pool(f);
	if (!r)
		warn_of_blocks(f);
	return r ? r : report_geometry(f);
}

static int upgrade_device(struct format *f)
{
	int r = ctl_format_upgrade(f->path, f->fd, f->dirty_bytes, &f->geometry);

	return r ? r : report_geometry(f);
}

static int parse_slot_size(struct format *f, const char *s)
{
	uint64_t size;

	if (ctl_parse_size("--slot-size", s, &size))
		return CTL_USAGE;
	if (size & (size - 1) || size < 1ULL << CC_CHUNK_SHIFT_MIN ||
	    size > 1ULL << CC_CHUNK_SHIFT_MAX)
		return ctl_usage("--slot-size: expected a power of two from 64K to 16M, got '%s'",
				 s);
	f->slot_shift = __builtin_ctzll(size);
	return 0;
}

/* A limit of 0 is not "none": who wants no volumes says so. */
static int parse_dirty_max(struct format *f, const char *s)
{
	if (ctl_parse_size("--dirty-max", s, &f->dirty_bytes))
		return CTL_USAGE;
	return f->dirty_bytes ? 0 : ctl_usage("--dirty-max: expected a size greater than 0, or --no-journal");
}

/* In the store's form; people may write it in capitals. */
static int take_uuid(const char *text, uint8_t ret_uuid[16])
{
	char lower[CC_UUID_TEXT];
	size_t i, len = strlen(text);

	if (len >= sizeof(lower))
		return -EINVAL;
	for (i = 0; i <= len; i++)
		lower[i] = tolower((unsigned char)text[i]);
	return cc_uuid_parse(lower, ret_uuid);
}

static int parse_format_option(struct format *f, int c, char **argv)
{
	switch (c) {
	case 's':
		f->for_new = "--slot-size";
		return parse_slot_size(f, optarg);
	case 'M':
		return parse_dirty_max(f, optarg);
	case 'j':
		f->journal = false;
		return 0;
	case 'U':
		f->upgrade = true;
		return 0;
	case 'm':
		f->for_new = "--manifest-area";
		if (ctl_parse_size("--manifest-area", optarg, &f->manifest_bytes))
			return CTL_USAGE;
		if (!f->manifest_bytes)
			return ctl_usage("--manifest-area: expected a size greater than 0");
		return 0;
	case 'x':
		f->for_new = "--max-size";
		return ctl_parse_size("--max-size", optarg, &f->max_bytes) ? CTL_USAGE : 0;
	case 'u':
		if (take_uuid(optarg, f->uuid))
			return ctl_usage("--uuid: expected a UUID, not all zero, got '%s'", optarg);
		f->for_new = "--uuid";
		f->have_uuid = true;
		return 0;
	case 'd':
		f->discard = false;
		return 0;
	case CTL_OPT_FORCE:
		f->force = true;
		return 0;
	case CTL_OPT_JSON:
		f->json = true;
		return 0;
	}
	return ctl_bad_option(c, argv);
}

static int check_format_options(const struct format *f)
{
	if (f->dirty_bytes && !f->journal)
		return ctl_usage("--dirty-max says what the journal has to hold, --no-journal that there is none");
	if (!f->upgrade)
		return 0;
	if (!f->journal)
		return ctl_usage("--upgrade makes a journal, --no-journal says that there shall be none");
	if (f->for_new)
		return ctl_usage("%s is for a new pool; --upgrade leaves all as it is but the journal", f->for_new);
	return 0;
}

static int run_format(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "slot-size", required_argument, NULL, 's' },
		{ "manifest-area", required_argument, NULL, 'm' },
		{ "max-size", required_argument, NULL, 'x' },
		{ "dirty-max", required_argument, NULL, 'M' },
		{ "no-journal", no_argument, NULL, 'j' },
		{ "upgrade", no_argument, NULL, 'U' },
		{ "uuid", required_argument, NULL, 'u' },
		{ "no-discard", no_argument, NULL, 'd' },
		{ "force", no_argument, NULL, CTL_OPT_FORCE },
		{ "json", no_argument, NULL, CTL_OPT_JSON },
		{ 0 }
	};
	struct format f = { .slot_shift = CC_CHUNK_SHIFT_DEFAULT, .discard = true, .journal = true,
			    .fd = -1 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		r = parse_format_option(&f, c, argv);
		if (r)
			return r;
	}
	r = ctl_operands(argc, 1, "one DEVICE");
	if (!r)
		r = check_format_options(&f);
	if (r)
		return r;
	f.path = argv[optind];
	r = open_device(&f);
	if (!r)
		r = f.upgrade ? upgrade_device(&f) : format_device(&f);
	if (f.fd >= 0)
		close(f.fd);
	return ctl_finish(r);
}

const struct ctl_command ctl_cmd_format = {
	.name = "format",
	.synopsis = "DEVICE [OPTION]...",
	.summary = "Make a device or file a pool",
	.help = help,
	.run = run_format,
};
