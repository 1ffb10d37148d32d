// SPDX-License-Identifier: GPL-2.0-or-later
/* Words of the script: variables, numbers, options; and its clock. */
#include "nl.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void nl_set(const char *name, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	setenv(name, text, 1);
}

void nl_set_indexed(const char *name, unsigned int i, uint64_t v)
{
	char full[64];

	if (i >= NL_MAX_NAMED)
		return;
	snprintf(full, sizeof(full), "%s%u", name, i);
	nl_set(full, v);
}

void nl_expand(const char *in, char *out, size_t len)
{
	char name[64];
	const char *v;
	size_t n = 0, k;

	while (*in && n + 1 < len) {
		if (*in != '$') {
			out[n++] = *in++;
			continue;
		}
		for (k = 0, in++; (isalnum(*in) || *in == '_') && k + 1 < sizeof(name); in++)
			name[k++] = *in;
		name[k] = 0;
		v = getenv(name);
		if (!v)
			die(name, "no such variable");
		n += snprintf(out + n, len - n, "%s", v);
		if (n >= len)
			die(name, "line too long");
	}
	out[n] = 0;
}

uint64_t nl_number(const char *s)
{
	char *end;
	uint64_t v;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (end == s || *end || errno)
		die(s, "expected a number");
	return v;
}

uint64_t nl_disk_id(const char *s)
{
	char name[160];
	const char *v;

	if (isdigit(*s))
		return nl_number(s);
	snprintf(name, sizeof(name), "disk_%s", s);
	v = getenv(name);
	if (!v)
		die(s, "no such disk seen yet");
	return nl_number(v);
}

const char *nl_option(int argc, char **argv, const char *name)
{
	size_t n = strlen(name);
	int i;

	for (i = 1; i < argc; i++)
		if (!strncmp(argv[i], name, n) && argv[i][n] == '=')
			return argv[i] + n + 1;
	return NULL;
}

bool nl_has(int argc, char **argv, const char *word)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], word))
			return true;
	return false;
}

uint32_t nl_option_u32(int argc, char **argv, const char *name, uint32_t fallback)
{
	const char *v = nl_option(argc, argv, name);

	return v ? nl_number(v) : fallback;
}

void nl_sleep_ms(uint64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

uint64_t nl_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}
