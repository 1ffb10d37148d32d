// SPDX-License-Identifier: GPL-2.0-or-later
/* What the control socket tells of volumes. */
#include "report-impl.h"

#include <errno.h>
#include <stdio.h>

#include "clock.h"
#include "json-text.h"
#include "uuid.h"

static const char *journal_name(enum cc_follow_state how)
{
	return how == CC_FOLLOW_FOLLOWING ? "following" : how == CC_FOLLOW_BROKEN ? "broken" : "off";
}

static void add_ages(const struct cc_volume_figures *f, json_t *o)
{
	uint64_t now = cc_now_ns();

	if (f->oldest_ns)
		json_object_set_new(o, "oldest_ms", cc_json_number((now - f->oldest_ns) / CC_MS));
	if (f->commit_ns)
		json_object_set_new(o, "commit_age_ms", cc_json_number((now - f->commit_ns) / CC_MS));
}

static void add_volume(void *arg, const struct cc_volume_figures *f)
{
	char uuid[CC_UUID_TEXT];
	json_t *o;

	cc_uuid_text(f->uuid, uuid);
	o = json_pack("{s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:o}", "uuid", uuid, "state", f->state,
		      "term", cc_json_number(f->term), "dirty", (int)f->dirty,
		      "dirty_bytes", cc_json_number(f->dirty_bytes), "commits", cc_json_number(f->commits),
		      "packs", cc_json_number(f->packs), "stored_bytes", cc_json_number(f->stored_bytes));
	if (*f->name) {
		json_object_set_new(o, "name", cc_json_text(f->name));
		json_object_set_new(o, "store", cc_json_text(f->store));
	}
	if (*f->why)
		json_object_set_new(o, "why", cc_json_text(f->why));
	if (f->journal_pages)
		json_object_set_new(o, "journal_pages", cc_json_number(f->journal_pages));
	if (*f->rescue)
		json_object_set_new(o, "rescue", cc_json_text(f->rescue));
	if (*f->rescued_as)
		json_object_set_new(o, "rescued_as", cc_json_text(f->rescued_as));
	if (*f->snapshot)
		json_object_set_new(o, "snapshot", json_pack("{s:o, s:o}", "name", cc_json_text(f->snapshot),
							     "state", cc_json_text(f->snapshot_state)));
	add_ages(f, o);
	json_array_append_new(arg, o);
}

json_t *cc_report_volumes(struct cc_session *s, char *err, size_t errlen)
{
	enum cc_follow_state how;
	json_t *array, *o;

	/* "None" would be taken for "all are closed". */
	if (!s->volumes) {
		snprintf(err, errlen, "not attached to its pool");
		return NULL;
	}
	how = cc_journal_follow_how(s->follow);
	array = json_array();
	o = json_pack("{s:s, s:s, s:o}", "pool", s->config->pool, "journal", journal_name(how),
		      "volumes", array);
	if (how == CC_FOLLOW_BROKEN)
		json_object_set_new(o, "reason", cc_json_text(cc_journal_follow_why(s->follow)));
	cc_volumes_each(s->volumes, add_volume, array);
	return o;
}

/* ---- what is to be done with one ---- */

static const char *request_text(const json_t *request, const char *key)
{
	const char *text = json_string_value(json_object_get(request, key));

	return text ? text : "";
}

static int request_volume(struct cc_session *s, const json_t *request, uint8_t ret_uuid[16], char *err, size_t errlen)
{
	if (!s->volumes) {
		snprintf(err, errlen, "the helper is not attached to the pool");
		return -ENOTCONN;
	}
	if (!cc_uuid_parse(request_text(request, "volume"), ret_uuid))
		return 0;
	snprintf(err, errlen, "volume: expected its UUID");
	return -EINVAL;
}

json_t *cc_report_rescue(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	uint8_t uuid[16];

	if (request_volume(s, request, uuid, err, errlen) ||
	    cc_volumes_rescue(s->volumes, uuid, request_text(request, "store"), request_text(request, "as"), err, errlen))
		return NULL;
	return json_object();
}

json_t *cc_report_snapshot(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	uint8_t uuid[16];

	if (request_volume(s, request, uuid, err, errlen) ||
	    cc_volumes_snapshot(s->volumes, uuid, request_text(request, "name"), err, errlen))
		return NULL;
	return json_object();
}

json_t *cc_report_discard(struct cc_session *s, const json_t *request, char *err, size_t errlen)
{
	uint8_t uuid[16];

	if (request_volume(s, request, uuid, err, errlen) || cc_volumes_discard(s->volumes, uuid, err, errlen))
		return NULL;
	return json_object();
}
