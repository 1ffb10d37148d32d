// SPDX-License-Identifier: GPL-2.0-or-later
/* What this host knows of a volume; see volume-here.h. */
#include "volume-here.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ui.h"

#define ANSWER_SECONDS 5

/* Of "MAJOR:MINOR"; left "" if there is none any more. */
static void read_dm_name(const char *dev, char *ret_name, size_t size)
{
	char path[200];
	FILE *f;

	ret_name[0] = '\0';
	snprintf(path, sizeof(path), "/sys/dev/block/%s/dm/name", dev);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(ret_name, (int)size, f))
		ret_name[strcspn(ret_name, "\n")] = '\0';
	fclose(f);
}

static int read_device(const char *name, enum ctl_dm_what what, struct ctl_volume_device *v)
{
	struct ctl_dm_device d;
	int r = ctl_dm_get(name, what, &d);

	if (r)
		return r;
	if (strcmp(d.type, CTL_TARGET_VOLUME))
		r = -ENOTBLK;
	else if (what == CTL_DM_TABLE)
		r = ctl_volume_table_parse(d.params, &v->table);
	else
		r = ctl_volume_status_parse(d.params, &v->status);
	v->open_count = d.open_count;
	ctl_dm_free(&d);
	return r;
}

int ctl_volume_device_get(const char *name, struct ctl_volume_device *ret_device)
{
	struct ctl_volume_device v;
	int r = read_device(name, CTL_DM_TABLE, &v);

	if (!r)
		r = read_device(name, CTL_DM_STATUS, &v);
	if (r)
		return r;
	read_dm_name(v.table.pool, v.pool, sizeof(v.pool));
	*ret_device = v;
	return 0;
}

int ctl_volume_device(const char *name, struct ctl_volume_device *ret_device)
{
	int r = ctl_volume_device_get(name, ret_device);

	if (!r)
		return 0;
	if (r == -ENOTBLK)
		ctl_err("%s: is no volume; see `dmsetup table %s'", name, name);
	else
		ctl_err("%s: %s", name, r == -ENXIO ? "no such device" : r == -EINVAL ? "status of unknown form" :
			ctl_dm_reason(r));
	return CTL_FAILED;
}

json_t *ctl_volume_ask(const char *pool, const char *uuid, struct ctl_asked *ret_asked)
{
	json_t *answer = ctl_ask(pool, "volumes", NULL, ANSWER_SECONDS, ret_asked), *v, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(answer, "volumes"), i, v)
		if (!strcmp(ctl_string(v, "uuid"), uuid))
			found = json_incref(v);
	json_decref(answer);
	return found;
}

struct search {
	const char *uuid;
	json_t *found;
};

static int ask_pool(void *arg, const char *name)
{
	struct search *s = arg;
	struct ctl_asked asked;
	struct ctl_dm_device d;

	if (ctl_dm_get(name, CTL_DM_TABLE, &d))
		return 0;
	if (!strcmp(d.type, CTL_TARGET_POOL))
		s->found = ctl_volume_ask(name, s->uuid, &asked);
	ctl_dm_free(&d);
	if (s->found)
		json_object_set_new(s->found, "pool", json_string(name));
	return s->found != NULL;
}

json_t *ctl_volume_ask_all(const char *uuid)
{
	struct search s = { .uuid = uuid };

	ctl_dm_list(ask_pool, &s);
	return s.found;
}

bool ctl_volume_is_dirty(const json_t *figures)
{
	return json_is_true(json_object_get(figures, "dirty"));
}

const char *ctl_volume_dirty_text(const json_t *figures, char buf[CTL_DIRTY_TEXT])
{
	char size[CTL_SIZE_TEXT], age[CTL_CELL];

	if (!ctl_volume_is_dirty(figures))
		snprintf(buf, CTL_DIRTY_TEXT, "nothing");
	else if (!json_object_get(figures, "oldest_ms"))
		snprintf(buf, CTL_DIRTY_TEXT, "%s", ctl_size_text(ctl_number(figures, "dirty_bytes"), size));
	else
		snprintf(buf, CTL_DIRTY_TEXT, "%s, the oldest for %s",
			 ctl_size_text(ctl_number(figures, "dirty_bytes"), size),
			 ctl_time_text((double)ctl_number(figures, "oldest_ms") * 1000, age));
	return buf;
}
