// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The netlink channel; see channel.h.  The only file of the helper that sees attributes.  Owns the
 * command socket, the doorbell's socket, and the session number.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"

#define SEND_MAX	(68 * 1024)	/* a header, a few attributes, one of 64 KiB */
#define RECV_MAX	(128 * 1024)
#define RCVBUF		(1024 * 1024)

struct cc_channel {
	struct mnl_socket *cmd;
	struct mnl_socket *bell;
	uint16_t family;
	uint32_t seq;
	uint64_t session;
	uint64_t messages;
	char error[256];
	char send[SEND_MAX] __attribute__((aligned(8)));
	char recv[RECV_MAX] __attribute__((aligned(8)));
};

/* What a reply's message is handed to.  tb has the attributes by number, NULL where absent. */
typedef int reply_fn(void *arg, const struct nlattr **tb);

/* ---- attributes ---- */

struct attr_table {
	const struct nlattr *tb[CHUNKCACHE_A_MAX + 1];
};

static int collect_attr(const struct nlattr *attr, void *data)
{
	struct attr_table *t = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type <= CHUNKCACHE_A_MAX)
		t->tb[type] = attr;
	return MNL_CB_OK;
}

static int get_u32(const struct nlattr **tb, int type, uint32_t *ret)
{
	if (!tb[type] || mnl_attr_get_payload_len(tb[type]) != sizeof(*ret))
		return -EPROTO;
	*ret = mnl_attr_get_u32(tb[type]);
	return 0;
}

static int get_u64(const struct nlattr **tb, int type, uint64_t *ret)
{
	if (!tb[type] || mnl_attr_get_payload_len(tb[type]) != sizeof(*ret))
		return -EPROTO;
	*ret = mnl_attr_get_u64(tb[type]);
	return 0;
}

static int get_string(const struct nlattr **tb, int type, char *ret, size_t size)
{
	size_t len;

	if (!tb[type])
		return -EPROTO;
	len = strnlen(mnl_attr_get_payload(tb[type]), mnl_attr_get_payload_len(tb[type]));
	if (len >= size)
		return -EPROTO;
	memcpy(ret, mnl_attr_get_payload(tb[type]), len);
	ret[len] = 0;
	return 0;
}

/* An array of records of size bytes, at most max of them; an absent attribute is an empty array. */
static int get_records(const struct nlattr **tb, int type, void *ret, size_t size, uint32_t max,
		       uint32_t *ret_nr)
{
	uint32_t len;

	*ret_nr = 0;
	if (!tb[type])
		return 0;
	len = mnl_attr_get_payload_len(tb[type]);
	if (len % size || len / size > max)
		return -EPROTO;
	memcpy(ret, mnl_attr_get_payload(tb[type]), len);
	*ret_nr = (uint32_t)(len / size);
	return 0;
}

/* ---- one request ---- */

static struct nlmsghdr *begin(struct cc_channel *c, uint16_t type, uint8_t cmd, uint8_t version, int flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(c->send);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	nlh->nlmsg_seq = ++c->seq;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

static struct nlmsghdr *begin_cmd(struct cc_channel *c, uint8_t cmd, int flags)
{
	struct nlmsghdr *nlh = begin(c, c->family, cmd, CHUNKCACHE_GENL_VERSION, flags);

	if (c->session)
		mnl_attr_put_u64(nlh, CHUNKCACHE_A_SESSION, c->session);
	return nlh;
}

/* The text that the kernel put behind an error, if any. */
static void keep_error_text(struct cc_channel *c, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*e);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		offset += MNL_ALIGN(e->msg.nlmsg_len - MNL_NLMSG_HDRLEN);
	mnl_attr_for_each(attr, nlh, offset) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(c->error, sizeof(c->error), "%.*s",
				 (int)mnl_attr_get_payload_len(attr),
				 (const char *)mnl_attr_get_payload(attr));
	}
}

static int deliver(const struct nlmsghdr *nlh, reply_fn *fn, void *arg)
{
	struct attr_table t = { { NULL } };

	if (!fn)
		return 0;
	if (mnl_attr_parse(nlh, sizeof(struct genlmsghdr), collect_attr, &t) < 0)
		return -EPROTO;
	return fn(arg, t.tb);
}

/* Returns 1 if nlh ends the answer, with the result in *result. */
static int take_message(struct cc_channel *c, const struct nlmsghdr *nlh, reply_fn *fn, void *arg,
			int *result)
{
	int r;

	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		r = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
		if (r) {
			*result = r;
			keep_error_text(c, nlh);
		}
		return 1;
	case NLMSG_DONE:
		if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int)) {
			r = *(const int *)mnl_nlmsg_get_payload(nlh);
			if (r < 0)
				*result = r;
		}
		return 1;
	case NLMSG_NOOP:
	case NLMSG_OVERRUN:
		return 0;
	default:
		r = deliver(nlh, fn, arg);
		if (r && !*result)
			*result = r;
		return 0;
	}
}

/*
 * Read the answer to request seq.  It is there already: the kernel answers within the send, and goes on with
 * a dump within each read.  So an empty socket means that (part of) the answer was lost.
 */
static int receive(struct cc_channel *c, uint32_t seq, reply_fn *fn, void *arg)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { c->recv, sizeof(c->recv) };
	int result = 0;

	for (;;) {
		struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from),
				      .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n = recvmsg(mnl_socket_get_fd(c->cmd), &msg, MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)c->recv;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			result = result ? result : -ENOBUFS;
			continue;
		}
		if (n < 0)
			return errno == EAGAIN ? -ENOBUFS : -errno;
		if (from.nl_pid)
			continue;
		if (msg.msg_flags & MSG_TRUNC)
			result = result ? result : -ENOBUFS;
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			if (nlh->nlmsg_seq == seq && take_message(c, nlh, fn, arg, &result))
				return result;
	}
}

static int request(struct cc_channel *c, const struct nlmsghdr *nlh, reply_fn *fn, void *arg)
{
	int r;

	c->error[0] = 0;
	c->messages++;
	if (mnl_socket_sendto(c->cmd, nlh, nlh->nlmsg_len) < 0)
		r = -errno;
	else
		r = receive(c, nlh->nlmsg_seq, fn, arg);
	if (r && !c->error[0])
		snprintf(c->error, sizeof(c->error), "%s", strerror(-r));
	return r;
}

/* ---- sockets ---- */

static int family_attr(const struct nlattr *attr, void *data)
{
	uint16_t *id = data;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID && mnl_attr_get_payload_len(attr) == sizeof(*id))
		*id = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

/* GETFAMILY's answer has attribute numbers of its own, so it is read here and not by deliver(). */
static int resolve_family(struct cc_channel *c)
{
	struct nlmsghdr *nlh = begin(c, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
	ssize_t n;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, CHUNKCACHE_GENL_NAME);
	nlh->nlmsg_flags = NLM_F_REQUEST;
	if (mnl_socket_sendto(c->cmd, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(c->cmd, c->recv, sizeof(c->recv));
	if (n < 0)
		return -errno;
	nlh = (struct nlmsghdr *)c->recv;
	if (!mnl_nlmsg_ok(nlh, (int)n))
		return -EPROTO;
	if (nlh->nlmsg_type == NLMSG_ERROR)
		return ((const struct nlmsgerr *)mnl_nlmsg_get_payload(nlh))->error;
	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), family_attr, &c->family);
	return c->family ? 0 : -EPROTO;
}

static int open_socket(struct mnl_socket **ret, int flags)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC | flags);
	int size = RCVBUF;

	if (!s)
		return -errno;
	if (mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0) {
		int r = -errno;

		mnl_socket_close(s);
		return r;
	}
	/* What a default buffer loses is asked for again, so failure here is harmless. */
	setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	*ret = s;
	return 0;
}

int cc_channel_open(struct cc_channel **ret_channel)
{
	struct cc_channel *c = calloc(1, sizeof(*c));
	int one = 1, r;

	if (!c)
		return -ENOMEM;
	r = open_socket(&c->cmd, 0);
	if (r)
		goto err_free;
	mnl_socket_setsockopt(c->cmd, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(c->cmd, NETLINK_CAP_ACK, &one, sizeof(one));
	r = open_socket(&c->bell, SOCK_NONBLOCK);
	if (r)
		goto err_cmd;
	r = resolve_family(c);
	if (r)
		goto err_bell;
	*ret_channel = c;
	return 0;
err_bell:
	mnl_socket_close(c->bell);
err_cmd:
	mnl_socket_close(c->cmd);
err_free:
	free(c);
	return r;
}

void cc_channel_close(struct cc_channel *c)
{
	if (!c)
		return;
	mnl_socket_close(c->bell);
	mnl_socket_close(c->cmd);
	free(c);
}

const char *cc_channel_error(const struct cc_channel *c)
{
	return c->error;
}

uint64_t cc_channel_messages(const struct cc_channel *c)
{
	return c->messages;
}

int cc_channel_bell_fd(const struct cc_channel *c)
{
	return mnl_socket_get_fd(c->bell);
}

bool cc_channel_bell_drain(struct cc_channel *c)
{
	bool rang = false;

	for (;;) {
		struct sockaddr_nl from = { 0 };
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(mnl_socket_get_fd(c->bell), c->recv, sizeof(c->recv),
				     MSG_DONTWAIT, (struct sockaddr *)&from, &len);

		if (n < 0 && errno == EAGAIN)
			return rang;
		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			return rang;
		/* The content does not matter: a ring says "pull", and so does a lost one. */
		rang |= n < 0 ? errno == ENOBUFS : !from.nl_pid;
	}
}

/* ---- session ---- */

static int on_attach(void *arg, const struct nlattr **tb)
{
	struct cc_attachment a = { 0 }, *ret = arg;
	int r;

	r = get_u64(tb, CHUNKCACHE_A_SESSION, &a.session);
	if (!r)
		r = get_u64(tb, CHUNKCACHE_A_INSTANCE, &a.instance);
	if (!r)
		r = get_u32(tb, CHUNKCACHE_A_SLOT_SIZE, &a.slot_size);
	if (!r)
		r = get_u64(tb, CHUNKCACHE_A_NR_SLOTS, &a.nr_slots);
	if (!r)
		r = get_string(tb, CHUNKCACHE_A_POOL_NAME, a.pool_name, sizeof(a.pool_name));
	if (!r)
		*ret = a;
	return r;
}

int cc_channel_attach(struct cc_channel *c, int pool_fd, const uint8_t uuid[16],
		      struct cc_attachment *ret_attachment)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_ATTACH, 0);
	struct cc_attachment a = { 0 };
	int r;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_VERSION, CHUNKCACHE_PROTOCOL_VERSION);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_POOL_FD, (uint32_t)pool_fd);
	mnl_attr_put(nlh, CHUNKCACHE_A_POOL_UUID, 16, uuid);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_BELL_PORT, mnl_socket_get_portid(c->bell));
	r = request(c, nlh, on_attach, &a);
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
	int r = request(c, begin_cmd(c, CHUNKCACHE_CMD_DETACH, 0), NULL, NULL);

	if (!r)
		c->session = 0;
	return r;
}

/* ---- disks ---- */

struct disk_sink {
	cc_channel_disk_fn *fn;
	void *arg;
};

static int on_disk(void *arg, const struct nlattr **tb)
{
	struct disk_sink *s = arg;
	struct cc_disk_info d = { 0 };
	uint32_t digest_size;
	int r;

	r = get_u64(tb, CHUNKCACHE_A_DISK, &d.id);
	if (!r)
		r = get_u64(tb, CHUNKCACHE_A_DISK_SECTORS, &d.sectors);
	if (!r)
		r = get_u32(tb, CHUNKCACHE_A_DISK_STATE, &d.state);
	if (!r)
		r = get_string(tb, CHUNKCACHE_A_DISK_NAME, d.name, sizeof(d.name));
	if (!r)
		r = get_string(tb, CHUNKCACHE_A_STORE, d.store, sizeof(d.store));
	if (!r)
		r = get_records(tb, CHUNKCACHE_A_DIGEST, d.digest, 1, sizeof(d.digest), &digest_size);
	if (!r && digest_size != sizeof(d.digest))
		r = -EPROTO;
	if (!r)
		s->fn(s->arg, &d);
	return r;
}

int cc_channel_disk_get(struct cc_channel *c, cc_channel_disk_fn *fn, void *arg)
{
	struct disk_sink s = { fn, arg };

	return request(c, begin_cmd(c, CHUNKCACHE_CMD_DISK_GET, NLM_F_DUMP), on_disk, &s);
}

int cc_channel_disk_state(struct cc_channel *c, uint64_t disk, uint32_t state, const char *reason)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_DISK_STATE, 0);
	char text[CHUNKCACHE_REASON_MAX + 1];

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, disk);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_DISK_STATE, state);
	if (reason) {
		snprintf(text, sizeof(text), "%s", reason);
		for (char *p = text; *p; p++)
			if (*p < ' ' || *p > '~')
				*p = '?';
		mnl_attr_put_strz(nlh, CHUNKCACHE_A_REASON, text);
	}
	return request(c, nlh, NULL, NULL);
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
	int r = get_u32(tb, CHUNKCACHE_A_PENDING, &s->pending);

	if (r)
		return r;
	return get_records(tb, CHUNKCACHE_A_MISSES, s->misses, sizeof(*s->misses), s->max, &s->nr);
}

int cc_channel_miss_get(struct cc_channel *c, bool all, uint32_t count, struct chunkcache_miss *misses,
			uint32_t *ret_nr, uint32_t *ret_pending)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_MISS_GET, 0);
	struct miss_sink s = { misses, count, 0, 0 };
	int r;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, count);
	if (all)
		mnl_attr_put(nlh, CHUNKCACHE_A_ALL, 0, NULL);
	r = request(c, nlh, on_misses, &s);
	if (r)
		return r;
	*ret_nr = s.nr;
	*ret_pending = s.pending;
	return 0;
}

int cc_channel_miss_data(struct cc_channel *c, const struct chunkcache_miss *m, uint32_t offset,
			 const void *data, uint32_t len, bool last)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_MISS_DATA, 0);

	mnl_attr_put_u64(nlh, CHUNKCACHE_A_DISK, m->disk);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_CHUNK, m->chunk);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_COOKIE, m->cookie);
	mnl_attr_put_u32(nlh, CHUNKCACHE_A_OFFSET, offset);
	if (last)
		mnl_attr_put(nlh, CHUNKCACHE_A_LAST, 0, NULL);
	mnl_attr_put(nlh, CHUNKCACHE_A_DATA, len, data);
	return request(c, nlh, NULL, NULL);
}

static int on_refused(void *arg, const struct nlattr **tb)
{
	struct cc_refusals *ret = arg;

	return get_records(tb, CHUNKCACHE_A_REFUSED, ret->r, sizeof(ret->r[0]), CHUNKCACHE_MAP_BATCH_MAX,
			   &ret->nr);
}

int cc_channel_miss_fail(struct cc_channel *c, const struct chunkcache_fail *fails, uint32_t nr,
			 struct cc_refusals *ret_refusals)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_MISS_FAIL, 0);

	ret_refusals->nr = 0;
	mnl_attr_put(nlh, CHUNKCACHE_A_FAILS, nr * sizeof(*fails), fails);
	return request(c, nlh, on_refused, ret_refusals);
}

/* ---- slots ---- */

struct slot_sink {
	struct chunkcache_slot *slots;
	uint32_t max;
	uint32_t nr;
};

static int on_slots(void *arg, const struct nlattr **tb)
{
	struct slot_sink *s = arg;

	return get_records(tb, CHUNKCACHE_A_SLOTS, s->slots, sizeof(*s->slots), s->max, &s->nr);
}

int cc_channel_slot_alloc(struct cc_channel *c, uint32_t count, bool prefetch,
			  struct chunkcache_slot *slots, uint32_t *ret_nr)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_SLOT_ALLOC, 0);
	struct slot_sink s = { slots, count, 0 };
	int r;

	mnl_attr_put_u32(nlh, CHUNKCACHE_A_COUNT, count);
	if (prefetch)
		mnl_attr_put(nlh, CHUNKCACHE_A_PREFETCH, 0, NULL);
	r = request(c, nlh, on_slots, &s);
	if (!r)
		*ret_nr = s.nr;
	return r;
}

int cc_channel_slot_adopt(struct cc_channel *c, uint32_t slot, uint32_t *ret_gen)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_SLOT_ALLOC, 0);
	struct chunkcache_slot wanted = { slot, 0 }, granted = { 0, 0 };
	struct slot_sink s = { &granted, 1, 0 };
	int r;

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(wanted), &wanted);
	r = request(c, nlh, on_slots, &s);
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
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_SLOT_DONE, 0);

	ret_refusals->nr = 0;
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, sizeof(slot), &slot);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_KEY, key);
	if (prefetch)
		mnl_attr_put(nlh, CHUNKCACHE_A_PREFETCH, 0, NULL);
	if (nr)
		mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, nr * sizeof(*maps), maps);
	return request(c, nlh, on_refused, ret_refusals);
}

int cc_channel_slot_release(struct cc_channel *c, const struct chunkcache_slot *slots, uint32_t nr, bool bad)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_SLOT_RELEASE, 0);

	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, nr * sizeof(*slots), slots);
	if (bad)
		mnl_attr_put(nlh, CHUNKCACHE_A_BAD, 0, NULL);
	return request(c, nlh, NULL, NULL);
}

int cc_channel_slot_keep(struct cc_channel *c, const struct chunkcache_slot *slots, uint32_t nr,
			 struct cc_refusals *ret_refusals)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_SLOT_KEEP, 0);

	ret_refusals->nr = 0;
	mnl_attr_put(nlh, CHUNKCACHE_A_SLOTS, nr * sizeof(*slots), slots);
	return request(c, nlh, on_refused, ret_refusals);
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

	return request(c, begin_cmd(c, CHUNKCACHE_CMD_SLOT_GET, NLM_F_DUMP), on_slot_info, &s);
}

int cc_channel_slot_get_of(struct cc_channel *c, const char *pool, cc_channel_slot_fn *fn, void *arg)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_SLOT_GET, NLM_F_DUMP);
	struct slot_info_sink s = { fn, arg };

	mnl_attr_put_strz(nlh, CHUNKCACHE_A_POOL_NAME, pool);
	return request(c, nlh, on_slot_info, &s);
}

int cc_channel_map(struct cc_channel *c, const struct chunkcache_map *maps, uint32_t nr,
		   struct cc_refusals *ret_refusals)
{
	struct nlmsghdr *nlh = begin_cmd(c, CHUNKCACHE_CMD_MAP, 0);

	ret_refusals->nr = 0;
	mnl_attr_put(nlh, CHUNKCACHE_A_MAPS, nr * sizeof(*maps), maps);
	return request(c, nlh, on_refused, ret_refusals);
}

/* ---- counters ---- */

struct stats_sink {
	cc_channel_stats_fn *fn;
	void *arg;
};

static int on_stats(void *arg, const struct nlattr **tb)
{
	const struct nlattr *attr = tb[CHUNKCACHE_A_STATS];
	struct cc_channel_stats st = { .undrained = 0 };
	struct stats_sink *s = arg;
	size_t len;
	int r = get_string(tb, CHUNKCACHE_A_POOL_NAME, st.pool, sizeof(st.pool));

	if (!r && tb[CHUNKCACHE_A_DISK_NAME])
		r = get_string(tb, CHUNKCACHE_A_DISK_NAME, st.disk, sizeof(st.disk));
	if (!r && tb[CHUNKCACHE_A_UNDRAINED])
		r = get_u32(tb, CHUNKCACHE_A_UNDRAINED, &st.undrained);
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

	return request(c, begin_cmd(c, CHUNKCACHE_CMD_STATS_GET, NLM_F_DUMP), on_stats, &s);
}
