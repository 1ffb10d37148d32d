// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading a disk's configuration file.
 */
#include "disk-config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-value.h"
#include "ini.h"

struct parser {
	struct ctl_disk_config *config;
	bool volume;
	unsigned int seen;		/* keys that were set, by index in the table */
};

struct disk_key {
	const char *name;
	const char *expected;
	size_t text;			/* where a text goes, or ... */
	int (*set)(struct ctl_disk_config *c, const char *value); /* ... who takes what is none */
	bool volume;			/* volumes have it, too */
};

/* ---- values; 0, -EINVAL if it is none, -ENOMEM ---- */

static int set_disk_text(char **to, const char *value)
{
	if (!value[0])
		return -EINVAL;
	*to = strdup(value);
	return *to ? 0 : -ENOMEM;
}

static int set_disk_size(struct ctl_disk_config *c, const char *value)
{
	return !cc_parse_bytes(value, &c->size) && c->size ? 0 : -EINVAL;
}

static int set_min_slots(struct ctl_disk_config *c, const char *value)
{
	char *end;

	if (value[0] < '0' || value[0] > '9')
		return -EINVAL;
	c->min_slots = strtoull(value, &end, 10);
	return !*end && c->min_slots && c->min_slots <= CTL_MIN_SLOTS_MAX ? 0 : -EINVAL;
}

static int set_pin(struct ctl_disk_config *c, const char *value)
{
	c->pin = !strcmp(value, "yes");
	return c->pin || !strcmp(value, "no") ? 0 : -EINVAL;
}

static int set_record(struct ctl_disk_config *c, const char *value)
{
	c->record_auto = !strcmp(value, "auto");
	return c->record_auto || !strcmp(value, "no") ? 0 : -EINVAL;
}

#define DISK_TEXT(field, volume) { #field, "a value", offsetof(struct ctl_disk_config, field), NULL, volume }

static const struct disk_key disk_keys[] = {
	DISK_TEXT(pool, true), DISK_TEXT(store, true), DISK_TEXT(image, false), DISK_TEXT(digest, false),
	DISK_TEXT(features, true),
	{ "size", "a size such as 10G", 0, set_disk_size, false },
	{ "min_slots", "a number of slots, 1 to 536870911", 0, set_min_slots, false },
	{ "pin", "yes or no", 0, set_pin, false },
	{ "record", "auto or no", 0, set_record, false },
};

static int set_disk_key(const struct disk_key *key, struct ctl_disk_config *c, const char *value)
{
	return key->set ? key->set(c, value) : set_disk_text((char **)((char *)c + key->text), value);
}

/* ---- the file ---- */

static int take_disk_section(void *arg, unsigned int line, const char *name, char *err, size_t errlen)
{
	const struct parser *p = arg;
	const char *expected = p->volume ? "volume" : "disk";

	(void)line;
	if (!strcmp(name, expected))
		return 0;
	snprintf(err, errlen, "[%s]: expected the section [%s] only", name, expected);
	return -EINVAL;
}

static int take_disk_key(void *arg, unsigned int line, const char *name, const char *value, char *err,
		    size_t errlen)
{
	struct parser *p = arg;
	int r;

	(void)line;
	for (size_t i = 0; i < sizeof(disk_keys) / sizeof(disk_keys[0]); i++) {
		if (strcmp(name, disk_keys[i].name) || (p->volume && !disk_keys[i].volume))
			continue;
		if (p->seen & 1u << i) {
			snprintf(err, errlen, "%s: is given twice", name);
			return -EINVAL;
		}
		p->seen |= 1u << i;
		r = set_disk_key(&disk_keys[i], p->config, value);
		if (r == -ENOMEM)
			snprintf(err, errlen, "%s: out of memory", name);
		else if (r)
			snprintf(err, errlen, "%s: expected %s", name, disk_keys[i].expected);
		return r;
	}
	snprintf(err, errlen, p->volume ? "%s: expected pool, store or features" :
		 "%s: expected pool, store, image, digest, size, features, min_slots, pin or record", name);
	return -EINVAL;
}

static int load_sections(const char *file, bool volume, struct ctl_disk_config *c, char *err, size_t errlen)
{
	static const struct cc_ini_reader reader = { .section = take_disk_section, .key = take_disk_key };
	struct parser p = { .config = c, .volume = volume };
	int r = cc_ini_load(file, &reader, &p, err, errlen);

	if (r)
		ctl_disk_config_free(c);
	return r;
}

int ctl_disk_config_load(const char *file, struct ctl_disk_config *c, char *err, size_t errlen)
{
	return load_sections(file, false, c, err, errlen);
}

int ctl_volume_config_load(const char *file, struct ctl_disk_config *c, char *err, size_t errlen)
{
	return load_sections(file, true, c, err, errlen);
}

void ctl_disk_config_free(struct ctl_disk_config *c)
{
	free(c->pool);
	free(c->store);
	free(c->image);
	free(c->digest);
	free(c->features);
	memset(c, 0, sizeof(*c));
}
