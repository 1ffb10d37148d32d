// SPDX-License-Identifier: GPL-2.0-or-later
/* Values of a configuration's keys; see config-value.h. */
#include "config-value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "listen.h"
#include "settings.h"

#define NAME_MAX_LEN 63

/* ---- from text ---- */

static int parse_number(const char *s, uint64_t *ret_value, const char **ret_rest)
{
	uint64_t value;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	value = strtoull(s, &end, 10);
	if (errno)
		return -EINVAL;
	*ret_value = value;
	*ret_rest = end;
	return 0;
}

int cc_parse_bytes(const char *s, uint64_t *ret_bytes)
{
	static const char units[] = "KMGT";
	const char *unit = NULL;
	unsigned int shift = 0;
	uint64_t value;

	if (parse_number(s, &value, &s))
		return -EINVAL;
	if (*s) {
		unit = strchr(units, toupper((unsigned char)*s));
		if (!unit || s[1])
			return -EINVAL;
		shift = 10 * (unit - units + 1);
	}
	if (value > UINT64_MAX >> shift)
		return -EINVAL;
	*ret_bytes = value << shift;
	return 0;
}

#define MS_PER_HOUR	3600000u
#define MS_PER_DAY	(24 * MS_PER_HOUR)

int cc_parse_ms(const char *s, unsigned int *ret_ms)
{
	uint64_t value, scale = 1;

	if (parse_number(s, &value, &s))
		return -EINVAL;
	if (!strcmp(s, "s"))
		scale = 1000;
	else if (!strcmp(s, "h"))
		scale = MS_PER_HOUR;
	else if (!strcmp(s, "d"))
		scale = MS_PER_DAY;
	else if (*s && strcmp(s, "ms"))
		return -EINVAL;
	if (value > UINT_MAX / scale)
		return -EINVAL;
	*ret_ms = value * scale;
	return 0;
}

bool cc_is_name(const char *s)
{
	size_t len = strnlen(s, NAME_MAX_LEN + 1);

	return len && len <= NAME_MAX_LEN && strcmp(s, ".") && strcmp(s, "..") &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

static bool is_text(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 127)
			return false;
	return true;
}

static int parse_bool(const char *s, bool *ret_value)
{
	if (!strcmp(s, "yes") || !strcmp(s, "true") || !strcmp(s, "1"))
		*ret_value = true;
	else if (!strcmp(s, "no") || !strcmp(s, "false") || !strcmp(s, "0"))
		*ret_value = false;
	else
		return -EINVAL;
	return 0;
}

/* Names, separated by spaces. */
static bool are_names(const char *s)
{
	char name[NAME_MAX_LEN + 2];
	int used;

	for (; sscanf(s, " %64s%n", name, &used) == 1; s += used)
		if (!cc_is_name(name))
			return false;
	return *s == '\0';
}

/* "98", "99.5": tenths of a percent; "off" is 0. */
static int parse_percent(const char *s, uint64_t *ret_value)
{
	uint64_t whole, tenths = 0;

	if (!strcmp(s, "off")) {
		*ret_value = 0;
		return 0;
	}
	if (parse_number(s, &whole, &s) || whole > 100)
		return -EINVAL;
	if (*s == '.' && isdigit((unsigned char)s[1])) {
		tenths = s[1] - '0';
		s += 2;
	}
	*ret_value = whole * 10 + tenths;
	return *s ? -EINVAL : 0;
}

static int copy_value(char **field, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int set_percent(const struct cc_key *key, unsigned int *field, const char *value)
{
	uint64_t n;

	if (parse_percent(value, &n) || (strcmp(value, "off") && n < key->min) || n > key->max)
		return -EINVAL;
	*field = n;
	return 0;
}

static const char *const cache_modes[] = {
	[CC_CACHE_GET_ONLY] = "get-only",
	[CC_CACHE_READ_ONLY] = "read-only",
	[CC_CACHE_OFF] = "off",
};

static int set_cache_mode(enum cc_cache_mode *field, const char *value)
{
	for (size_t i = 0; i < sizeof(cache_modes) / sizeof(cache_modes[0]); i++) {
		if (strcmp(value, cache_modes[i]))
			continue;
		*field = i;
		return 0;
	}
	return -EINVAL;
}

static int set_whole_number(const struct cc_key *key, void *field, const char *value)
{
	const char *rest = "";
	unsigned int ms;
	uint64_t n;
	int r;

	if (key->type == CC_KEY_BYTES) {
		r = cc_parse_bytes(value, &n);
	} else if (key->type == CC_KEY_MS) {
		r = cc_parse_ms(value, &ms);
		n = r ? 0 : ms;
	} else {
		r = parse_number(value, &n, &rest);
	}
	if (r || *rest || n < key->min || n > key->max)
		return -EINVAL;
	if (key->type == CC_KEY_BYTES)
		*(uint64_t *)field = n;
	else
		*(unsigned int *)field = n;
	return 0;
}

/* Digits and a point, whatever the locale is. */
static int set_price(const struct cc_key *key, double *field, const char *value)
{
	size_t digits = strspn(value, "0123456789"), behind = 0;
	double price = 0, scale = 1;

	if (value[digits] == '.')
		behind = strspn(value + digits + 1, "0123456789");
	if (!digits || value[digits + (behind ? behind + 1 : 0)])
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		price = price * 10 + (value[i] - '0');
	for (size_t i = 1; i <= behind; i++)
		price += (value[digits + i] - '0') * (scale /= 10);
	if (price > key->max)
		return -EINVAL;
	*field = price;
	return 0;
}

int cc_key_set(const struct cc_key *key, void *section, const char *value)
{
	void *field = (char *)section + key->offset;
	struct sockaddr_storage address;
	socklen_t len;

	switch (key->type) {
	case CC_KEY_STRING:
		return is_text(value) ? copy_value(field, value) : -EINVAL;
	case CC_KEY_NAME:
		return cc_is_name(value) ? copy_value(field, value) : -EINVAL;
	case CC_KEY_NAMES:
		return *value && are_names(value) ? copy_value(field, value) : -EINVAL;
	case CC_KEY_PATH:
		return is_text(value) && *value == '/' ? copy_value(field, value) : -EINVAL;
	case CC_KEY_LOOPBACK:
		return cc_parse_loopback(value, &address, &len) ? -EINVAL : copy_value(field, value);
	case CC_KEY_BOOL:
		return parse_bool(value, field);
	case CC_KEY_PRICE:
		return set_price(key, field, value);
	case CC_KEY_STYLE:
		if (strcmp(value, "path") && strcmp(value, "virtual"))
			return -EINVAL;
		*(bool *)field = !strcmp(value, "path");
		return 0;
	case CC_KEY_CACHE_MODE:
		return set_cache_mode(field, value);
	case CC_KEY_PERCENT:
		return set_percent(key, field, value);
	default:
		return set_whole_number(key, field, value);
	}
}

/* ---- as text ---- */

static void print_bytes(FILE *to, uint64_t bytes)
{
	static const char *const units[] = { "", "K", "M", "G", "T" };
	unsigned int u = 0;

	while (bytes && !(bytes % 1024) && u < 4) {
		bytes /= 1024;
		u++;
	}
	fprintf(to, "%" PRIu64 "%s", bytes, units[u]);
}

static void print_ms(FILE *to, unsigned int ms)
{
	if (ms && !(ms % MS_PER_DAY))
		fprintf(to, "%ud", ms / MS_PER_DAY);
	else if (ms % 1000)
		fprintf(to, "%ums", ms);
	else
		fprintf(to, "%us", ms / 1000);
}

static void print_percent(FILE *to, unsigned int tenths)
{
	if (tenths % 10)
		fprintf(to, "%u.%u", tenths / 10, tenths % 10);
	else
		fprintf(to, "%u", tenths / 10);
}

void cc_key_print(FILE *to, const struct cc_key *key, const void *field)
{
	switch (key->type) {
	case CC_KEY_STRING:
	case CC_KEY_NAME:
	case CC_KEY_NAMES:
	case CC_KEY_PATH:
	case CC_KEY_LOOPBACK:
		fputs(*(char *const *)field, to);
		break;
	case CC_KEY_BYTES:
		print_bytes(to, *(const uint64_t *)field);
		break;
	case CC_KEY_MS:
		print_ms(to, *(const unsigned int *)field);
		break;
	case CC_KEY_UINT:
		fprintf(to, "%u", *(const unsigned int *)field);
		break;
	case CC_KEY_BOOL:
		fputs(*(const bool *)field ? "yes" : "no", to);
		break;
	case CC_KEY_PRICE:
		fprintf(to, "%g", *(const double *)field);
		break;
	case CC_KEY_STYLE:
		fputs(*(const bool *)field ? "path" : "virtual", to);
		break;
	case CC_KEY_PERCENT:
		print_percent(to, *(const unsigned int *)field);
		break;
	case CC_KEY_CACHE_MODE:
		fputs(cache_modes[*(const enum cc_cache_mode *)field], to);
		break;
	}
}
