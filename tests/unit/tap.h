/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines "ok N - name" and "not ok N - name"; a program's exit status says if any was not. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned int tap_count, tap_failed;

static inline __attribute__((format(printf, 2, 3))) bool ok(bool good, const char *fmt, ...)
{
	va_list args;

	tap_count++;
	tap_failed += !good;
	printf("%sok %u - ", good ? "" : "not ", tap_count);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	return good;
}

static inline __attribute__((format(printf, 1, 2))) void note(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

/* The end of main(). */
static inline int tap_done(void)
{
	printf("1..%u\n", tap_count);
	return tap_failed || !tap_count;
}

#endif
