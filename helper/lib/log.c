// SPDX-License-Identifier: GPL-2.0-or-later
/* Log lines: formats a line and writes it in one write(), so that lines of threads do not mix. */
#include "log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "utf8.h"

static atomic_int max_level = LOG_INFO;

void cc_log_level(int level)
{
	max_level = level;
}

void cc_log(int level, const char *fmt, ...)
{
	char line[1024];
	size_t len = 0;
	va_list args;
	int n;

	if (level > max_level)
		return;
	if (!isatty(STDERR_FILENO))
		len = (size_t)snprintf(line, sizeof(line), "<%d>", level);
	va_start(args, fmt);
	n = vsnprintf(line + len, sizeof(line) - len - 1, fmt, args);
	va_end(args);
	if (n < 0)
		return;
	/* What was cut in the middle of a character ends with a '?'. */
	len = strlen(cc_utf8_clean(line));
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nobody is left to be told */
}
