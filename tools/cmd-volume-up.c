// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl volume up and down: the dm device of a volume.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dm.h"
#include "superblock.h"
#include "volume-arg.h"
#include "volume/volume-name.h"

#define PARAMS_MAX 512
#define DOWN_WAIT_MS 120000
#define DOWN_LOOK_MS 300

/* ---- up ---- */

static const char up_help[] =
	"The volume appears as /dev/mapper/NAME.  The pool's helper opens it: I/O waits\n"
	"until then.  Refused while it is open on another host.\n"
	"\n"
	"  --pool P             dm name of the pool\n"
	"  --take-over          from the host that has it open, which finds out within\n"
	"                       seconds: what that has not committed yet is lost to the\n"
	"                       volume\n"
	"  --config FILE        default /etc/chunkcache/P.conf; --store is one of its\n"
	"                       [store] sections\n"
	"\n";

struct volume_up {
	struct ctl_volume_args args;
	const char *name;
	struct ctl_volume v;
	uint8_t pool_uuid[16];
};

static int read_pool_uuid(struct volume_up *u)
{
	char path[32 + CTL_DM_NAME_MAX], err[256] = "";
	struct cc_pool_geometry g;
	int fd, r;

	snprintf(path, sizeof(path), "/dev/mapper/%s", u->args.pool);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : cc_superblock_read(fd, &g, err, sizeof(err));
	if (fd >= 0)
		close(fd);
	if (r) {
		ctl_err("pool %s: %s", u->args.pool, *err ? err : strerror(-r));
		return CTL_FAILED;
	}
	memcpy(u->pool_uuid, g.uuid, sizeof(u->pool_uuid));
	if (g.slot_shift == u->v.state.log.last.chunk_shift)
		return 0;
	ctl_err("%s: has log chunks of %u bytes, expected the pool's slots, %u", u->name,
		1u << u->v.state.log.last.chunk_shift, 1u << g.slot_shift);
	return CTL_FAILED;
}

static int take_over(struct volume_up *u)
{
	struct cc_volume_log *log = &u->v.state.log;
	char since[CTL_TIME_TEXT], last[CTL_TIME_TEXT], err[400] = "";
	const char *host = *log->last.host ? log->last.host : "a host without a name";
	int r;

	memcpy(log->self, u->pool_uuid, sizeof(log->self));
	if (!cc_volume_log_foreign(log))
		return 0;
	ctl_volume_time(log->since, since);
	ctl_volume_time(log->last.time, last);
	if (!u->args.take_over) {
		ctl_err("%s: is open on %s since %s; its last commit is of %s, and what it wrote since then is lost "
			"with --take-over", u->name, host, since, last);
		return CTL_FAILED;
	}
	r = cc_volume_log_take(log, err, sizeof(err));
	if (!r) {
		ctl_note("%s: taken over from %s, as of %s", u->name, host, last);
		return 0;
	}
	return ctl_volume_failed(u->name, r, r == -EAGAIN ? "something was committed just now: try again" : err);
}

static int make_volume_device(struct volume_up *u)
{
	char params[PARAMS_MAX], uuid[CC_UUID_TEXT];
	int r;

	cc_uuid_text(u->v.uuid, uuid);
	snprintf(params, sizeof(params), "/dev/mapper/%s %s %s", u->args.pool, u->v.store.name, uuid);
	r = ctl_dm_create(u->name, "VOLUME", u->v.uuid, false, u->v.state.log.last.size / 512, CTL_TARGET_VOLUME, params);
	if (!r)
		return CTL_OK;
	ctl_err("%s: %s", u->name, ctl_dm_reason(r));
	return CTL_FAILED;
}

static int run_volume_up(const struct ctl_command *cmd, int argc, char **argv)
{
	struct volume_up u = { 0 };
	char config[256];
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "pt", &u.args, &r))
		return r;
	r = ctl_name_operand(argc, argv, 1, "one NAME");
	if (r)
		return r;
	u.name = argv[optind];
	if (!u.args.pool || !ctl_dm_name_ok(u.args.pool))
		return ctl_usage("%s: which pool? expected --pool with the name of one", u.name);
	if (u.args.opts.store && strstr(u.args.opts.store, "://"))
		return ctl_usage("--store: expected the name of a [store] section of the pool's configuration");
	snprintf(config, sizeof(config), CC_CONFIG_DIR "/%s.conf", u.args.pool);
	if (!u.args.opts.config)
		u.args.opts.config = config;
	r = ctl_volume_open(&u.args.opts, u.name, &u.v);
	if (!r)
		r = read_pool_uuid(&u);
	if (!r)
		r = take_over(&u);
	if (!r)
		r = make_volume_device(&u);
	ctl_volume_close(&u.v);
	return r;
}

const struct ctl_command ctl_volume_up = {
	.name = "volume up",
	.synopsis = "NAME --pool P [--store S] [--take-over] [--config FILE]",
	.summary = "Make the device of a volume",
	.help = up_help,
	.run = run_volume_up,
};

/* ---- down ---- */

static const char down_help[] =
	"Removes the device, then waits until the pool's helper has brought to the store\n"
	"what only this host has, and has closed the volume: then any host may open it.\n"
	"Refused while the device is open.\n"
	"\n"
	"  --now                do not wait; another host can't open the volume without\n"
	"                       --take-over until that is done\n"
	"\n"
	CTL_STORE_HELP;

static int check_volume_device(const char *name)
{
	struct ctl_dm_device d;
	int r = ctl_dm_get(name, CTL_DM_TABLE, &d);

	if (r) {
		ctl_err("%s: %s", name, r == -ENXIO ? "no such device" : ctl_dm_reason(r));
		return CTL_FAILED;
	}
	r = strcmp(d.type, CTL_TARGET_VOLUME) ? CTL_FAILED : 0;
	if (r)
		ctl_err("%s: is no volume (its target is %s)", name, d.type[0] ? d.type : "none");
	ctl_dm_free(&d);
	return r;
}

static int wait_until_closed(struct ctl_volume *v, const char *name)
{
	struct timespec look = { .tv_nsec = DOWN_LOOK_MS * 1000000L };
	char err[400] = "";

	for (unsigned int ms = 0; ms < DOWN_WAIT_MS; ms += DOWN_LOOK_MS) {
		int r = cc_volume_log_read(&v->state.log, err, sizeof(err));

		if (r && r != -EIO)
			return ctl_volume_failed(name, r, err);
		if (!r && cc_volume_log_closed(&v->state.log))
			return CTL_OK;
		nanosleep(&look, NULL);
	}
	ctl_err("%s: the device is gone, but after %u s not all of it is in the store; the pool has the rest", name,
		DOWN_WAIT_MS / 1000);
	return CTL_FAILED;
}

static int volume_down(const struct ctl_volume_args *a, const char *name)
{
	struct ctl_volume v = { 0 };
	int r = check_volume_device(name);

	if (!r && !a->now)
		r = ctl_volume_open(&a->opts, name, &v);
	if (!r) {
		r = ctl_dm_remove(name);
		if (r) {
			ctl_err("%s: %s", name, r == -EBUSY ? "is open (mounted, or part of another device)" :
				ctl_dm_reason(r));
			r = CTL_FAILED;
		}
	}
	if (!r && !a->now)
		r = wait_until_closed(&v, name);
	ctl_volume_close(&v);
	return r;
}

static int run_volume_down(const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_volume_args a = { 0 };
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "n", &a, &r))
		return r;
	r = ctl_name_operand(argc, argv, 1, "one NAME");
	return r ? r : volume_down(&a, argv[optind]);
}

const struct ctl_command ctl_volume_down = {
	.name = "volume down",
	.synopsis = "NAME [--now] [--store S] [OPTION]...",
	.summary = "Remove the device of a volume, when all is in the store",
	.help = down_help,
	.run = run_volume_down,
};
