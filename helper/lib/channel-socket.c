// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The channel's sockets: one request and its answer, attributes out of it, the doorbell.
 */
#include "channel-impl.h"

#include <errno.h>
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

static int collect_attr(const struct nlattr *attr, void *data)
{
	struct attr_table *t = data;
	uint16_t type = mnl_attr_get_type(attr);

	if (type <= CHUNKCACHE_A_MAX)
		t->tb[type] = attr;
	return MNL_CB_OK;
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

static int deliver(const struct nlmsghdr *nlh, cc_channel_reply_fn *fn, void *arg)
{
	struct attr_table t = { { NULL } };

	if (!fn)
		return 0;
	if (mnl_attr_parse(nlh, sizeof(struct genlmsghdr), collect_attr, &t) < 0)
		return -EPROTO;
	return fn(arg, t.tb);
}

/* Returns 1 if nlh ends the answer, with the result in *result. */
static int take_message(struct cc_channel *c, const struct nlmsghdr *nlh, cc_channel_reply_fn *fn, void *arg,
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
static int receive(struct cc_channel *c, uint32_t seq, cc_channel_reply_fn *fn, void *arg)
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

int cc_channel_request(struct cc_channel *c, const struct nlmsghdr *nlh, cc_channel_reply_fn *fn, void *arg)
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
	struct nlmsghdr *nlh = begin_message(c, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
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
