// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading a disk's configuration file.
 */
#include "disk-config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	struct ctl_disk_config *config;
	const char *wrong;		/* what was expected; the first mistake counts */
	char key[64];
};

static int refuse(struct parser *p, const char *key, const char *wrong)
{
	if (!p->wrong) {
		snprintf(p->key, sizeof(p->key), "%s", key);
		p->wrong = wrong;
	}
	return 0;
}

static bool parse_slots(const char *value, uint64_t *ret_slots)
{
	char *end;

	*ret_slots = strtoull(value, &end, 10);
	return value[0] >= '0' && value[0] <= '9' && !*end && *ret_slots && *ret_slots <= CTL_MIN_SLOTS_MAX;
}

/* For libinih: 1 is good, 0 makes it remember the line. */
static int take(void *arg, const char *section, const char *name, const char *value)
{
	struct parser *p = arg;
	struct ctl_disk_config *c = p->config;
	const struct { const char *name; char **to; } keys[] = {
		{ "pool", &c->pool }, { "store", &c->store }, { "image", &c->image },
		{ "digest", &c->digest }, { "features", &c->features },
	};
	size_t i;

	if (strcmp(section, "disk"))
		return refuse(p, section[0] ? section : name, "expected the section [disk] only");
	if (!strcmp(name, "size"))
		return !cc_parse_bytes(value, &c->size) && c->size ? 1 :
			refuse(p, name, "expected a size such as 10G");
	if (!strcmp(name, "record")) {
		c->record_auto = !strcmp(value, "auto");
		return c->record_auto || !strcmp(value, "no") ? 1 : refuse(p, name, "expected auto or no");
	}
	if (!strcmp(name, "min_slots"))
		return parse_slots(value, &c->min_slots) ? 1 :
			refuse(p, name, "expected a number of slots, 1 to 1073741823");
	if (!strcmp(name, "pin")) {
		c->pin = !strcmp(value, "yes");
		return c->pin || !strcmp(value, "no") ? 1 : refuse(p, name, "expected yes or no");
	}
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(name, keys[i].name))
			continue;
		if (!value[0] || *keys[i].to)
			return refuse(p, name, value[0] ? "is given twice" : "expected a value");
		*keys[i].to = strdup(value);
		return *keys[i].to ? 1 : refuse(p, name, "out of memory");
	}
	return refuse(p, name, "expected pool, store, image, digest, size, features, min_slots, "
		      "pin or record");
}

int ctl_disk_config_load(const char *file, struct ctl_disk_config *c, char *err, size_t errlen)
{
	struct parser p = { .config = c };
	int line;

	errno = 0;
	line = ini_parse(file, take, &p);
	if (!line)
		return 0;
	ctl_disk_config_free(c);
	if (line < 0) {
		line = errno ? -errno : -EIO;
		snprintf(err, errlen, "%s: %s", file, strerror(-line));
		return line;
	}
	if (p.wrong)
		snprintf(err, errlen, "%s:%d: %s: %s", file, line, p.key, p.wrong);
	else
		snprintf(err, errlen, "%s:%d: expected KEY = VALUE", file, line);
	return -EINVAL;
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
