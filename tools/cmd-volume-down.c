// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl volume down: the device goes at once; what only this host has then goes to the store, for a bounded time.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "progress.h"
#include "volume-arg.h"
#include "volume-here.h"

#define WAIT_DEFAULT	120		/* seconds */
#define LOOK_NS		(300 * CC_MS)
#define TELL_NS		(10 * CC_SECOND)
#define SEEN_AFTER_NS	(2 * CC_SECOND)	/* that the device is gone, by the helper */

static const char down_help[] =
	"Removes the device, then waits until the pool's helper has brought to the store\n"
	"what only this host has, and has closed the volume: then any host may open it.\n"
	"A helper that has just been started opens the volume before the device goes.\n"
	"Refused while the device is open.  What is not there in time stays in the pool:\n"
	"it goes to the store as soon as the helper can, and until then another host\n"
	"opens the volume with --take-over only, and without it.\n"
	"\n"
	"  --wait SECONDS       how long in all, default 120\n"
	"  --now                do not wait, but say what is left\n"
	"  --json               print how it ended as JSON\n"
	"  --config FILE        default /etc/chunkcache/POOL.conf, which has the store\n"
	"\n";

struct volume_down {
	const char *name;
	struct ctl_volume_args args;
	struct ctl_volume_device device;
	struct ctl_volume v;
	struct ctl_progress progress;
	uint64_t end_ns;		/* of all waiting */
	uint64_t left;			/* bytes, at the last look */
};

static void pause_between_looks(void)
{
	struct timespec look = { .tv_nsec = LOOK_NS };

	nanosleep(&look, NULL);
}

/* The store is the one that the table names. */
static int open_log(struct volume_down *d)
{
	static char config[CTL_DM_NAME_MAX + 64];

	snprintf(config, sizeof(config), CC_CONFIG_DIR "/%s.conf", d->device.pool);
	if (!d->args.opts.config)
		d->args.opts.config = config;
	if (!d->args.opts.store)
		d->args.opts.store = d->device.table.store;
	return ctl_volume_open(&d->args.opts, d->device.table.uuid, &d->v);
}

static int remove_device(const struct volume_down *d)
{
	int r = ctl_dm_remove(d->name);

	if (!r)
		return 0;
	ctl_err("%s: %s", d->name, r == -EBUSY ? "is open (mounted, or part of another device)" : ctl_dm_reason(r));
	return CTL_FAILED;
}

static int finish_down(const struct volume_down *d, bool closed, const json_t *figures, int code)
{
	if (d->args.json &&
	    ctl_print_json(json_pack("{s:s, s:b, s:b, s:I}", "name", d->name, "closed", (int)closed,
				     "dirty", (int)ctl_volume_is_dirty(figures),
				     "dirty_bytes", (json_int_t)ctl_number(figures, "dirty_bytes"))))
		return CTL_FAILED;
	return ctl_finish(code);
}

/* ---- before the device goes ---- */

/* It commits what it has opened, with or without a device; what failed it says. */
static bool helper_has_it(const json_t *figures)
{
	const char *state = ctl_string(figures, "state");

	return figures && strcmp(state, "opening") && strcmp(state, "left");
}

static void tell_waiting(const struct volume_down *d, const json_t *figures, const struct ctl_asked *asked)
{
	const char *why = json_string_value(json_object_get(figures, "why"));

	ctl_note("%s: waiting for the helper of %s to open it: %s", d->name, d->device.pool,
		 why ? why : asked->result ? asked->why : "not yet");
}

/* Without a device a helper opens nothing: what is dirty would stay here until the next `up'. */
static void wait_until_opened(const struct volume_down *d)
{
	uint64_t tell_ns = cc_now_ns() + CC_SECOND;
	struct ctl_asked asked;

	for (;;) {
		json_t *f = ctl_volume_ask(d->device.pool, d->device.table.uuid, &asked);
		uint64_t now_ns = cc_now_ns();
		bool done = helper_has_it(f) || now_ns >= d->end_ns;

		if (!done && now_ns >= tell_ns) {
			tell_waiting(d, f, &asked);
			tell_ns = now_ns + TELL_NS;
		}
		json_decref(f);
		if (done)
			return;
		pause_between_looks();
	}
}

/* ---- without waiting ---- */

static void say_where_it_is(const struct volume_down *d)
{
	ctl_note("%s: what is left stays in pool %s; its helper, as long as it runs, goes on bringing it to the store, else "
		 "`chunkctl volume up' on this host does; a host that takes the volume over before has not got it",
		 d->name, d->device.pool);
}

/* Of a helper that has seen that the device is gone, and read what was journaled at last. */
static json_t *ask_when_seen(const struct volume_down *d, struct ctl_asked *ret_asked)
{
	uint64_t end = cc_now_ns() + SEEN_AFTER_NS;
	json_t *f;

	for (;;) {
		f = ctl_volume_ask(d->device.pool, d->device.table.uuid, ret_asked);
		if (!f || cc_now_ns() > end || !strcmp(ctl_string(f, "state"), "closing"))
			return f;
		json_decref(f);
		pause_between_looks();
	}
}

static int leave_it(const struct volume_down *d)
{
	char dirty[CTL_DIRTY_TEXT];
	struct ctl_asked asked;
	json_t *f = ask_when_seen(d, &asked);
	int r;

	if (!f && asked.result)
		ctl_note("%s: how much of it is in no store is not known: %s", d->name, asked.why);
	else if (ctl_volume_is_dirty(f))
		ctl_note("%s: in no store yet: %s", d->name, ctl_volume_dirty_text(f, dirty));
	if (f ? ctl_volume_is_dirty(f) : asked.result)
		say_where_it_is(d);
	r = finish_down(d, false, f, CTL_OK);
	json_decref(f);
	return r;
}

/* ---- until it is closed ---- */

static void show_left(struct volume_down *d, const json_t *figures)
{
	uint64_t left = ctl_number(figures, "dirty_bytes");

	if (left > d->left || !d->progress.what)
		ctl_progress_start(&d->progress, d->name, left);
	else
		ctl_progress_add(&d->progress, d->left - left);
	d->left = left;
}

/* The helper has no more to do with it: does the store say so, too? */
static int check_closed(struct volume_down *d)
{
	int r = open_log(d);

	if (r)
		return r;
	if (cc_volume_log_closed(&d->v.state.log))
		return finish_down(d, true, NULL, CTL_OK);
	ctl_err("%s: the device is gone, but the volume is not closed; see `chunkctl volume show %s', and the log of the "
		"helper of %s", d->name, d->device.table.uuid, d->device.pool);
	return finish_down(d, false, NULL, CTL_FAILED);
}

/* Its helper was started anew when the device had gone, or never had it. */
static bool is_left(const json_t *figures)
{
	return figures && !strcmp(ctl_string(figures, "state"), "left");
}

static int not_in_time(const struct volume_down *d, const json_t *figures, const struct ctl_asked *asked)
{
	const char *why = json_string_value(json_object_get(figures, "why"));
	uint64_t left_ns = cc_now_ns() < d->end_ns ? d->end_ns - cc_now_ns() : 0;
	unsigned long long waited = d->args.wait - left_ns / CC_SECOND;
	char dirty[CTL_DIRTY_TEXT];

	if (is_left(figures))
		why = "its helper had not opened it";
	if (!figures && asked->result)
		ctl_err("%s: the device is gone, but after %llu s the volume is not closed: the helper of %s: %s", d->name,
			waited, d->device.pool, asked->why);
	else
		ctl_err("%s: the device is gone, but after %llu s the volume is not closed%s%s; in no store yet: %s",
			d->name, waited, why ? ": " : "", why ? why : "", ctl_volume_dirty_text(figures, dirty));
	say_where_it_is(d);
	return finish_down(d, false, figures, CTL_FAILED);
}

static void tell_left(const struct volume_down *d, const json_t *figures, uint64_t *due_ns)
{
	char dirty[CTL_DIRTY_TEXT];

	if (d->progress.on || cc_now_ns() < *due_ns || !figures)
		return;
	ctl_note("%s: in no store yet: %s", d->name, ctl_volume_dirty_text(figures, dirty));
	*due_ns = cc_now_ns() + TELL_NS;
}

static int wait_until_closed(struct volume_down *d)
{
	uint64_t tell = cc_now_ns() + CC_SECOND;
	struct ctl_asked asked;
	json_t *f;
	int r;

	for (;;) {
		f = ctl_volume_ask(d->device.pool, d->device.table.uuid, &asked);
		if (f)
			show_left(d, f);
		tell_left(d, f, &tell);
		if ((!f && asked.result == CTL_ASK_OK) || is_left(f) || cc_now_ns() >= d->end_ns)
			break;
		json_decref(f);
		pause_between_looks();
	}
	if (d->progress.what)
		ctl_progress_end(&d->progress);
	r = !f && asked.result == CTL_ASK_OK ? check_closed(d) : not_in_time(d, f, &asked);
	json_decref(f);
	return r;
}

/* ---- the command ---- */

static int volume_down(struct volume_down *d)
{
	int r = ctl_volume_device(d->name, &d->device);
	bool waits;

	if (r)
		return r;
	d->end_ns = cc_now_ns() + d->args.wait * CC_SECOND;
	waits = !d->args.now && !strcmp(d->device.status.state, "running");
	/* Else it is refused, at once. */
	if (waits && !d->device.open_count)
		wait_until_opened(d);
	r = remove_device(d);
	if (r)
		return r;
	if (!strcmp(d->device.status.state, "failed"))
		ctl_note("%s: had failed; see `chunkctl volume show %s'", d->name, d->device.table.uuid);
	return waits ? wait_until_closed(d) : leave_it(d);
}

static int run_volume_down(const struct ctl_command *cmd, int argc, char **argv)
{
	struct volume_down d = { .args.wait = WAIT_DEFAULT };
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "njw", &d.args, &r))
		return r;
	r = ctl_name_operand(argc, argv, 1, "one NAME");
	if (r)
		return r;
	d.name = argv[optind];
	r = volume_down(&d);
	ctl_volume_close(&d.v);
	return r;
}

const struct ctl_command ctl_volume_down = {
	.name = "volume down",
	.synopsis = "NAME [--wait SECONDS|--now] [--json] [--config FILE]",
	.summary = "Remove the device of a volume, when all is in the store",
	.help = down_help,
	.run = run_volume_down,
};
