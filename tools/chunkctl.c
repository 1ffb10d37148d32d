// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl: the table of subcommands.  What one does is in its own cmd-*.c.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "command.h"

static const struct ctl_command *const commands[] = {
	&ctl_cmd_format,
	&ctl_cmd_journal,
	&ctl_cmd_import,
	&ctl_cmd_export,
	&ctl_cmd_images,
	&ctl_cmd_verify,
	&ctl_cmd_rm,
	&ctl_cmd_gc,
	&ctl_cmd_pool_up,
	&ctl_cmd_pool_resize,
	&ctl_cmd_pool_move,
	&ctl_cmd_pool_retry,
	&ctl_cmd_scrub,
	&ctl_cmd_pool_down,
	&ctl_cmd_up,
	&ctl_cmd_down,
	&ctl_cmd_stat,
	&ctl_cmd_top,
	&ctl_cmd_map,
	&ctl_cmd_explain,
	&ctl_cmd_cost,
	&ctl_cmd_prefetch,
	&ctl_cmd_cached,
	&ctl_cmd_warm,
	&ctl_cmd_record,
	&ctl_cmd_volume,
	&ctl_cmd_snapshot,
	&ctl_cmd_version,
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void list_commands(FILE *out)
{
	size_t i;

	fprintf(out,
		"Usage: chunkctl COMMAND [OPTION]... [ARGUMENT]...\n\n"
		"Make and look after images, pools and disks of dm-chunkcache.\n\nCommands:\n");
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out,
		"\n`chunkctl COMMAND --help' tells more of one.\n\n"
		"Exit status: 0 done; 1 failed, the reason is on stderr; 2 wrong arguments,\n"
		"nothing was done; 3 trouble was found: damage, a disk that is not well, or\n"
		"only a part could be shown; 4 somebody else has it; 5 something is odd, nothing\n"
		"is broken.\n");
}

static const struct ctl_command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int main_option(const char *option, const char *argument)
{
	const struct ctl_command *cmd;

	if (!strcmp(option, "--version") || !strcmp(option, "-V")) {
		puts("chunkctl " CHUNKCACHE_VERSION);
		return ctl_finish(CTL_OK);
	}
	if (strcmp(option, "--help") && strcmp(option, "-h") && strcmp(option, "help"))
		return ctl_usage("'%s': no such command", option);
	if (!argument) {
		list_commands(stdout);
		return ctl_finish(CTL_OK);
	}
	cmd = find_command(argument);
	return cmd ? ctl_help(cmd) : ctl_usage("'%s': no such command", argument);
}

int main(int argc, char **argv)
{
	const struct ctl_command *cmd;

	if (argc < 2) {
		list_commands(stderr);
		return CTL_USAGE;
	}
	cmd = find_command(argv[1]);
	if (!cmd)
		return main_option(argv[1], argv[2]);
	ctl_say_for(cmd->name);
	opterr = 0;
	return cmd->run(cmd, argc - 1, argv + 1);
}
