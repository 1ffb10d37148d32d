// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The channel's sockets: one request and its answer, attributes out of it, the doorbell.
 */
#include "channel-impl.h"

#include <errno.h>
#include <limits.h>
#include <linux/genetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RCVBUF		(1024 * 1024)

/* ---- attributes ---- */

struct attr_table {
	const struct nlattr *tb[CHUNKCACHE_A_MAX + 1];
};

/* One attribute of left bytes or more.  -EPROTO: it is none, or came before; but padding may. */
static int collect_attr(const struct nlattr *attr, size_t left, struct attr_table *t)
{
	uint16_t type;

	if (left < sizeof(*attr) || attr->nla_len < sizeof(*attr) || attr->nla_len > left)
		return -EPROTO;
	type = mnl_attr_get_type(attr);
	if (type > CHUNKCACHE_A_MAX)
		return 0;
	if (t->tb[type] && type != CHUNKCACHE_A_PAD)
		return -EPROTO;
	t->tb[type] = attr;
	return 0;
}

/* All that is behind the header has to be attributes: one that was lost could look like an empty batch. */
static int collect_attrs(const struct nlmsghdr *nlh, struct attr_table *t)
{
	const char *p = mnl_nlmsg_get_payload(nlh);
	size_t left = mnl_nlmsg_get_payload_len(nlh), len = sizeof(struct genlmsghdr);
	int r = left < len ? -EPROTO : 0;

	while (!r && left > len) {
		p += len;
		left -= len;
		r = collect_attr((const struct nlattr *)p, left, t);
		len = r ? 0 : MNL_ALIGN(((const struct nlattr *)p)->nla_len);
	}
	return r;
}

int cc_attr_u32(const struct nlattr **tb, int type, uint32_t *ret)
{
	if (!tb[type] || mnl_attr_get_payload_len(tb[type]) != sizeof(*ret))
		return -EPROTO;
	*ret = mnl_attr_get_u32(tb[type]);
	return 0;
}

int cc_attr_u64(const struct nlattr **tb, int type, uint64_t *ret)
{
	if (!tb[type] || mnl_attr_get_payload_len(tb[type]) != sizeof(*ret))
		return -EPROTO;
	*ret = mnl_attr_get_u64(tb[type]);
	return 0;
}

int cc_attr_string(const struct nlattr **tb, int type, char *ret, size_t size)
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

int cc_attr_bytes(const struct nlattr **tb, int type, void *ret, size_t size)
{
	if (!tb[type] || mnl_attr_get_payload_len(tb[type]) != size)
		return -EPROTO;
	memcpy(ret, mnl_attr_get_payload(tb[type]), size);
	return 0;
}

int cc_attr_records(const struct nlattr **tb, int type, void *ret, size_t size, uint32_t max,
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

static struct nlmsghdr *begin_message(struct cc_channel *c, uint16_t type, uint8_t cmd, uint8_t version, int flags)
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

struct nlmsghdr *cc_channel_begin(struct cc_channel *c, uint8_t cmd, int flags)
{
	struct nlmsghdr *nlh = begin_message(c, c->family, cmd, CHUNKCACHE_GENL_VERSION, flags);

	if (c->session)
		mnl_attr_put_u64(nlh, CHUNKCACHE_A_SESSION, c->session);
	return nlh;
}

/* What is known of an answer under way. */
struct answer {
	uint16_t type;			/* of its messages, but the last one: the request's */
	uint32_t seq;
	bool dump;			/* any number of messages; else fn gets one */
	unsigned int nr;		/* messages so far */
	int result;			/* the first error */
	cc_channel_reply_fn *fn;
	void *arg;
};

static void note_error(struct answer *a, int error)
{
	if (!a->result)
		a->result = error;
}

/* The text that the kernel put behind an error, if any. */
static void keep_error_text(struct cc_channel *c, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t offset = sizeof(*e), len = mnl_nlmsg_get_payload_len(nlh);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		if (e->msg.nlmsg_len < MNL_NLMSG_HDRLEN || e->msg.nlmsg_len > len)
			return;
		offset += MNL_ALIGN(e->msg.nlmsg_len - MNL_NLMSG_HDRLEN);
	}
	if (offset > len)
		return;
	mnl_attr_for_each(attr, nlh, offset) {
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(c->error, sizeof(c->error), "%.*s",
				 (int)mnl_attr_get_payload_len(attr),
				 (const char *)mnl_attr_get_payload(attr));
	}
}

static int deliver(struct answer *a, const struct nlmsghdr *nlh)
{
	struct attr_table t = { { NULL } };
	int r;

	if (nlh->nlmsg_type != a->type || (a->nr && !a->dump))
		return -EPROTO;
	a->nr++;
	r = collect_attrs(nlh, &t);
	return r || !a->fn ? r : a->fn(a->arg, t.tb);
}

/* The result in the first four bytes of the last message: 0 or negative. */
static void take_result(struct answer *a, const struct nlmsghdr *nlh, size_t least)
{
	int32_t error;

	if (mnl_nlmsg_get_payload_len(nlh) < least) {
		note_error(a, -EPROTO);
		return;
	}
	memcpy(&error, mnl_nlmsg_get_payload(nlh), sizeof(error));
	note_error(a, error > 0 ? -EPROTO : error);
	/* Nothing was said of what was asked for: it got lost. */
	if (a->fn && !a->dump && !a->nr)
		note_error(a, -ENOBUFS);
}

/* Returns true if nlh ends the answer. */
static bool take_message(struct cc_channel *c, struct answer *a, const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type) {
	case NLMSG_ERROR:
		take_result(a, nlh, sizeof(struct nlmsgerr));
		if (a->result && mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct nlmsgerr))
			keep_error_text(c, nlh);
		return true;
	case NLMSG_DONE:
		if (!a->dump)
			note_error(a, -EPROTO);
		take_result(a, nlh, sizeof(int32_t));
		return true;
	case NLMSG_NOOP:
		return false;
	case NLMSG_OVERRUN:
		note_error(a, -ENOBUFS);
		return false;
	default:
		note_error(a, deliver(a, nlh));
		return false;
	}
}

/* All messages of n bytes that were read.  True: the answer has ended. */
static bool take_messages(struct cc_channel *c, struct answer *a, size_t n)
{
	const struct nlmsghdr *nlh = (const struct nlmsghdr *)c->recv;
	int left = (int)n;

	/* libmnl takes a length from 2^31 on for one below 0, which fits. */
	for (; mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= INT_MAX; nlh = mnl_nlmsg_next(nlh, &left))
		if (nlh->nlmsg_seq == a->seq && take_message(c, a, nlh))
			return true;
	if (left > 0)
		note_error(a, -EPROTO);
	return false;
}

/*
 * Read the answer.  It is there already: the kernel answers within the send, and goes on with a dump within
 * each read.  So an empty socket means that (part of) the answer was lost.
 */
static int receive(struct cc_channel *c, struct answer *a)
{
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { c->recv, sizeof(c->recv) };

	for (;;) {
		struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from),
				      .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n = recvmsg(mnl_socket_get_fd(c->cmd), &msg, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			note_error(a, -ENOBUFS);
			continue;
		}
		if (n < 0) {
			note_error(a, errno == EAGAIN ? -ENOBUFS : -errno);
			return a->result;
		}
		/* Only the kernel has number 0; whoever else sends here has nothing to say. */
		if (from.nl_pid)
			continue;
		if (msg.msg_flags & MSG_TRUNC)
			note_error(a, -ENOBUFS);
		if (take_messages(c, a, (size_t)n))
			return a->result;
	}
}

int cc_channel_request(struct cc_channel *c, const struct nlmsghdr *nlh, cc_channel_reply_fn *fn, void *arg)
{
	struct answer a = {
		.type = nlh->nlmsg_type, .seq = nlh->nlmsg_seq, .dump = nlh->nlmsg_flags & NLM_F_DUMP,
		.fn = fn, .arg = arg,
	};
	int r;

	c->error[0] = 0;
	c->messages++;
	if (mnl_socket_sendto(c->cmd, nlh, nlh->nlmsg_len) < 0)
		r = -errno;
	else
		r = receive(c, &a);
	if (r && !c->error[0])
		snprintf(c->error, sizeof(c->error), "%s", r == -EPROTO ?
			 "the kernel's answer is not as the protocol has it" : strerror(-r));
	return r;
}

/* ---- sockets ---- */

_Static_assert(CTRL_ATTR_VERSION <= CHUNKCACHE_A_MAX, "the controller's attributes are collected, too");

static int on_family(void *arg, const struct nlattr **tb)
{
	const struct nlattr *attr = tb[CTRL_ATTR_FAMILY_ID];
	struct cc_channel *c = arg;

	if (!attr || mnl_attr_get_payload_len(attr) != sizeof(c->family) || mnl_attr_get_u16(attr) < NLMSG_MIN_TYPE)
		return -EPROTO;
	c->family = mnl_attr_get_u16(attr);
	return cc_attr_u32(tb, CTRL_ATTR_VERSION, &c->protocol);
}

static int resolve_family(struct cc_channel *c)
{
	struct nlmsghdr *nlh = begin_message(c, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, CHUNKCACHE_GENL_NAME);
	return cc_channel_request(c, nlh, on_family, c);
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

uint32_t cc_channel_protocol(const struct cc_channel *c)
{
	return c->protocol;
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
