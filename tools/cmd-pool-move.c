// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl pool-move: disks go on as disks of another pool, while they are in use.  Each is reloaded
 * with a table that differs in the pool only.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "dm.h"
#include "table.h"

struct move {
	const char *to;
	char from_dev[32];		/* the old pool's number, as in the tables of disks */
	uint64_t slot_sectors;		/* of the new pool */
	int (*fn)(struct move *m, const struct ctl_dm_device *d);
	unsigned int moved;
};

static const char move_help[] =
	"All disks of POOL become disks of TO, a pool on another device, under their\n"
	"users: to exchange a cache device, also one that is gone.  TO is up, has slots\n"
	"of the same size, and its helper runs and knows the stores of the disks.  Reads\n"
	"wait for moments; what was cached is fetched again.  Page cache and contents\n"
	"stay.\n";

/* ---- the two pools ---- */

static int find_from(struct move *m, const char *name)
{
	struct ctl_dm_device d;
	int r = ctl_dm_get(name, CTL_DM_TABLE, &d);

	if (r) {
		ctl_err("%s: %s", name, r == -ENXIO ? "no such pool" : ctl_dm_reason(r));
		return CTL_FAILED;
	}
	/* An error table is what `pool-down --force' has left. */
	if (strcmp(d.type, CTL_TARGET_POOL) && strcmp(d.type, "error")) {
		ctl_err("%s: is no pool (its target is %s)", name, d.type[0] ? d.type : "none");
		r = CTL_FAILED;
	}
	snprintf(m->from_dev, sizeof(m->from_dev), "%u:%u", d.major, d.minor);
	ctl_dm_free(&d);
	return r;
}

static int find_to(struct move *m)
{
	struct ctl_pool_status status;
	struct ctl_dm_device d;
	int r = ctl_dm_get(m->to, CTL_DM_STATUS, &d);

	if (r) {
		ctl_err("%s: %s", m->to, r == -ENXIO ? "no such pool; see `chunkctl pool-up'" :
						       ctl_dm_reason(r));
		return CTL_FAILED;
	}
	r = CTL_FAILED;
	if (strcmp(d.type, CTL_TARGET_POOL) || ctl_pool_status_parse(d.params, &status))
		ctl_err("%s: is no pool (its target is %s)", m->to, d.type[0] ? d.type : "none");
	else if (strcmp(status.helper, "attached"))
		ctl_err("%s: has no helper: what disks read there would wait", m->to);
	else
		r = 0;
	m->slot_sectors = r ? 0 : status.slot_sectors;
	ctl_dm_free(&d);
	return r;
}

/* ---- disks ---- */

/* Calls m->fn with the table of each disk of the old pool; the worst of what it returned. */
static int call_for_disk(void *arg, const char *name)
{
	struct ctl_disk_table table;
	struct ctl_dm_device d;
	struct move *m = arg;
	int r = 0;

	if (ctl_dm_get(name, CTL_DM_TABLE, &d))
		return 0;
	if (!strcmp(d.type, CTL_TARGET_DISK) && !ctl_disk_table_parse(d.params, &table) &&
	    !strcmp(table.pool, m->from_dev))
		r = m->fn(m, &d);
	ctl_dm_free(&d);
	return r;
}

static int for_each_disk(struct move *m, int (*fn)(struct move *m, const struct ctl_dm_device *d))
{
	int r;

	m->fn = fn;
	r = ctl_dm_list(call_for_disk, m);
	if (r < 0)
		ctl_err("list of devices: %s", ctl_dm_reason(r));
	return r ? CTL_FAILED : 0;
}

/* Before any is changed. */
static int check_moved_disk(struct move *m, const struct ctl_dm_device *disk)
{
	struct ctl_disk_status status;
	struct ctl_dm_device d;
	int r = ctl_dm_get(disk->name, CTL_DM_STATUS, &d);

	if (r) {
		ctl_err("%s: %s", disk->name, ctl_dm_reason(r));
		return CTL_FAILED;
	}
	r = ctl_disk_status_parse(d.params, &status) ? CTL_FAILED : 0;
	if (r || status.chunk_sectors != m->slot_sectors) {
		ctl_err("%s: its chunks are not of the size of the slots of %s", disk->name, m->to);
		r = CTL_FAILED;
	}
	ctl_dm_free(&d);
	return r;
}

static int move_disk(struct move *m, const struct ctl_dm_device *disk)
{
	char *params;
	int r;

	/* All behind the first word, which is the pool. */
	if (asprintf(&params, "/dev/mapper/%s%s", m->to, disk->params + strcspn(disk->params, " ")) < 0) {
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	r = ctl_dm_replace(disk->name, disk->read_only, disk->sectors, CTL_TARGET_DISK, params);
	free(params);
	if (r) {
		ctl_err("%s: %s; it stays where it is", disk->name, ctl_dm_reason(r));
		return CTL_FAILED;
	}
	printf("%s: is a disk of %s now\n", disk->name, m->to);
	m->moved++;
	return 0;
}

static int pool_move(struct move *m, const char *from)
{
	int r = find_from(m, from);

	if (!r)
		r = find_to(m);
	if (!r)
		r = for_each_disk(m, check_moved_disk);
	if (!r)
		r = for_each_disk(m, move_disk);
	if (!r && !m->moved)
		ctl_note("%s: has no disks", from);
	return r;
}

static int run_move(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ 0 }
	};
	int c = getopt_long(argc, argv, ":h", options, NULL), r;
	struct move m = { 0 };

	if (c != -1)
		return c == CTL_OPT_HELP ? ctl_help(cmd) : ctl_bad_option(c, argv);
	r = ctl_name_operand(argc, argv, 2, "POOL and TO");
	if (r)
		return r;
	m.to = argv[optind + 1];
	if (!ctl_dm_name_ok(m.to) || !strcmp(m.to, argv[optind]))
		return ctl_usage("'%s': expected the name of another pool", m.to);
	return ctl_finish(pool_move(&m, argv[optind]));
}

const struct ctl_command ctl_cmd_pool_move = {
	.name = "pool-move",
	.synopsis = "POOL TO",
	.summary = "Give all disks of a pool to another one",
	.help = move_help,
	.run = run_move,
};
