/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a subcommand is, and the options and operands that many have.
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <stdbool.h>
#include "say.h"

/* run() gets argv[0] = the subcommand's name and returns an enum ctl_exit. */
struct ctl_command {
	const char *name;
	const char *synopsis;	/* arguments, one line */
	const char *summary;	/* one line, for the list */
	const char *help;	/* the rest of --help */
	int (*run)(const struct ctl_command *cmd, int argc, char **argv);
};

extern const struct ctl_command ctl_cmd_format, ctl_cmd_import, ctl_cmd_export, ctl_cmd_images,
	ctl_cmd_verify, ctl_cmd_rm, ctl_cmd_up, ctl_cmd_down, ctl_cmd_pool_up, ctl_cmd_pool_down,
	ctl_cmd_pool_resize, ctl_cmd_pool_move, ctl_cmd_pool_retry, ctl_cmd_scrub, ctl_cmd_stat, ctl_cmd_top,
	ctl_cmd_map, ctl_cmd_explain, ctl_cmd_cost, ctl_cmd_gc, ctl_cmd_prefetch, ctl_cmd_cached,
	ctl_cmd_warm, ctl_cmd_record, ctl_cmd_volume, ctl_cmd_snapshot,
	ctl_cmd_journal, ctl_cmd_version;

/* ---- options shared by many ---- */
enum {
	CTL_OPT_HELP = 'h',
	CTL_OPT_JSON = 0x100,
	CTL_OPT_FORCE,
	CTL_OPT_ONE,
	CTL_OPT_STORE_FIRST = 0x200,	/* store-opts.h */
};

/* ---- command lines ---- */
/* --help of cmd on stdout; returns CTL_OK. */
int ctl_help(const struct ctl_command *cmd);
/* For getopt's '?' and ':' (opterr is 0, optstring starts with ':'); returns CTL_USAGE. */
int ctl_bad_option(int c, char **argv);
/* Complains unless argc - optind is want; names what is wanted.  0 or CTL_USAGE. */
int ctl_operands(int argc, int want, const char *what);
/* The same, where the first one names a dm device. */
int ctl_name_operand(int argc, char **argv, int want, const char *what);
/* Of a command of several, all up to NULL: the one that argv[1] names, and cmd is what its name begins with. */
int ctl_run_part(const struct ctl_command *cmd, const struct ctl_command *const *parts, int argc, char **argv);
/* The command line of what takes --json and no other option; false: *ret_status is what to exit with. */
bool ctl_json_option(const struct ctl_command *cmd, int argc, char **argv, bool *ret_json, int *ret_status);
/* The command line of what removes a dm device: one name (what), --force; calls remove. */
int ctl_run_remove(const struct ctl_command *cmd, int argc, char **argv, const char *what,
		   int (*remove)(const char *name, bool force));

#endif
