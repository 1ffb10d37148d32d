/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What chunkctl says: exit codes, messages, numbers for people, and the numbers that people give it.
 * The parts below the subcommands use no more of them than this.
 */
#ifndef CTL_SAY_H
#define CTL_SAY_H

#include <stdint.h>
#include <jansson.h>

/* Exit codes; documented in `chunkctl help`. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,		/* said why on stderr */
	CTL_USAGE = 2,		/* wrong arguments; nothing was done */
	CTL_DAMAGE = 3,		/* trouble was found: damage, a disk that is not well, or only a
				 * part could be shown */
	CTL_TAKEN = 4,		/* somebody else has it, or what is here forks from what is there: a
				 * person has to decide */
	CTL_ODD = 5,		/* nothing fails or waits, but something is not as it should be */
};

/* ---- messages: one line on stderr, "chunkctl NAME: ..." ---- */
/* The subcommand that they are of from now on. */
void ctl_say_for(const char *command);
void ctl_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ctl_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same as ctl_err(), plus a pointer to --help; returns CTL_USAGE. */
int ctl_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Write out as one line on stdout and drop the reference. */
int ctl_print_json(json_t *out);
/* Flush stdout; a full disk behind it is an error, not silence.  Returns code or CTL_FAILED. */
int ctl_finish(int code);

/* ---- numbers ---- */
/* Whole decimal number of [min, max], or CTL_USAGE with a message that names the option. */
int ctl_parse_number(const char *option, const char *s, uint64_t min, uint64_t max,
		     uint64_t *ret_value);
#define CTL_INTERVAL_MIN_MS 200
#define CTL_INTERVAL_MAX_MS 3600000
/* Seconds between two looks, with a fraction if need be; 0 or CTL_USAGE. */
int ctl_parse_interval(const char *option, const char *s, unsigned int *ret_ms);
/* Sizes as cc_parse_bytes() reads them. */
int ctl_parse_size(const char *option, const char *s, uint64_t *ret_bytes);

#define CTL_SIZE_TEXT 32
/* "1.5 GiB", "512 B"; returns buf. */
const char *ctl_size_text(uint64_t bytes, char buf[CTL_SIZE_TEXT]);

#endif
