/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every subcommand of chunkctl shares: the table of subcommands, exit codes, messages,
 * and how numbers are shown.
 */
#ifndef CHUNKCTL_H
#define CHUNKCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

/* Exit codes; documented in `chunkctl help`. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,		/* said why on stderr */
	CTL_USAGE = 2,		/* wrong arguments; nothing was done */
	CTL_DAMAGE = 3,		/* trouble was found: damage, a disk that is not well, or only a
				 * part could be shown */
};

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
	ctl_cmd_pool_resize, ctl_cmd_stat, ctl_cmd_top, ctl_cmd_map, ctl_cmd_explain, ctl_cmd_cost,
	ctl_cmd_gc, ctl_cmd_prefetch, ctl_cmd_cached, ctl_cmd_warm, ctl_cmd_record;

/* ---- messages: one line on stderr, "chunkctl NAME: ..." ---- */
void ctl_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ctl_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same as ctl_err(), plus a pointer to --help; returns CTL_USAGE. */
int ctl_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* --help of cmd on stdout; returns CTL_OK. */
int ctl_help(const struct ctl_command *cmd);
/* For getopt's '?' and ':' (opterr is 0, optstring starts with ':'); returns CTL_USAGE. */
int ctl_bad_option(int c, char **argv);
/* Complains unless argc - optind is want; names what is wanted.  0 or CTL_USAGE. */
int ctl_operands(int argc, int want, const char *what);
/* The same, where the first one names a dm device. */
int ctl_name_operand(int argc, char **argv, int want, const char *what);
/* The command line of what removes a dm device: one name (what), --force; calls remove. */
int ctl_run_remove(const struct ctl_command *cmd, int argc, char **argv, const char *what,
		   int (*remove)(const char *name, bool force));
/* Write out as one line on stdout and drop the reference. */
int ctl_print_json(json_t *out);
/* Flush stdout; a full disk behind it is an error, not silence.  Returns code or CTL_FAILED. */
int ctl_finish(int code);

/* ---- options shared by many ---- */
enum {
	CTL_OPT_HELP = 'h',
	CTL_OPT_JSON = 0x100,
	CTL_OPT_FORCE,
	CTL_OPT_STORE_FIRST = 0x200,	/* store-opts.h */
};
/* Whole decimal number of [min, max], or CTL_USAGE with a message that names the option. */
int ctl_parse_number(const char *option, const char *s, uint64_t min, uint64_t max,
		     uint64_t *ret_value);
/* Sizes as cc_parse_bytes() reads them. */
int ctl_parse_size(const char *option, const char *s, uint64_t *ret_bytes);

/* ---- numbers for people ---- */
#define CTL_SIZE_TEXT 32
/* "1.5 GiB", "512 B"; returns buf. */
const char *ctl_size_text(uint64_t bytes, char buf[CTL_SIZE_TEXT]);
uint64_t ctl_now_ns(void);

#endif
