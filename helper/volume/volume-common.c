// SPDX-License-Identifier: GPL-2.0-or-later
/* What all parts of volumes.h use. */
#include "volumes-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct cc_volume *cc_volume_of_uuid(const struct cc_volumes *all, const uint8_t uuid[16])
{
	cc_list_each(n, &all->volumes) {
		struct cc_volume *v = cc_list_entry(n, struct cc_volume, node);

		if (!memcmp(v->uuid, uuid, sizeof(v->uuid)))
			return v;
	}
	return NULL;
}

struct cc_volume_store *cc_volume_store_of(struct cc_volumes *all, const char *name, char *err, size_t errlen)
{
	struct cc_source *source = cc_sources_find(all->c.sources, name);
	struct cc_volume_store *s;

	if (!source) {
		snprintf(err, errlen, "there is no store of that name in the helper's configuration");
		return NULL;
	}
	cc_list_each(n, &all->stores) {
		s = cc_list_entry(n, struct cc_volume_store, node);
		if (s->source == source)
			return s;
	}
	if (cc_volume_store_open(source, all->c.loop, &s, err, errlen))
		return NULL;
	cc_list_add_tail(&all->stores, &s->node);
	return s;
}

void cc_volume_channel(struct cc_volumes *all, int r)
{
	if (r && r != -ENOENT && r != -ESTALE && r != -EBUSY)
		all->error = r;
}

void cc_volume_failed(struct cc_volume *v, const char *why)
{
	cc_log(LOG_ERR, "volume %s: failed: %s", v->info.name, why);
	snprintf(v->why, sizeof(v->why), "%s", why);
	if (v->life != CC_VOLUME_GONE)
		cc_volume_channel(v->all, cc_channel_volume_fail(v->all->c.channel, v->info.id, why));
	v->life = CC_VOLUME_FAILED;
}
