// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl volume rescue and discard-local: what a pool of this host wrote to a volume that another host went on
 * without.  The pool's helper does it; this asks, and waits.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "uuid.h"
#include "volume-arg.h"
#include "volume-here.h"
#include "volume/volume-name.h"

#define ASK_SECONDS	30
#define LOOK_NS		(300 * CC_MS)

static const char rescue_help[] =
	"Another host took the volume over, and a pool of this one has writes of before\n"
	"that no store has.  Makes a new volume: the old one as this host had it, with\n"
	"those writes.  The old volume stays as it is, and so does what the pool has,\n"
	"until `chunkctl volume discard-local'.\n"
	"\n"
	"  --as NEW             name of the new volume\n"
	"  --json               print the names of both and of the pool as JSON\n"
	"  --config FILE        default: /etc/chunkcache/*.conf; --store is a [store] section\n"
	"                       of it and of the helper's\n"
	"\n";

static const char discard_help[] =
	"Gives up what a pool of this host has of the volume and no store has, so that\n"
	"the volume can be opened here again, as the store has it.  Says how much that\n"
	"is, and does it with --force, or after a rescue.\n"
	"\n"
	"  --force              it is lost\n"
	"  --json               print the pool, and how much it gives up, as JSON\n"
	"\n"
	CTL_STORE_HELP;

struct volume_fork {
	const char *name;
	struct ctl_volume_args args;
	char uuid[CC_UUID_TEXT];
	char store[64];
	json_t *figures;		/* of the pool that has it */
};

/* From the name to what a pool of this host has of it. */
static int find_fork(struct volume_fork *f)
{
	struct ctl_volume v;
	int r = ctl_volume_open(&f->args.opts, f->name, &v);

	if (!r) {
		cc_uuid_text(v.uuid, f->uuid);
		snprintf(f->store, sizeof(f->store), "%s", v.store.name);
	}
	ctl_volume_close(&v);
	if (r)
		return r;
	f->figures = ctl_volume_ask_all(f->uuid);
	if (ctl_volume_is_dirty(f->figures))
		return 0;
	ctl_err("%s: no pool of this host, whose helper runs, has anything of it that no store has", f->name);
	return CTL_FAILED;
}

static int ask_about_fork(const struct volume_fork *f, const char *command, json_t *args)
{
	struct ctl_asked asked;
	json_t *answer = ctl_ask(ctl_string(f->figures, "pool"), command, args, ASK_SECONDS, &asked);

	json_decref(answer);
	if (answer)
		return 0;
	ctl_err("%s: the helper of %s: %s", f->name, ctl_string(f->figures, "pool"), asked.why);
	return CTL_FAILED;
}

/* What the pool has of it a moment later; NULL: nothing, or the helper can't be asked, which asked tells. */
static json_t *look_at_fork(const struct volume_fork *f, struct ctl_asked *asked)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };

	nanosleep(&look, NULL);
	return ctl_volume_ask(ctl_string(f->figures, "pool"), f->uuid, asked);
}

/* Its state of the rescue; NULL: it can't be asked. */
static const char *look_at_rescue(struct volume_fork *f)
{
	struct ctl_asked asked;
	json_t *now = look_at_fork(f, &asked);

	if (!now) {
		ctl_err("%s: the helper of %s: %s", f->name, ctl_string(f->figures, "pool"),
			asked.result ? asked.why : "has forgotten the volume");
		return NULL;
	}
	json_object_set_new(now, "pool", json_string(ctl_string(f->figures, "pool")));
	json_decref(f->figures);
	f->figures = now;
	return ctl_string(now, "rescue");
}

static int rescue_volume(struct volume_fork *f)
{
	const char *how;
	int r = find_fork(f);

	if (!r)
		r = ask_about_fork(f, "volume-rescue", json_pack("{s:s, s:s, s:s}", "volume", f->uuid, "store", f->store,
							     "as", f->args.as));
	if (r)
		return r;
	do {
		how = look_at_rescue(f);
	} while (how && !strcmp(how, "running"));
	if (!how)
		return CTL_FAILED;
	if (strcmp(how, "done")) {
		ctl_err("%s: %s", f->name, how);
		return CTL_FAILED;
	}
	ctl_note("%s: rescued as %s; `chunkctl volume discard-local %s' frees what is here", f->name, f->args.as, f->name);
	return f->args.json ? ctl_print_json(json_pack("{s:s, s:s, s:s}", "name", f->name, "as", f->args.as,
						       "pool", ctl_string(f->figures, "pool"))) : CTL_OK;
}

static int run_volume_rescue(const struct ctl_command *cmd, int argc, char **argv)
{
	char object[CC_OBJECT_NAME_MAX];
	struct volume_fork f = { 0 };
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "aj", &f.args, &r))
		return r;
	r = ctl_operands(argc, 1, "one NAME");
	if (r)
		return r;
	f.name = argv[optind];
	if (!f.args.as || cc_volume_name(f.args.as, object))
		return ctl_usage("%s: expected --as and a name of 1 to %d of [a-zA-Z0-9._-]", f.name, CC_IMAGE_NAME_MAX);
	if (f.args.opts.store && strstr(f.args.opts.store, "://"))
		return ctl_usage("--store: expected the name of a [store] section, which the helper has, too");
	r = rescue_volume(&f);
	json_decref(f.figures);
	return ctl_finish(r);
}

const struct ctl_command ctl_volume_rescue = {
	.name = "volume rescue",
	.synopsis = "NAME --as NEW [--store S] [OPTION]...",
	.summary = "Make a volume of what another host went on without",
	.help = rescue_help,
	.run = run_volume_rescue,
};

/* Until the journal has nothing of it. */
static int wait_until_discarded(const struct volume_fork *f)
{
	struct ctl_asked asked;
	json_t *now;

	while ((now = look_at_fork(f, &asked)) != NULL)
		json_decref(now);
	if (!asked.result)
		return CTL_OK;
	ctl_err("%s: the helper of %s: %s; it may not have been given up", f->name, ctl_string(f->figures, "pool"), asked.why);
	return CTL_FAILED;
}

static int discard_fork(struct volume_fork *f)
{
	char dirty[CTL_DIRTY_TEXT];
	int r = find_fork(f);

	if (r)
		return r;
	ctl_volume_dirty_text(f->figures, dirty);
	if (!f->args.force && !*ctl_string(f->figures, "rescued_as")) {
		ctl_err("%s: pool %s has what no store has: %s; `chunkctl volume rescue %s --as NEW' keeps it, --force loses it",
			f->name, ctl_string(f->figures, "pool"), dirty, f->name);
		return CTL_FAILED;
	}
	r = ask_about_fork(f, "volume-discard", json_pack("{s:s}", "volume", f->uuid));
	if (!r)
		r = wait_until_discarded(f);
	if (r)
		return r;
	ctl_note("%s: pool %s gives up: %s", f->name, ctl_string(f->figures, "pool"), dirty);
	return f->args.json ? ctl_print_json(json_pack("{s:s, s:s, s:I}", "name", f->name,
						       "pool", ctl_string(f->figures, "pool"), "dirty_bytes",
						       (json_int_t)ctl_number(f->figures, "dirty_bytes"))) : CTL_OK;
}

static int run_volume_discard(const struct ctl_command *cmd, int argc, char **argv)
{
	struct volume_fork f = { 0 };
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "fj", &f.args, &r))
		return r;
	r = ctl_operands(argc, 1, "one NAME");
	if (r)
		return r;
	f.name = argv[optind];
	r = discard_fork(&f);
	json_decref(f.figures);
	return ctl_finish(r);
}

const struct ctl_command ctl_volume_discard = {
	.name = "volume discard-local",
	.synopsis = "NAME [--force] [--store S] [OPTION]...",
	.summary = "Give up what this host has and no store",
	.help = discard_help,
	.run = run_volume_discard,
};
