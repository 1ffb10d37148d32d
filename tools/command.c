// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Help, options and operands that subcommands have in common; see command.h.
 */
#include "command.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "dm.h"

int ctl_help(const struct ctl_command *cmd)
{
	printf("Usage: chunkctl %s %s\n\n%s.\n%s%s", cmd->name, cmd->synopsis, cmd->summary,
	       cmd->help[0] ? "\n" : "", cmd->help);
	return ctl_finish(CTL_OK);
}

int ctl_bad_option(int c, char **argv)
{
	const char *option = argv[optind - 1];

	/* optopt holds a short option's letter; a long one's number is of no use to people. */
	if (c == ':')
		return ctl_usage("%s: needs an argument", option);
	if (optopt > 0 && optopt < 256)
		return ctl_usage("-%c: no such option", optopt);
	if (optopt)
		return ctl_usage("%s: takes no argument", option);
	return ctl_usage("%s: no such option, or ambiguous", option);
}

int ctl_operands(int argc, int want, const char *what)
{
	if (argc - optind == want)
		return 0;
	return ctl_usage("expected %s, got %d argument%s", what, argc - optind,
			 argc - optind == 1 ? "" : "s");
}

int ctl_name_operand(int argc, char **argv, int want, const char *what)
{
	int r = ctl_operands(argc, want, what);

	if (r || ctl_dm_name_ok(argv[optind]))
		return r;
	return ctl_usage("'%s': expected a name of [a-zA-Z0-9._-]", argv[optind]);
}

int ctl_run_part(const struct ctl_command *cmd, const struct ctl_command *const *parts, int argc, char **argv)
{
	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return argc < 2 ? ctl_usage("expected one of its commands") : ctl_help(cmd);
	for (; *parts; parts++) {
		if (strcmp((*parts)->name + strlen(cmd->name) + 1, argv[1]))
			continue;
		ctl_say_for((*parts)->name);
		return (*parts)->run(*parts, argc - 1, argv + 1);
	}
	return ctl_usage("'%s': no such command", argv[1]);
}

/* The command line of what takes --help and one more option, without a value. */
static bool one_option(const struct ctl_command *cmd, int argc, char **argv, const char *name, bool *ret_given,
		       int *ret_status)
{
	const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ name, no_argument, NULL, CTL_OPT_ONE },
		{ 0 }
	};
	int c;

	*ret_given = false;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c != CTL_OPT_ONE) {
			*ret_status = c == CTL_OPT_HELP ? ctl_help(cmd) : ctl_bad_option(c, argv);
			return false;
		}
		*ret_given = true;
	}
	return true;
}

bool ctl_json_option(const struct ctl_command *cmd, int argc, char **argv, bool *ret_json, int *ret_status)
{
	return one_option(cmd, argc, argv, "json", ret_json, ret_status);
}

int ctl_run_remove(const struct ctl_command *cmd, int argc, char **argv, const char *what,
		   int (*remove)(const char *name, bool force))
{
	bool force;
	int r;

	if (!one_option(cmd, argc, argv, "force", &force, &r))
		return r;
	r = ctl_name_operand(argc, argv, 1, what);
	if (r)
		return r;
	return remove(argv[optind], force);
}
