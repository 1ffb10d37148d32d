// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages and numbers; see say.h.
 */
#include "say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-value.h"
#include "utf8.h"

/* The subcommand that runs. */
static const char *running;

void ctl_say_for(const char *command)
{
	running = command;
}

static void message(const char *fmt, va_list ap)
{
	char line[1024];

	vsnprintf(line, sizeof(line), fmt, ap);
	cc_utf8_clean(line);
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

int ctl_parse_interval(const char *option, const char *s, unsigned int *ret_ms)
{
	char *end;
	double seconds = strtod(s, &end);

	if (s[0] < '0' || s[0] > '9' || *end || seconds < CTL_INTERVAL_MIN_MS / 1000.0 ||
	    seconds > CTL_INTERVAL_MAX_MS / 1000.0)
		return ctl_usage("%s: expected seconds from 0.2 to 3600, got '%s'", option, s);
	*ret_ms = seconds * 1000;
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
