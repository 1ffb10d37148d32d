// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The netlink channel's commands but those of journal and volumes; see channel.h.  This, channel-volume.c and
 * channel-socket.c are the only files of the helper that see attributes.
 */
#include "channel-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "chunkcache/journal.h"

/* ---- session ---- */

static int on_attach(void *arg, const struct nlattr **tb)
{
	struct cc_attachment a = { 0 }, *ret = arg;
	int r;

	r = cc_attr_u64(tb, CHUNKCACHE_A_SESSION, &a.session);
	if (!r)
		r = cc_attr_u64(tb, CHUNKCACHE_A_INSTANCE, &a.instance);
	if (!r)
		r = cc_attr_u32(tb, CHUNKCACHE_A_SLOT_SIZE, &a.slot_size);
	if (!r)
		r = cc_attr_u64(tb, CHUNKCACHE_A_NR_SLOTS, &a.nr_slots);
	if (!r)
		r = cc_attr_string(tb, CHUNKCACHE_A_POOL_NAME, a.pool_name, sizeof(a.pool_name));
	if (!r)
		*ret = a;
	return r;
}

int cc_channel_attach(struct cc_channel *c, int pool_fd, const uint8_t uuid[16],
		      struct cc_attachment *ret_attachment)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_ATTACH, 0);
	struct cc_attachment a = { 0 };
	int r;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VERSION, CHUNKCACHE_PROTOCOL_VERSION);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_POOL_FD, (uint32_t)pool_fd);
	mnl_attr_put(nlh, CHUNKCACHE_A_POOL_UUID, 16, uuid);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_BELL_PORT, mnl_socket_get_portid(c->bell));
	r = cc_channel_request(c, nlh, on_attach, &a);
	if (r)
		return r;
	if (!a.session)
		return -EPROTO;
	c->session = a.session;
	*ret_attachment = a;
	return 0;
}

int cc_channel_detach(struct cc_channel *c)
{
	int r = cc_channel_request(c, cc_channel_begin(c, CHUNKCACHE_CMD_DETACH, 0), NULL, NULL);

	if (!r)
		c->session = 0;
	return r;
}

/* ---- disks ---- */

struct disk_sink {
	cc_channel_disk_fn *fn;
	void *arg;
};

/* What a volume has in place of a digest.  The fill engine counts on first_log + nr_logs. */
static int take_volume(const struct nlattr **tb, struct cc_disk_info *d)
{
	int r = tb[CHUNKCACHE_A_DIGEST] ? -EPROTO : 0;

	d->is_volume = true;
	d->durable_store = tb[CHUNKCACHE_A_DURABLE_STORE];
	if (!r)
		r = cc_attr_bytes(tb, CHUNKCACHE_A_VOLUME_UUID, d->volume_uuid, sizeof(d->volume_uuid));
	if (!r)
		r = cc_attr_u32(tb, CHUNKCACHE_A_VOLUME_STATE, &d->volume_state);
	if (!r)
		r = cc_attr_u32(tb, CHUNKCACHE_A_VOLUME, &d->handle);
	if (!r)
		r = cc_attr_u32(tb, CHUNKCACHE_A_TERM, &d->term);
	if (!r)
		r = cc_attr_u64(tb, CHUNKCACHE_A_FIRST_LOG, &d->first_log);
	if (!r)
		r = cc_attr_u32(tb, CHUNKCACHE_A_NR_LOGS, &d->nr_logs);
	if (r)
		return r;
	if (d->volume_state > CHUNKCACHE_VOLUME_FAILED || d->handle > UINT16_MAX || d->term > CC_LOG_TERM_MAX ||
	    !d->handle != !d->term || d->first_log > UINT64_MAX - UINT32_MAX)
		return -EPROTO;
	return 0;
}

static int on_disk_message(void *arg, const struct nlattr **tb)
{
	struct disk_sink *s = arg;
	struct cc_disk_info d = { 0 };
	int r;

	r = cc_attr_u64(tb, CHUNKCACHE_A_DISK, &d.id);
	if (!r)
		r = cc_attr_u64(tb, CHUNKCACHE_A_DISK_SECTORS, &d.sectors);
	if (!r)
		r = cc_attr_u32(tb, CHUNKCACHE_A_DISK_STATE, &d.state);
	if (!r)
		r = cc_attr_string(tb, CHUNKCACHE_A_DISK_NAME, d.name, sizeof(d.name));
	if (!r)
		r = cc_attr_string(tb, CHUNKCACHE_A_STORE, d.store, sizeof(d.store));
	if (!r && tb[CHUNKCACHE_A_VOLUME_UUID])
		r = take_volume(tb, &d);
	else if (!r)
		r = cc_attr_bytes(tb, CHUNKCACHE_A_DIGEST, d.digest, sizeof(d.digest));
	if (!r)
		s->fn(s->arg, &d);
	return r;
}

int cc_channel_disk_get(struct cc_channel *c, cc_channel_disk_fn *fn, void *arg)
{
	struct disk_sink s = { fn, arg };

	return cc_channel_request(c, cc_channel_begin(c, CHUNKCACHE_CMD_DISK_GET, NLM_F_DUMP), on_disk_message, &s);
}

void cc_channel_put_reason(struct nlmsghdr *nlh, const char *reason)
{
	char text[CHUNKCACHE_REASON_MAX + 1];

	snprintf(text, sizeof(text), "%s", reason);
	for (char *p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	mnl_attr_put_strz(nlh, CHUNKCACHE_A_REASON, text);
}

int cc_channel_disk_state(struct cc_channel *c, uint64_t disk, uint32_t state, const char *reason)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_DISK_STATE, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, disk);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_DISK_STATE, state);
	if (reason)
		cc_channel_put_reason(nlh, reason);
	return cc_channel_request(c, nlh, NULL, NULL);
}

/* ---- misses ---- */

struct miss_sink {
	struct chunkcache_miss *misses;
	uint32_t max;
	uint32_t nr;
	uint32_t pending;
};

static int on_misses(void *arg, const struct nlattr **tb)
{
	struct miss_sink *s = arg;
	int r = cc_attr_u32(tb, CHUNKCACHE_A_PENDING, &s->pending);

	if (r)
		return r;
	return cc_attr_records(tb, CHUNKCACHE_A_MISSES, s->misses, sizeof(*s->misses), s->max, &s->nr);
}

int cc_channel_miss_get(struct cc_channel *c, bool all, uint32_t count, struct chunkcache_miss *misses,
			uint32_t *ret_nr, uint32_t *ret_pending)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_MISS_GET, 0);
	struct miss_sink s = { misses, count, 0, 0 };
	int r;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, count);
	if (all)
		mnl_attr_put(nlh, CHUNKCACHE_A_ALL, 0, NULL);
	r = cc_channel_request(c, nlh, on_misses, &s);
	if (r)
		return r;
	*ret_nr = s.nr;
	*ret_pending = s.pending;
	return 0;
}

int cc_channel_miss_data(struct cc_channel *c, const struct chunkcache_miss *m, uint32_t offset,
			 const void *data, uint32_t len, bool last)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_MISS_DATA, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, m->disk);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_CHUNK, m->chunk);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_COOKIE, m->cookie);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_OFFSET, offset);
	if (last)
		mnl_attr_put(nlh, CHUNKCACHE_A_LAST, 0, NULL);
	mnl_attr_put(nlh, CHUNKCACHE_A_DATA, len, data);
	return cc_channel_request(c, nlh, NULL, NULL);
}

int cc_channel_on_refused(void *arg, const struct nlattr **tb)
{
	struct cc_refusals *ret = arg;

	return cc_attr_records(tb, CHUNKCACHE_A_REFUSED, ret->r, sizeof(ret->r[0]), CHUNKCACHE_MAP_BATCH_MAX,
			   &ret->nr);
}

int cc_channel_miss_fail(struct cc_channel *c, const struct chunkcache_fail *fails, uint32_t nr,
			 struct cc_refusals *ret_refusals)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_MISS_FAIL, 0);

	ret_refusals->nr = 0;
	mnl_attr_put(nlh, CHUNKCACHE_A_FAILS, nr * sizeof(*fails), fails);
	return cc_channel_request(c, nlh, cc_channel_on_refused, ret_refusals);
}

/* ---- slots ---- */

int cc_channel_on_slots(void *arg, const struct nlattr **tb)
{
	struct cc_slot_sink *s = arg;

	return cc_attr_records(tb, CHUNKCACHE_A_SLOTS, s->slots, sizeof(*s->slots), s->max, &s->nr);
}

int cc_channel_slot_alloc(struct cc_channel *c, uint32_t count, bool prefetch,
			  struct chunkcache_slot *slots, uint32_t *ret_nr)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_ALLOC, 0);
	struct cc_slot_sink s = { slots, count, 0 };
	int r;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, count);
	if (prefetch)
		mnl_attr_put(nlh, CHUNKCACHE_A_PREFETCH, 0, NULL);
	r = cc_channel_request(c, nlh, cc_channel_on_slots, &s);
	if (!r)
		*ret_nr = s.nr;
	return r;
}

int cc_channel_slot_adopt(struct cc_channel *c, uint32_t slot, uint32_t *ret_gen)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_ALLOC, 0);
	struct chunkcache_slot wanted = { slot, 0 }, granted = { 0, 0 };
	struct cc_slot_sink s = { &granted, 1, 0 };
	int r;

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(wanted), &wanted);
	r = cc_channel_request(c, nlh, cc_channel_on_slots, &s);
	if (r)
		return r;
	if (!s.nr)
		return -EBUSY;
	if (granted.slot != slot)
		return -EPROTO;
	*ret_gen = granted.gen;
	return 0;
}

int cc_channel_slot_done(struct cc_channel *c, struct chunkcache_slot slot, uint64_t key, bool prefetch,
			 const struct chunkcache_map *maps, uint32_t nr,
			 struct cc_refusals *ret_refusals)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_DONE, 0);

	ret_refusals->nr = 0;
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(slot), &slot);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_KEY, key);
	if (prefetch)
		mnl_attr_put(nlh, CHUNKCACHE_A_PREFETCH, 0, NULL);
	if (nr)
		mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, nr * sizeof(*maps), maps);
	return cc_channel_request(c, nlh, cc_channel_on_refused, ret_refusals);
}

int cc_channel_slot_release(struct cc_channel *c, const struct chunkcache_slot *slots, uint32_t nr, bool bad)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_RELEASE, 0);

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, nr * sizeof(*slots), slots);
	if (bad)
		mnl_attr_put(nlh, CHUNKCACHE_A_BAD, 0, NULL);
	return cc_channel_request(c, nlh, NULL, NULL);
}

int cc_channel_slot_keep(struct cc_channel *c, const struct chunkcache_slot *slots, uint32_t nr,
			 struct cc_refusals *ret_refusals)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_KEEP, 0);

	ret_refusals->nr = 0;
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, nr * sizeof(*slots), slots);
	return cc_channel_request(c, nlh, cc_channel_on_refused, ret_refusals);
}

struct slot_info_sink {
	cc_channel_slot_fn *fn;
	void *arg;
};

static int on_slot_info(void *arg, const struct nlattr **tb)
{
	const struct nlattr *attr = tb[CHUNKCACHE_A_SLOT_INFO];
	struct slot_info_sink *s = arg;
	struct chunkcache_slot_info info;
	const char *p;
	uint32_t len;

	if (!attr)
		return 0;
	len = mnl_attr_get_payload_len(attr);
	if (len % sizeof(info))
		return -EPROTO;
	for (p = mnl_attr_get_payload(attr); len; p += sizeof(info), len -= sizeof(info)) {
		memcpy(&info, p, sizeof(info));
		s->fn(s->arg, &info);
	}
	return 0;
}

int cc_channel_slot_get(struct cc_channel *c, cc_channel_slot_fn *fn, void *arg)
{
	struct slot_info_sink s = { fn, arg };

	return cc_channel_request(c, cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_GET, NLM_F_DUMP), on_slot_info, &s);
}

int cc_channel_slot_get_of(struct cc_channel *c, const char *pool, cc_channel_slot_fn *fn, void *arg)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_SLOT_GET, NLM_F_DUMP);
	struct slot_info_sink s = { fn, arg };

	mnl_attr_put_strz(nlh, CHUNKCACHE_A_POOL_NAME, pool);
	return cc_channel_request(c, nlh, on_slot_info, &s);
}

int cc_channel_map(struct cc_channel *c, const struct chunkcache_map *maps, uint32_t nr,
		   struct cc_refusals *ret_refusals)
{
	struct nlmsghdr *nlh = cc_channel_begin(c, CHUNKCACHE_CMD_MAP, 0);

	ret_refusals->nr = 0;
	mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, nr * sizeof(*maps), maps);
	return cc_channel_request(c, nlh, cc_channel_on_refused, ret_refusals);
}

/* ---- counters ---- */

struct stats_sink {
	cc_channel_stats_fn *fn;
	void *arg;
};

static int on_stats_message(void *arg, const struct nlattr **tb)
{
	const struct nlattr *attr = tb[CHUNKCACHE_A_STATS];
	struct cc_channel_stats st = { .undrained = 0 };
	struct stats_sink *s = arg;
	size_t len;
	int r = cc_attr_string(tb, CHUNKCACHE_A_POOL_NAME, st.pool, sizeof(st.pool));

	if (!r && tb[CHUNKCACHE_A_DISK_NAME])
		r = cc_attr_string(tb, CHUNKCACHE_A_DISK_NAME, st.disk, sizeof(st.disk));
	if (!r && tb[CHUNKCACHE_A_UNDRAINED])
		r = cc_attr_u32(tb, CHUNKCACHE_A_UNDRAINED, &st.undrained);
	if (r || !attr)
		return r ? r : -EPROTO;
	/* Later versions append. */
	len = mnl_attr_get_payload_len(attr);
	memcpy(st.n, mnl_attr_get_payload(attr), len < sizeof(st.n) ? len : sizeof(st.n));
	s->fn(s->arg, &st);
	return 0;
}

int cc_channel_stats_get(struct cc_channel *c, cc_channel_stats_fn *fn, void *arg)
{
	struct stats_sink s = { fn, arg };

	return cc_channel_request(c, cc_channel_begin(c, CHUNKCACHE_CMD_STATS_GET, NLM_F_DUMP), on_stats_message, &s);
}
