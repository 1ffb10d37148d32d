// SPDX-License-Identifier: GPL-2.0-or-later
/* chunkctl scrub: the helper reads and hashes all slots of a pool. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "ask.h"
#include "clock.h"
#include "command.h"
#include "progress.h"
#include "scan.h"

#define PERIOD_MS 200

static const char scrub_help[] =
	"What the pool's slots hold is read and hashed, as the helper does by itself once\n"
	"in scrub_interval.  A slot with other bytes than were written there is dropped,\n"
	"the next reader gets its chunk from the store; one whose medium fails is not\n"
	"used again.  Gives way to readers that wait.  Exit status 3 if there was any.\n"
	"If it is interrupted, that goes on in the helper.\n"
	"\n"
	"  --rate SIZE          so many bytes a second at most, such as 200M\n"
	"  --stop               end one that goes on\n"
	"  --json               print what was found as JSON\n";

struct scrub_pass {
	const char *pool;
	bool json;
	uint64_t checked, bytes, wrong, bad, unread; /* at first */
};

/* The helper's figures, or NULL after a message. */
static json_t *ask_scrub(const char *pool, json_t *args)
{
	struct ctl_asked asked;
	json_t *answer = ctl_ask(pool, args ? "scrub" : "stat", args, CTL_ASK_SECONDS, &asked), *figures;

	if (!answer) {
		ctl_err("helper of %s: %s", pool, asked.why);
		return NULL;
	}
	figures = args ? json_incref(answer) : json_incref(json_object_get(answer, "scrub"));
	json_decref(answer);
	if (!figures)
		ctl_err("helper of %s: the session has ended; how far it came is not known", pool);
	return figures;
}

/* First what the helper has counted before; then, with another answer, what it has since. */
static void take_scrub(struct scrub_pass *p, const json_t *f)
{
	p->checked = ctl_number(f, "checked") - p->checked;
	p->bytes = ctl_number(f, "bytes") - p->bytes;
	p->wrong = ctl_number(f, "wrong") - p->wrong;
	p->bad = ctl_number(f, "bad") - p->bad;
	p->unread = ctl_number(f, "unread") - p->unread;
}

static int print_scrub(const struct scrub_pass *p)
{
	char size[CTL_SIZE_TEXT];
	int code = p->wrong || p->bad || p->unread ? CTL_DAMAGE : CTL_OK;

	if (p->json)
		return ctl_print_json(json_pack("{s:i, s:s, s:I, s:I, s:I, s:I, s:I}", "v", 1, "pool", p->pool,
						"checked", (json_int_t)p->checked, "bytes", (json_int_t)p->bytes,
						"wrong", (json_int_t)p->wrong, "bad", (json_int_t)p->bad,
						"unread", (json_int_t)p->unread)) ?: code;
	printf("%s: %" PRIu64 " slots checked, %s", p->pool, p->checked, ctl_size_text(p->bytes, size));
	if (p->wrong)
		printf("; %" PRIu64 " with wrong bytes, dropped", p->wrong);
	if (p->bad)
		printf("; %" PRIu64 " whose medium fails, not used again", p->bad);
	if (p->unread)
		printf("; %" PRIu64 " could not be read, left as they are", p->unread);
	printf("%s\n", code ? "" : "; all good");
	return code;
}

/* Until the helper has come to the last slot. */
static int wait_for_scrub(struct scrub_pass *p)
{
	struct timespec pause = { 0, PERIOD_MS * CC_MS };
	struct ctl_progress progress;
	bool going = true;
	uint64_t shown = 0;
	json_t *f = NULL;

	while (going) {
		nanosleep(&pause, NULL);
		json_decref(f);
		f = ask_scrub(p->pool, NULL);
		if (!f)
			break;
		if (!shown)
			ctl_progress_start(&progress, "scrub", ctl_number(f, "slots"));
		going = json_is_true(json_object_get(f, "asked"));
		ctl_progress_add(&progress, ctl_number(f, "position") - shown);
		shown = ctl_number(f, "position");
	}
	if (shown)
		ctl_progress_end(&progress);
	if (!f)
		return CTL_FAILED;
	if (ctl_number(f, "position") < ctl_number(f, "slots")) {
		ctl_err("%s: ended before its last slot: it was stopped, or the helper started anew", p->pool);
		json_decref(f);
		return CTL_FAILED;
	}
	take_scrub(p, f);
	json_decref(f);
	return print_scrub(p);
}

static int scrub(struct scrub_pass *p, uint64_t rate, bool stop)
{
	json_t *args = stop ? json_pack("{s:b}", "stop", 1) : json_object(), *f;

	if (rate)
		json_object_set_new(args, "rate", json_integer((json_int_t)rate));
	f = ask_scrub(p->pool, args);
	if (!f)
		return CTL_FAILED;
	take_scrub(p, f);
	json_decref(f);
	return stop ? CTL_OK : wait_for_scrub(p);
}

static int run_scrub(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "rate", required_argument, NULL, 'r' },
		{ "stop", no_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ 0 }
	};
	struct scrub_pass p = { 0 };
	uint64_t rate = 0;
	bool stop = false;
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c == 'r') {
			r = ctl_parse_size("--rate", optarg, &rate);
			if (r)
				return r;
			if (!rate)
				return ctl_usage("--rate: expected more than 0");
		} else if (c == 's') {
			stop = true;
		} else if (c == 'j') {
			p.json = true;
		} else {
			return ctl_bad_option(c, argv);
		}
	}
	r = ctl_name_operand(argc, argv, 1, "one POOL");
	if (r)
		return r;
	p.pool = argv[optind];
	return ctl_finish(scrub(&p, rate, stop));
}

const struct ctl_command ctl_cmd_scrub = {
	.name = "scrub",
	.synopsis = "POOL [--rate SIZE] [--stop] [--json]",
	.summary = "Read and hash what is cached",
	.help = scrub_help,
	.run = run_scrub,
};
