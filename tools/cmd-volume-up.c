// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl volume up: the dm device of a volume.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "disk-config.h"
#include "superblock.h"
#include "ui.h"
#include "uuid.h"
#include "volume-arg.h"
#include "volume-here.h"

#define PARAMS_MAX	1024
#define WAIT_DEFAULT	30		/* seconds */
#define LOOK_NS		(200 * CC_MS)

static const char up_help[] =
	"The volume appears as /dev/mapper/NAME.  The pool's helper opens it: I/O waits\n"
	"until then.  Refused with exit status 4 while another host has it open, and if\n"
	"this one has writes that do not belong to what the store has.\n"
	"\n"
	"  --pool P             dm name of the pool\n"
	"  --take-over          from the host that has it open, which finds out within\n"
	"                       seconds: what it has not committed yet is lost to the\n"
	"                       volume, and stays there until it is rescued or discarded\n"
	"  --wait SECONDS       until it is open, default 30; then it is left to itself\n"
	"  --durability store   a flush ends when the store has what it covers; default\n"
	"                       local: when the cache device has it\n"
	"  --feature 'WORD...'  arguments for the table line; may be repeated\n"
	"  --config FILE        default /etc/chunkcache/P.conf; --store is one of its\n"
	"                       [store] sections\n"
	"  --from-config[=FILE] pool, store and features as FILE says, default\n"
	"                       /etc/chunkcache/volumes/NAME.conf\n"
	"  --json               print as what it is up, and whether it is open, as JSON\n"
	"\n"
	"A volume that is up already on the same pool is fine.\n"
	"\n";

struct volume_up {
	struct ctl_volume_args args;
	const char *name;
	struct ctl_disk_config from;	/* a file, if one was read */
	char config[256];
	struct ctl_volume v;
	uint8_t pool_uuid[16];
	char uuid[CC_UUID_TEXT];
	bool taken;			/* from another host */
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

/* ---- whose is it ---- */

static const char *host_of(const struct cc_volume_log *log)
{
	return *log->last.host ? log->last.host : "a host without a name";
}

/* What this pool wrote, and another host went on without. */
static int check_fork(const struct volume_up *u)
{
	const struct cc_volume_log *log = &u->v.state.log;
	char dirty[CTL_DIRTY_TEXT], since[CTL_TIME_TEXT];
	struct ctl_asked asked;
	json_t *f = ctl_volume_ask(u->args.pool, u->uuid, &asked);
	bool fork = ctl_volume_is_dirty(f) && (cc_volume_log_foreign(log) || log->run_term > ctl_number(f, "term"));

	if (fork)
		ctl_err("%s: this host has writes of term %" PRIu64 " that no store has (%s), and %s has opened it since (%s): "
			"`chunkctl volume rescue %s --as NEW' makes a volume of them, `chunkctl volume discard-local "
			"%s' gives them up", u->name, ctl_number(f, "term"), ctl_volume_dirty_text(f, dirty),
			host_of(log), ctl_volume_time(log->since, since), u->name, u->name);
	json_decref(f);
	return fork ? CTL_TAKEN : 0;
}

static int take_over(struct volume_up *u)
{
	struct cc_volume_log *log = &u->v.state.log;
	char since[CTL_TIME_TEXT], last[CTL_TIME_TEXT], age[CTL_CELL], err[400] = "";
	uint64_t now = (uint64_t)time(NULL);
	int r;

	memcpy(log->self, u->pool_uuid, sizeof(log->self));
	r = check_fork(u);
	if (r || !cc_volume_log_foreign(log))
		return r;
	ctl_volume_time(log->since, since);
	ctl_volume_time(log->last.time, last);
	ctl_span_text(now > log->last.time ? now - log->last.time : 0, age);
	if (!u->args.take_over) {
		ctl_err("%s: is open on %s since %s; its last commit is of %s, %s ago: what it wrote since then is lost "
			"with --take-over", u->name, host_of(log), since, last, age);
		return CTL_TAKEN;
	}
	ctl_note("%s: is open on %s since %s; its last commit is of %s, %s ago: what it wrote since then stays there",
		 u->name, host_of(log), since, last, age);
	r = cc_volume_log_take(log, err, sizeof(err));
	u->taken = !r;
	if (!r) {
		ctl_note("%s: taken over, as of %s", u->name, last);
		return 0;
	}
	return ctl_volume_failed(u->name, r, r == -EAGAIN ? "something was committed just now: try again" : err);
}

/* ---- the device ---- */

static unsigned int count_words(const char *text)
{
	unsigned int n = 0;

	for (; *text; text++)
		n += *text != ' ' && (text[1] == ' ' || !text[1]);
	return n;
}

static int make_volume_device(struct volume_up *u)
{
	char params[PARAMS_MAX];
	int r;

	snprintf(params, sizeof(params), "/dev/mapper/%s %s %s %u%s", u->args.pool, u->v.store.name, u->uuid,
		 count_words(u->args.features), u->args.features);
	r = ctl_dm_create(u->name, "VOLUME", u->v.uuid, false, u->v.state.log.last.size / 512, CTL_TARGET_VOLUME, params);
	if (!r)
		return CTL_OK;
	ctl_err("%s: %s", u->name, ctl_dm_reason(r));
	return CTL_FAILED;
}

/* 1: it is up, as it should be. */
static int is_up(const struct volume_up *u)
{
	struct ctl_volume_device d;
	int r = ctl_volume_device_get(u->name, &d);

	if (r == -ENXIO)
		return 0;
	if (!r && !strcmp(d.status.state, "failed")) {
		ctl_err("%s: is up, but has failed: `chunkctl volume down %s' first", u->name, u->name);
		return -1;
	}
	if (!r && !strcmp(d.table.uuid, u->uuid) && !strcmp(d.pool, u->args.pool)) {
		ctl_note("%s: is up already", u->name);
		return 1;
	}
	ctl_err("%s: %s", u->name, !r ? "is up already as another volume, or on another pool" : r == -ENOTBLK ?
		"is a dm device of another kind already" : ctl_dm_reason(r));
	return -1;
}

/* It was refused: why, and nothing of it stays. */
static int was_refused(const struct volume_up *u, const json_t *figures)
{
	const char *why = json_string_value(json_object_get(figures, "why"));

	ctl_err("%s: the helper of %s can't open it: %s", u->name, u->args.pool, why ? why : "see its log");
	ctl_dm_remove(u->name);
	return CTL_FAILED;
}

static void say_it_waits(const struct volume_up *u, const json_t *figures, const struct ctl_asked *asked)
{
	const char *why = json_string_value(json_object_get(figures, "why"));

	ctl_note("%s: the device is there, but its I/O waits: the helper of %s: %s", u->name, u->args.pool,
		 figures ? why ? why : "has not opened it yet" : asked->result == CTL_ASK_OK ?
		 "has not seen it yet" : asked->why);
}

static int wait_until_open(const struct volume_up *u)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };
	uint64_t end = cc_now_ns() + u->args.wait * CC_SECOND;
	struct ctl_volume_device d;
	struct ctl_asked asked = { 0 };
	json_t *f = NULL;
	int r;

	for (;;) {
		json_decref(f);
		f = ctl_volume_ask(u->args.pool, u->uuid, &asked);
		r = ctl_volume_device(u->name, &d);
		if (r || !strcmp(d.status.state, "running"))
			break;
		if (!strcmp(d.status.state, "failed")) {
			r = was_refused(u, f);
			break;
		}
		if (cc_now_ns() >= end || asked.result == CTL_ASK_ABSENT) {
			say_it_waits(u, f, &asked);
			break;
		}
		nanosleep(&look, NULL);
	}
	json_decref(f);
	return r;
}

/* ---- the command ---- */

static int load_volume_config(struct volume_up *u)
{
	char path[256], err[256] = "";

	if (!u->args.from_config)
		return 0;
	if (u->args.pool || u->args.opts.store || *u->args.features)
		return ctl_usage("with --from-config no pool, store or feature may be given");
	snprintf(path, sizeof(path), CTL_VOLUME_CONFIG_DIR "/%s.conf", u->name);
	if (ctl_volume_config_load(u->args.file ? u->args.file : path, &u->from, err, sizeof(err))) {
		ctl_err("%s", err);
		return CTL_FAILED;
	}
	u->args.pool = u->from.pool;
	u->args.opts.store = u->from.store;
	if (u->from.features)
		snprintf(u->args.features, sizeof(u->args.features), " %s", u->from.features);
	return 0;
}

static int check_volume_up(struct volume_up *u)
{
	if (!u->args.pool || !ctl_dm_name_ok(u->args.pool))
		return ctl_usage("%s: which pool? expected --pool with the name of one", u->name);
	if (u->args.opts.store && strstr(u->args.opts.store, "://"))
		return ctl_usage("--store: expected the name of a [store] section of the pool's configuration");
	snprintf(u->config, sizeof(u->config), CC_CONFIG_DIR "/%s.conf", u->args.pool);
	if (!u->args.opts.config)
		u->args.opts.config = u->config;
	return 0;
}

/* open: its I/O does not wait. */
static int print_up(const struct volume_up *u)
{
	struct ctl_volume_device d;
	int r = ctl_volume_device(u->name, &d);

	if (r)
		return r;
	return ctl_print_json(json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "name", u->name, "uuid", u->uuid,
					"pool", u->args.pool, "store", u->v.store.name,
					"open", (int)!strcmp(d.status.state, "running"), "taken_over", (int)u->taken));
}

static int volume_up(struct volume_up *u)
{
	int r = load_volume_config(u);

	if (!r)
		r = check_volume_up(u);
	if (!r)
		r = ctl_volume_open(&u->args.opts, u->name, &u->v);
	if (r)
		return r;
	cc_uuid_text(u->v.uuid, u->uuid);
	r = is_up(u);
	if (r)
		return r > 0 ? CTL_OK : CTL_FAILED;
	r = read_pool_uuid(u);
	if (!r)
		r = take_over(u);
	if (!r)
		r = make_volume_device(u);
	return r ? r : wait_until_open(u);
}

static int run_volume_up(const struct ctl_command *cmd, int argc, char **argv)
{
	struct volume_up u = { .args.wait = WAIT_DEFAULT };
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "ptwrFdj", &u.args, &r))
		return r;
	r = ctl_name_operand(argc, argv, 1, "one NAME");
	if (r)
		return r;
	u.name = argv[optind];
	r = volume_up(&u);
	if (!r && u.args.json)
		r = print_up(&u);
	ctl_volume_close(&u.v);
	ctl_disk_config_free(&u.from);
	return ctl_finish(r);
}

const struct ctl_command ctl_volume_up = {
	.name = "volume up",
	.synopsis = "NAME --pool P [--store S] [--take-over] [OPTION]...",
	.summary = "Make the device of a volume",
	.help = up_help,
	.run = run_volume_up,
};
