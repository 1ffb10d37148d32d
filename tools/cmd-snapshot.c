// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl snapshot create, list and rm.  Of a volume that is at work the helper of its pool makes one; else this does.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "uuid.h"
#include "volume-arg.h"
#include "volume-here.h"
#include "volume/volume-name.h"
#include "volume/volume-snapshot.h"

#define ASK_SECONDS	30
#define LOOK_NS		(50 * CC_MS)

/* ---- create ---- */

static const char create_help[] =
	"What the volume is now, under a name: as a disk is after a power cut, with all\n"
	"that was written and acknowledged before.  The guest goes on meanwhile.  To have\n"
	"what a file system has not written yet, sync or freeze it first.\n"
	"\n"
	"While the volume is open this has to be done on the host that has it.\n"
	"\n"
	"  --json               print the names of both as JSON\n"
	"\n"
	CTL_STORE_HELP;

/* Whatever was acknowledged is durable then, so that the helper finds it. */
static int flush_device(const char *name)
{
	char path[200];
	int fd, r;

	snprintf(path, sizeof(path), "/dev/mapper/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 || fsync(fd) ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (r)
		ctl_err("%s: %s", path, strerror(r));
	return r ? CTL_FAILED : 0;
}

/* "running", "done" or why not, of a snapshot of that name; NULL after a message. */
static const char *look_at_snapshot(const char *pool, const char *uuid, const char *name, json_t **figures)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };
	struct ctl_asked asked;
	json_t *snapshot;

	nanosleep(&look, NULL);
	json_decref(*figures);
	*figures = ctl_volume_ask(pool, uuid, &asked);
	snapshot = json_object_get(*figures, "snapshot");
	if (*figures && !strcmp(ctl_string(snapshot, "name"), name))
		return ctl_string(snapshot, "state");
	ctl_err("the helper of %s: %s", pool, asked.result ? asked.why : "has forgotten it; see `chunkctl snapshot list'");
	return NULL;
}

static int wait_for_snapshot(const char *volume, const char *pool, const char *uuid, const char *name)
{
	json_t *figures = NULL;
	const char *how;
	int r = CTL_FAILED;

	do {
		how = look_at_snapshot(pool, uuid, name, &figures);
	} while (how && !strcmp(how, "running"));
	if (how && !strcmp(how, "done"))
		r = CTL_OK;
	else if (how)
		ctl_err("%s: snapshot %s: %s", volume, name, how);
	json_decref(figures);
	return r;
}

/* What the pool of this host that has it says, which may be opening it just now, as after a helper's restart. */
static json_t *ask_until_open(const char *uuid)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };
	uint64_t end_ns = cc_now_ns() + ASK_SECONDS * CC_SECOND;
	json_t *figures = ctl_volume_ask_all(uuid);

	while (figures && !strcmp(ctl_string(figures, "state"), "opening") && cc_now_ns() < end_ns) {
		json_decref(figures);
		nanosleep(&look, NULL);
		figures = ctl_volume_ask_all(uuid);
	}
	return figures;
}

static int snapshot_at_work(const struct ctl_volume *v, const char *volume, const char *name)
{
	char uuid[CC_UUID_TEXT], pool[CTL_DM_NAME_MAX + 1];
	struct ctl_asked asked;
	json_t *figures, *answer;
	int r;

	cc_uuid_text(v->uuid, uuid);
	figures = ask_until_open(uuid);
	if (!figures || strcmp(ctl_string(figures, "state"), "running")) {
		ctl_volume_check_closed(v, volume);
		ctl_err("%s: or take the snapshot there", volume);
		json_decref(figures);
		return CTL_TAKEN;
	}
	snprintf(pool, sizeof(pool), "%s", ctl_string(figures, "pool"));
	r = flush_device(ctl_string(figures, "name"));
	json_decref(figures);
	if (r)
		return r;
	answer = ctl_ask(pool, "volume-snapshot", json_pack("{s:s, s:s}", "volume", uuid, "name", name), ASK_SECONDS,
			 &asked);
	json_decref(answer);
	if (answer)
		return wait_for_snapshot(volume, pool, uuid, name);
	ctl_err("%s: the helper of %s: %s", volume, pool, asked.why);
	return CTL_FAILED;
}

/* Nobody has it: it is opened for that moment. */
static int snapshot_closed(struct ctl_volume *v, const char *volume, const char *name)
{
	struct cc_commit close = { .type = CC_COMMIT_CLOSE };
	struct cc_volume_log *log = &v->state.log;
	char err[400] = "", unused[400] = "";
	int r = cc_volume_log_take(log, err, sizeof(err));

	if (!r) {
		r = cc_snapshot_create(&v->state, name, true, err, sizeof(err));
		if (log->own_term && cc_volume_log_append(log, &close, NULL, 0, r ? unused : err, sizeof(err)) && !r)
			r = -EIO;
	}
	if (r != -EAGAIN && r != -ESTALE)
		return r ? ctl_volume_failed(volume, r, err) : 0;
	ctl_err("%s: somebody has opened it just now", volume);
	return CTL_FAILED;
}

static int create_snapshot(struct ctl_volume *v, const char *volume, const char *name, bool json)
{
	int r = cc_volume_log_closed(&v->state.log) ? snapshot_closed(v, volume, name) :
						      snapshot_at_work(v, volume, name);

	return r || !json ? r : ctl_print_json(json_pack("{s:s, s:s}", "volume", volume, "snapshot", name));
}

/* ---- list ---- */

static const char list_help[] =
	"  --json               print an array of objects as JSON\n"
	"\n"
	CTL_STORE_HELP;

struct listed {
	char name[CC_SNAPSHOT_NAME_MAX + 1];
	struct cc_snapshot snapshot;
};

struct listing {
	const struct ctl_volume *v;
	struct listed *all;
	size_t nr;
	int code;
};

static int take_snapshot(void *arg, const char *name)
{
	struct listing *l = arg;
	struct listed *all = reallocarray(l->all, l->nr + 1, sizeof(*all));
	char err[400];
	enum cc_store_result res;

	if (!all) {
		l->code = ctl_volume_failed(name, -ENOMEM, "");
		return l->code;
	}
	l->all = all;
	res = cc_snapshot_get(l->v->store.store, l->v->uuid, name, &all[l->nr].snapshot, err, sizeof(err));
	snprintf(all[l->nr].name, sizeof(all->name), "%s", name);
	l->nr += !res;
	if (!res || res == CC_STORE_NOTFOUND)
		return 0;
	ctl_err("%s: %s", name, err);
	l->code = CTL_DAMAGE;
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->snapshot.time != y->snapshot.time)
		return x->snapshot.time < y->snapshot.time ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void print_snapshot_row(const struct listed *l)
{
	char hex[2 * CC_ID_SIZE + 1], when[CTL_TIME_TEXT];

	cc_id_to_hex(l->snapshot.sha256, hex);
	printf("%-32s %s  sha256:%.16s\n", l->name, ctl_volume_time(l->snapshot.time, when), hex);
}

static json_t *describe_snapshot(const struct listed *l)
{
	char hex[2 * CC_ID_SIZE + 1];

	cc_id_to_hex(l->snapshot.sha256, hex);
	return json_pack("{s:s, s:I, s:o}", "name", l->name, "time", (json_int_t)l->snapshot.time, "root",
			 json_sprintf("sha256:%s", hex));
}

static int list_snapshots(const struct ctl_volume *v, const char *volume, bool json)
{
	json_t *array = json ? json_array() : NULL;
	struct listing l = { .v = v };
	char err[400] = "";

	if (cc_snapshot_each(v->store.store, v->uuid, take_snapshot, &l, err, sizeof(err)))
		l.code = ctl_volume_failed(volume, -EIO, err);
	if (l.nr)
		qsort(l.all, l.nr, sizeof(*l.all), by_time);
	if (l.nr && !json)
		printf("%-32s %-19s  %s\n", "NAME", "OF", "ROOT");
	for (size_t i = 0; i < l.nr; i++)
		if (json)
			json_array_append_new(array, describe_snapshot(&l.all[i]));
		else
			print_snapshot_row(&l.all[i]);
	free(l.all);
	return json && ctl_print_json(array) ? CTL_FAILED : l.code;
}

/* ---- rm ---- */

static const char rm_help[] =
	"Deletes the name; `chunkctl gc' removes what only that needed.\n"
	"\n"
	"  --json               print the names of both as JSON\n"
	"\n"
	CTL_STORE_HELP;

static int remove_snapshot(const struct ctl_volume *v, const char *volume, const char *name, bool json)
{
	struct cc_snapshot unused;
	char err[400] = "";
	enum cc_store_result res = cc_snapshot_get(v->store.store, v->uuid, name, &unused, err, sizeof(err));

	if (res == CC_STORE_NOTFOUND)
		snprintf(err, sizeof(err), "no such snapshot");
	if (!res || res == CC_STORE_CORRUPT)
		res = cc_snapshot_delete(v->store.store, v->uuid, name, err, sizeof(err));
	if (!res)
		return json ? ctl_print_json(json_pack("{s:s, s:s}", "volume", volume, "snapshot", name)) : CTL_OK;
	ctl_err("%s: %s: %s", volume, name, err);
	return CTL_FAILED;
}

/* ---- the commands ---- */

enum snapshot_command {
	SNAPSHOT_CREATE,
	SNAPSHOT_LIST,
	SNAPSHOT_RM,
};

static int run_snapshot(enum snapshot_command what, const struct ctl_command *cmd, int argc, char **argv)
{
	char object[CC_OBJECT_NAME_MAX];
	struct ctl_volume_args a = { 0 };
	struct ctl_volume v;
	const char *volume, *name;
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "j", &a, &r))
		return r;
	r = what == SNAPSHOT_LIST ? ctl_operands(argc, 1, "one VOLUME") : ctl_operands(argc, 2, "VOLUME and NAME");
	if (r)
		return r;
	volume = argv[optind];
	name = argv[argc - 1];
	if (what != SNAPSHOT_LIST && cc_snapshot_name((const uint8_t[16]){ 0 }, name, object))
		return ctl_usage("'%s': expected a name of 1 to %d of [a-zA-Z0-9._-]", name, CC_SNAPSHOT_NAME_MAX);
	r = what == SNAPSHOT_CREATE ? ctl_volume_open(&a.opts, volume, &v) : ctl_volume_find(&a.opts, volume, &v);
	if (!r && what == SNAPSHOT_CREATE)
		r = create_snapshot(&v, volume, name, a.json);
	else if (!r && what == SNAPSHOT_LIST)
		r = list_snapshots(&v, volume, a.json);
	else if (!r)
		r = remove_snapshot(&v, volume, name, a.json);
	ctl_volume_close(&v);
	return ctl_finish(r);
}

static int run_snapshot_create(const struct ctl_command *cmd, int argc, char **argv)
{
	return run_snapshot(SNAPSHOT_CREATE, cmd, argc, argv);
}

static int run_snapshot_list(const struct ctl_command *cmd, int argc, char **argv)
{
	return run_snapshot(SNAPSHOT_LIST, cmd, argc, argv);
}

static int run_snapshot_rm(const struct ctl_command *cmd, int argc, char **argv)
{
	return run_snapshot(SNAPSHOT_RM, cmd, argc, argv);
}

static const struct ctl_command snapshot_create = {
	.name = "snapshot create",
	.synopsis = "VOLUME NAME --store S [OPTION]...",
	.summary = "Keep what a volume is now, under a name",
	.help = create_help,
	.run = run_snapshot_create,
};

static const struct ctl_command snapshot_list = {
	.name = "snapshot list",
	.synopsis = "VOLUME --store S [OPTION]...",
	.summary = "List the snapshots of a volume, the oldest first",
	.help = list_help,
	.run = run_snapshot_list,
};

static const struct ctl_command snapshot_rm = {
	.name = "snapshot rm",
	.synopsis = "VOLUME NAME --store S [OPTION]...",
	.summary = "Delete a snapshot",
	.help = rm_help,
	.run = run_snapshot_rm,
};

static const struct ctl_command *const parts[] = { &snapshot_create, &snapshot_list, &snapshot_rm, NULL };

static const char help[] =
	"  create VOLUME NAME   keep what it is now, while it is at work\n"
	"  list VOLUME          its snapshots\n"
	"  rm VOLUME NAME       delete one\n"
	"\n"
	"VOLUME@NAME is what `chunkctl volume export' and `verify' take.\n"
	"`chunkctl snapshot COMMAND --help' tells more of one.\n";

static int run_snapshots(const struct ctl_command *cmd, int argc, char **argv)
{
	return ctl_run_part(cmd, parts, argc, argv);
}

const struct ctl_command ctl_cmd_snapshot = {
	.name = "snapshot",
	.synopsis = "COMMAND [OPTION]... ARGUMENT...",
	.summary = "What volumes were, to be kept",
	.help = help,
	.run = run_snapshots,
};
