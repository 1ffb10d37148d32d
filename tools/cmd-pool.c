// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl pool-up and pool-down: the dm device of a pool.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "chunkctl.h"
#include "dm.h"
#include "superblock.h"
#include "table.h"

static const char up_help[] =
	"DEVICE is what `chunkctl format' made.  The pool appears as /dev/mapper/POOL; a\n"
	"pool that is up on the same device already is fine.\n";

static const char down_help[] =
	"Refused while disks use the pool or its helper runs.\n"
	"\n"
	"  --force              cut the pool off, even if it can't be removed yet; disks\n"
	"                       go on from the cache, what they miss waits until pool-up\n"
	"                       brings it back\n";

static int check_device(const char *path, struct stat *st, uint64_t *ret_bytes)
{
	struct cc_pool_geometry g;
	char err[200] = "";
	int fd, r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, st)) {
		ctl_err("%s: %s", path, strerror(errno));
		r = CTL_FAILED;
	} else if (!S_ISBLK(st->st_mode)) {
		ctl_err("%s: expected a block device", path);
		r = CTL_FAILED;
	} else {
		r = cc_superblock_read(fd, &g, err, sizeof(err));
		if (!r)
			r = cc_device_bytes(fd, ret_bytes);
		if (r)
			ctl_err("%s: %s", path, err[0] ? err : strerror(-r));
		r = r ? CTL_FAILED : 0;
	}
	if (fd >= 0)
		close(fd);
	return r;
}

/* A device of that name exists: fine if it is the pool on this device. */
static int check_existing(const char *name, const struct ctl_dm_device *d, const struct stat *st)
{
	char want[32], have[64] = "";

	snprintf(want, sizeof(want), "%u:%u", major(st->st_rdev), minor(st->st_rdev));
	if (d->params)
		sscanf(d->params, "%63s", have);
	if (!strcmp(d->type, CTL_TARGET_POOL) && !strcmp(have, want)) {
		ctl_note("%s: is up already", name);
		return 0;
	}
	if (!strcmp(d->type, CTL_TARGET_POOL))
		ctl_err("%s: is a pool on another device (%s) already", name, have);
	else
		ctl_err("%s: is a dm device of another kind (%s) already", name,
			d->type[0] ? d->type : "no table");
	return CTL_FAILED;
}

static int pool_up(const char *name, const char *path)
{
	struct ctl_dm_device d;
	struct stat st;
	uint64_t bytes;
	int r = check_device(path, &st, &bytes);

	if (r)
		return r;
	r = ctl_dm_get(name, CTL_DM_TABLE, &d);
	if (!r && strcmp(d.type, "error")) {
		r = check_existing(name, &d, &st);
		ctl_dm_free(&d);
		return r;
	}
	/* What `pool-down --force' left while disks use the pool: they take it back as it was. */
	if (!r) {
		ctl_dm_free(&d);
		r = ctl_dm_replace(name, false, bytes / 512, CTL_TARGET_POOL, path);
	} else if (r == -ENXIO) {
		r = ctl_dm_create(name, false, bytes / 512, CTL_TARGET_POOL, path);
	}
	if (!r)
		return CTL_OK;
	ctl_err("%s: %s", name, ctl_dm_reason(r));
	return CTL_FAILED;
}

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
		{ 0 }
	};
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		return ctl_bad_option(c, argv);
	}
	r = ctl_operands(argc, 2, "POOL and DEVICE");
	if (r)
		return r;
	if (!ctl_dm_name_ok(argv[optind]))
		return ctl_usage("'%s': expected a name of [a-zA-Z0-9._-]", argv[optind]);
	return pool_up(argv[optind], argv[optind + 1]);
}

static int run_pool_down(const struct ctl_command *cmd, int argc, char **argv)
{
	return ctl_run_remove(cmd, argc, argv, "one POOL", pool_down);
}

const struct ctl_command ctl_cmd_pool_up = {
	.name = "pool-up",
	.synopsis = "POOL DEVICE",
	.summary = "Make the dm device of a formatted pool",
	.help = up_help,
	.run = run_pool_up,
};

const struct ctl_command ctl_cmd_pool_down = {
	.name = "pool-down",
	.synopsis = "POOL [--force]",
	.summary = "Remove the dm device of a pool",
	.help = down_help,
	.run = run_pool_down,
};
