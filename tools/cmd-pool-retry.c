// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl pool-retry-bad: slots that were given up are used again.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "dm.h"

static const char retry_help[] =
	"Slots become bad when the cache device names their medium as the reason of an\n"
	"error, or fails them twice while others work.  They are used again after this;\n"
	"those that still fail become bad again.\n";

static int retry_bad(const char *name)
{
	struct ctl_dm_device d;
	char answer[32];
	int r = ctl_dm_get(name, CTL_DM_TABLE, &d);

	if (r) {
		ctl_err("%s: %s", name, r == -ENXIO ? "no such pool" : ctl_dm_reason(r));
		return CTL_FAILED;
	}
	if (strcmp(d.type, CTL_TARGET_POOL)) {
		ctl_err("%s: is no pool (its target is %s)", name, d.type[0] ? d.type : "none");
		ctl_dm_free(&d);
		return CTL_FAILED;
	}
	ctl_dm_free(&d);
	r = ctl_dm_message(name, "retry_bad", answer, sizeof(answer));
	if (r) {
		ctl_err("%s: %s", name, ctl_dm_reason(r));
		return CTL_FAILED;
	}
	if (!strcmp(answer, "0"))
		printf("%s: no bad slots\n", name);
	else
		printf("%s: %s slots that were bad are used again\n", name, answer);
	return CTL_OK;
}

static int run_retry_bad(const struct ctl_command *cmd, int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ 0 }
	};
	int c = getopt_long(argc, argv, ":h", options, NULL), r;

	if (c != -1)
		return c == CTL_OPT_HELP ? ctl_help(cmd) : ctl_bad_option(c, argv);
	r = ctl_name_operand(argc, argv, 1, "one POOL");
	return r ? r : ctl_finish(retry_bad(argv[optind]));
}

const struct ctl_command ctl_cmd_pool_retry = {
	.name = "pool-retry-bad",
	.synopsis = "POOL",
	.summary = "Use slots again that were given up",
	.help = retry_help,
	.run = run_retry_bad,
};
