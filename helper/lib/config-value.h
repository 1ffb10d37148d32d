/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of a configuration's keys: what each kind of them may be, set from text and as text. */
#ifndef CC_CONFIG_VALUE_H
#define CC_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum cc_key_type {
	CC_KEY_STRING, CC_KEY_NAME, CC_KEY_NAMES, CC_KEY_PATH, CC_KEY_BYTES, CC_KEY_MS, CC_KEY_UINT,
	CC_KEY_PERCENT, CC_KEY_BOOL, CC_KEY_STYLE, CC_KEY_CACHE_MODE, CC_KEY_PRICE, CC_KEY_LOOPBACK,
};

struct cc_key {
	const char *name;
	enum cc_key_type type;
	size_t offset;			/* of the field in the section's structure */
	uint64_t min, max;		/* of numbers */
	const char *expected;
	const char *unset;		/* what holds without it, if that is no fixed value, else "" */
};

/* 1 to 63 of a-z A-Z 0-9 . _ -, but not . and .. */
bool cc_is_name(const char *s);
/* Returns 0, -EINVAL if the value breaks the key's rule, -ENOMEM. */
int cc_key_set(const struct cc_key *key, void *section, const char *value);
/* As a file may have it. */
void cc_key_print(FILE *to, const struct cc_key *key, const void *field);
/* "64M", "1G", "4096": bytes; returns -EINVAL if malformed or too large. */
int cc_parse_bytes(const char *s, uint64_t *ret_bytes);
/* "200", "200ms", "5s", "2h", "30d": milliseconds, up to 49 days. */
int cc_parse_ms(const char *s, unsigned int *ret_ms);

#endif
