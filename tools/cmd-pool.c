// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl pool-up, pool-resize and pool-down: the dm device of a pool.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "dm.h"
#include "superblock.h"
#include "table.h"
#include "tail.h"

#define EXTENT_MAX (32ULL << 20)	/* of a logical volume; mostly 4 MiB */

static const char up_help[] =
	"DEVICE is what `chunkctl format' made.  The pool appears as /dev/mapper/POOL; a\n"
	"pool that is up on the same device already is fine.\n"
	"\n"
	"  --wait SECONDS       if DEVICE is not there yet, wait so long for it\n";

static const char resize_help[] =
	"The pool takes up all of DEVICE, or the first SIZE bytes of it.  To grow it,\n"
	"make the device larger before; to shrink it, make the device smaller after this\n"
	"has ended.  Disks go on reading meanwhile; chunks in the part that is given up\n"
	"are dropped.  Ends when nothing uses that part any more; if interrupted, that\n"
	"goes on.\n"
	"\n"
	"  --size SIZE          use so much of the device\n";

static const char down_help[] =
	"Refused while disks use the pool or its helper runs.\n"
	"\n"
	"  --force              cut the pool off, even if it can't be removed yet; disks\n"
	"                       go on from the cache, what they miss waits until pool-up\n"
	"                       brings it back\n";

/* Opens it with flags; the descriptor, or a negative status. */
static int open_pool_device(const char *path, int flags, struct stat *st, struct cc_pool_geometry *g,
			    uint64_t *ret_bytes)
{
	char err[200] = "";
	int fd, r;

	fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, st)) {
		ctl_err("%s: %s", path, strerror(errno));
		r = CTL_FAILED;
	} else if (!S_ISBLK(st->st_mode)) {
		ctl_err("%s: expected a block device", path);
		r = CTL_FAILED;
	} else {
		r = cc_superblock_read(fd, g, err, sizeof(err));
		if (!r)
			r = cc_device_bytes(fd, ret_bytes);
		if (r)
			ctl_err("%s: %s", path, err[0] ? err : strerror(-r));
		r = r ? CTL_FAILED : 0;
	}
	if (!r)
		return fd;
	if (fd >= 0)
		close(fd);
	return -r;
}

/* At boot, devices come when they come; the open that follows says what is wrong. */
static void wait_for_device(const char *path, uint64_t seconds)
{
	uint64_t end_ns = cc_now_ns() + seconds * CC_SECOND;

	while (access(path, F_OK) && errno == ENOENT && cc_now_ns() < end_ns)
		usleep(50000);
}

/* A device of that name exists: fine if it is the pool on this device. */
static int check_existing_pool(const char *name, const struct ctl_dm_device *d, const struct stat *st)
{
	char want[32], have[64] = "";

	snprintf(want, sizeof(want), "%u:%u", major(st->st_rdev), minor(st->st_rdev));
	if (d->params)
		sscanf(d->params, "%63s", have);
	if (!strcmp(d->type, CTL_TARGET_POOL) && !strcmp(have, want))
		return 0;
	if (!strcmp(d->type, CTL_TARGET_POOL))
		ctl_err("%s: is a pool on another device (%s) already", name, have);
	else
		ctl_err("%s: is a dm device of another kind (%s) already", name,
			d->type[0] ? d->type : "no table");
	return CTL_FAILED;
}

static int pool_up(const char *name, const char *path)
{
	struct cc_pool_geometry g;
	struct ctl_dm_device d;
	struct stat st;
	uint64_t bytes;
	int fd = open_pool_device(path, O_RDONLY, &st, &g, &bytes), r, tail;

	if (fd < 0)
		return -fd;
	close(fd);
	r = ctl_dm_get(name, CTL_DM_TABLE, &d);
	if (!r && strcmp(d.type, "error")) {
		r = check_existing_pool(name, &d, &st);
		if (!r)
			ctl_note("%s: is up already", name);
		ctl_dm_free(&d);
		return r;
	}
	tail = ctl_tail_reclaim(path, &g, bytes);
	if (tail)
		ctl_note("%s: what guests have in its last 2 MiB could not be overwritten: %s", path,
			 strerror(-tail));
	/* What `pool-down --force' left while disks use the pool: they take it back as it was. */
	if (!r) {
		ctl_dm_free(&d);
		r = ctl_dm_replace(name, false, bytes / 512, CTL_TARGET_POOL, path);
	} else if (r == -ENXIO) {
		r = ctl_dm_create(name, "POOL", g.uuid, false, bytes / 512, CTL_TARGET_POOL, path);
	}
	if (!r)
		return CTL_OK;
	ctl_err("%s: %s%s", name, ctl_dm_reason(r),
		r == -EBUSY ? "; is a pool of this UUID up under another name?" : "");
	return CTL_FAILED;
}

/* ---- pool-resize ---- */

struct resize {
	const char *name, *path;
	uint64_t size;			/* bytes; 0: all */
	uint64_t end;			/* of the part of the device that the pool shall have */
	int fd;
	struct cc_pool_geometry old, new;
	struct ctl_dm_device dm;
};

/* How many slots there shall be. */
static int plan(struct resize *z, uint64_t bytes)
{
	if (z->size > bytes) {
		ctl_err("--size: %s has only %" PRIu64 " bytes", z->path, bytes);
		return CTL_FAILED;
	}
	z->end = z->size ? z->size : bytes;
	z->new = z->old;
	z->new.sequence++;
	cc_superblock_set_slots(&z->new, cc_superblock_slots_on(&z->old, z->end));
	if (!z->new.nr_slots) {
		ctl_err("%s: not even one slot would be left", z->path);
		return CTL_FAILED;
	}
	if (z->new.journal_size && z->new.dirty_max >= z->new.nr_slots) {
		ctl_err("%s: a pool with a journal needs two slots, one would be left", z->path);
		return CTL_FAILED;
	}
	if (z->new.nr_slots == cc_superblock_max_slots(&z->old))
		ctl_note("%s: %" PRIu64 " slots are all that it was formatted for (format --max-size)",
			 z->path, z->new.nr_slots);
	return 0;
}

static uint64_t slots_end(const struct cc_pool_geometry *g)
{
	return g->slots_offset + (g->nr_slots << g->slot_shift);
}

/*
 * Nothing of a guest's where the end of the device is or will be: behind the last slot, and as far as a
 * volume that is cut there can reach by its extents.
 */
static int clear_tail(const struct resize *z)
{
	uint64_t from = slots_end(&z->new), to = from + (1 << z->new.slot_shift) + CC_TAIL_SIZE + EXTENT_MAX;
	uint64_t bytes;
	int r = cc_device_bytes(z->fd, &bytes);

	if (!r)
		r = ctl_zero_range(z->fd, from, (to < bytes ? to : bytes) - from);
	return r ? r : ctl_tail_zero(z->fd, z->end);
}

/* Load a table just long enough for so many slots, with the features that it has. */
static int reload(struct resize *z, uint64_t nr_slots)
{
	uint64_t end = z->new.slots_offset + (nr_slots << z->new.slot_shift);

	return ctl_dm_replace(z->name, false, end / 512, CTL_TARGET_POOL, z->dm.params);
}

static int wait_shrunk(struct resize *z)
{
	struct ctl_pool_status s;
	struct ctl_dm_device d;
	int r;

	do {
		usleep(50000);
		r = ctl_dm_get(z->name, CTL_DM_STATUS, &d);
		if (r)
			return r;
		r = strcmp(d.type, CTL_TARGET_POOL) ? -ENXIO : ctl_pool_status_parse(d.params, &s);
		ctl_dm_free(&d);
	} while (!r && s.total > z->new.nr_slots);
	return r;
}

/*
 * The superblock tells the new number of slots to the table that is loaded then.  A shrinking
 * pool keeps its length until nobody uses the slots behind the new end any more.
 */
static int change(struct resize *z)
{
	bool shrinks = z->new.nr_slots < z->old.nr_slots;
	int r = shrinks ? 0 : clear_tail(z);

	if (!r)
		r = cc_superblock_write(z->fd, &z->new);
	if (!r)
		r = reload(z, shrinks ? z->old.nr_slots : z->new.nr_slots);
	if (r) {
		ctl_err("%s: %s", z->name, ctl_dm_reason(r));
		z->old.sequence += 2;
		if (cc_superblock_write(z->fd, &z->old))
			ctl_err("%s: and the superblock could not be put back", z->path);
		return CTL_FAILED;
	}
	if (shrinks)
		r = wait_shrunk(z);
	if (shrinks && !r)
		r = reload(z, z->new.nr_slots);
	if (shrinks && !r)
		r = clear_tail(z);
	if (r) {
		ctl_err("%s: %s", z->name, ctl_dm_reason(r));
		return CTL_FAILED;
	}
	printf("%s: %" PRIu64 " slots, there were %" PRIu64 "; needs the first %" PRIu64 " bytes of %s\n",
	       z->name, z->new.nr_slots, z->old.nr_slots, slots_end(&z->new) + CC_TAIL_SIZE, z->path);
	return CTL_OK;
}

static int pool_resize(struct resize *z)
{
	uint64_t bytes;
	struct stat st;
	int r;

	z->fd = open_pool_device(z->path, O_RDWR, &st, &z->old, &bytes);
	if (z->fd < 0)
		return -z->fd;
	r = ctl_dm_get(z->name, CTL_DM_TABLE, &z->dm);
	if (r) {
		ctl_err("%s: %s", z->name, r == -ENXIO ? "no such pool" : ctl_dm_reason(r));
		r = CTL_FAILED;
		goto close;
	}
	r = check_existing_pool(z->name, &z->dm, &st);
	if (!r)
		r = plan(z, bytes);
	if (!r)
		r = change(z);
	ctl_dm_free(&z->dm);
close:
	close(z->fd);
	return r;
}

/* ---- pool-down ---- */

struct find_disks {
	char dev[32];			/* the pool's */
	char names[400];
};

static int note_disk(void *arg, const char *name)
{
	struct find_disks *f = arg;
	struct ctl_disk_table table;
	struct ctl_dm_device d;
	size_t n = strlen(f->names);

	if (ctl_dm_get(name, CTL_DM_TABLE, &d))
		return 0;
	if (!strcmp(d.type, CTL_TARGET_DISK) && !ctl_disk_table_parse(d.params, &table) &&
	    !strcmp(table.pool, f->dev))
		snprintf(f->names + n, sizeof(f->names) - n, " %s", name);
	ctl_dm_free(&d);
	return 0;
}

static void explain_busy(const struct ctl_dm_device *d, bool wiped)
{
	struct find_disks f = { 0 };

	snprintf(f.dev, sizeof(f.dev), "%u:%u", d->major, d->minor);
	ctl_dm_list(note_disk, &f);
	if (f.names[0])
		ctl_err("%s: %s by disks:%s", d->name,
			wiped ? "is cut off now, pool-up brings it back; it is still used" :
				"is used", f.names);
	else
		ctl_err("%s: is %sopen; is its helper (chunkcached) still running?", d->name,
			wiped ? "cut off now, pool-up brings it back; it is still " : "");
}

static int pool_down(const char *name, bool force)
{
	struct ctl_dm_device d;
	int r = ctl_dm_get(name, CTL_DM_TABLE, &d);

	if (r) {
		ctl_err("%s: %s", name, r == -ENXIO ? "no such pool" : ctl_dm_reason(r));
		return CTL_FAILED;
	}
	/* An error table is what an earlier --force has left. */
	if (strcmp(d.type, CTL_TARGET_POOL) && !(force && !strcmp(d.type, "error"))) {
		ctl_err("%s: is no pool (its target is %s)%s", name, d.type[0] ? d.type : "none",
			strcmp(d.type, "error") ? "" : "; --force removes what --force left");
		ctl_dm_free(&d);
		return CTL_FAILED;
	}
	r = force ? ctl_dm_wipe(name) : 0;
	if (!r)
		r = ctl_dm_remove(name);
	if (r == -EBUSY)
		explain_busy(&d, force);
	else if (r)
		ctl_err("%s: %s", name, ctl_dm_reason(r));
	ctl_dm_free(&d);
	return r ? CTL_FAILED : CTL_OK;
}

static int run_pool_up(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "wait", required_argument, NULL, 'w' },
		{ 0 }
	};
	uint64_t wait_s = 0;
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c != 'w')
			return ctl_bad_option(c, argv);
		if (ctl_parse_number("--wait", optarg, 0, 3600, &wait_s))
			return CTL_USAGE;
	}
	r = ctl_name_operand(argc, argv, 2, "POOL and DEVICE");
	if (r)
		return r;
	wait_for_device(argv[optind + 1], wait_s);
	return pool_up(argv[optind], argv[optind + 1]);
}

static int run_pool_resize(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "size", required_argument, NULL, 's' },
		{ 0 }
	};
	struct resize z = { 0 };
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c != 's')
			return ctl_bad_option(c, argv);
		if (ctl_parse_size("--size", optarg, &z.size))
			return CTL_USAGE;
	}
	r = ctl_name_operand(argc, argv, 2, "POOL and DEVICE");
	if (r)
		return r;
	z.name = argv[optind];
	z.path = argv[optind + 1];
	return ctl_finish(pool_resize(&z));
}

static int run_pool_down(const struct ctl_command *cmd, int argc, char **argv)
{
	return ctl_run_remove(cmd, argc, argv, "one POOL", pool_down);
}

const struct ctl_command ctl_cmd_pool_up = {
	.name = "pool-up",
	.synopsis = "POOL DEVICE [--wait SECONDS]",
	.summary = "Make the dm device of a formatted pool",
	.help = up_help,
	.run = run_pool_up,
};

const struct ctl_command ctl_cmd_pool_resize = {
	.name = "pool-resize",
	.synopsis = "POOL DEVICE [--size SIZE]",
	.summary = "Grow or shrink a pool that is up",
	.help = resize_help,
	.run = run_pool_resize,
};

const struct ctl_command ctl_cmd_pool_down = {
	.name = "pool-down",
	.synopsis = "POOL [--force]",
	.summary = "Remove the dm device of a pool",
	.help = down_help,
	.run = run_pool_down,
};
