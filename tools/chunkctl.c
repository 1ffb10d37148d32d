// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl: the table of subcommands, help, messages, and the parsing of plain options.
 * What a subcommand does is in its own cmd-*.c.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "chunkctl.h"
#include "dm.h"
#include "config.h"

static const struct ctl_command *const commands[] = {
	&ctl_cmd_format,
	&ctl_cmd_import,
	&ctl_cmd_export,
	&ctl_cmd_images,
	&ctl_cmd_verify,
	&ctl_cmd_rm,
	&ctl_cmd_gc,
	&ctl_cmd_pool_up,
	&ctl_cmd_pool_resize,
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
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/* The subcommand that runs, for messages. */
static const char *running;

static void message(const char *fmt, va_list ap)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, ap);
	fprintf(stderr, "chunkctl%s%s: %s\n", running ? " " : "", running ? running : "", line);
}

void ctl_err(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

void ctl_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
}

int ctl_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try `chunkctl %s%s--help'.\n", running ? running : "", running ? " " : "");
	return CTL_USAGE;
}

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

int ctl_run_remove(const struct ctl_command *cmd, int argc, char **argv, const char *what,
		   int (*remove)(const char *name, bool force))
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, CTL_OPT_HELP },
		{ "force", no_argument, NULL, CTL_OPT_FORCE },
		{ 0 }
	};
	bool force = false;
	int c, r;

	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == CTL_OPT_HELP)
			return ctl_help(cmd);
		if (c != CTL_OPT_FORCE)
			return ctl_bad_option(c, argv);
		force = true;
	}
	r = ctl_name_operand(argc, argv, 1, what);
	if (r)
		return r;
	return remove(argv[optind], force);
}

int ctl_print_json(json_t *out)
{
	int r;

	if (!out) {
		ctl_err("out of memory");
		return CTL_FAILED;
	}
	r = json_dumpf(out, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(out);
	return r ? CTL_FAILED : CTL_OK;
}

int ctl_finish(int code)
{
	if (fflush(stdout) || ferror(stdout)) {
		ctl_err("standard output: %s", strerror(errno));
		return CTL_FAILED;
	}
	return code;
}

int ctl_parse_number(const char *option, const char *s, uint64_t min, uint64_t max,
		     uint64_t *ret_value)
{
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(s, &end, 10);
	if (s[0] < '0' || s[0] > '9' || *end || errno || value < min || value > max)
		return ctl_usage("%s: expected a number from %" PRIu64 " to %" PRIu64 ", got '%s'",
				 option, min, max, s);
	*ret_value = value;
	return 0;
}

int ctl_parse_size(const char *option, const char *s, uint64_t *ret_bytes)
{
	if (cc_parse_bytes(s, ret_bytes))
		return ctl_usage("%s: expected a size such as 65536, 512K, 1M or 2G, got '%s'",
				 option, s);
	return 0;
}

const char *ctl_size_text(uint64_t bytes, char buf[CTL_SIZE_TEXT])
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes;
	unsigned int u = 0;

	while (value >= 1024 && u < sizeof(units) / sizeof(units[0]) - 1) {
		value /= 1024;
		u++;
	}
	if (!u || value == (uint64_t)value)
		snprintf(buf, CTL_SIZE_TEXT, "%" PRIu64 " %s", (uint64_t)value, units[u]);
	else
		snprintf(buf, CTL_SIZE_TEXT, "%.1f %s", value, units[u]);
	return buf;
}

uint64_t ctl_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void list_commands(FILE *out)
{
	size_t i;

	fprintf(out,
		"Usage: chunkctl COMMAND [OPTION]... [ARGUMENT]...\n\n"
		"Make and look after images, pools and disks of dm-chunkcache.\n\nCommands:\n");
	for (i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out,
		"\n`chunkctl COMMAND --help' tells more of one.\n\n"
		"Exit status: 0 done; 1 failed, the reason is on stderr; 2 wrong arguments,\n"
		"nothing was done; 3 trouble was found: damage, a disk that is not well, or\n"
		"only a part could be shown.\n");
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
	running = cmd->name;
	opterr = 0;
	return cmd->run(cmd, argc - 1, argv + 1);
}
