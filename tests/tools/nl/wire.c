// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages of the protocol, out and in: sockets, the family, requests, replies and acks. */
#include "nl.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

struct nl nl = { .content = { .seed = 1, .size = 64 << 20, .chunk = 1 << 20 }, .pool_fd = -1 };
static uint32_t seq;
static char out[NL_BUF_SIZE];

static struct mnl_socket *open_socket(void)
{
	struct mnl_socket *s = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	struct timeval patience = { 30, 0 };	/* an ack that never comes is a failure */
	int on = 1;

	if (!s || mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID) < 0)
		die("netlink socket", strerror(errno));
	mnl_socket_setsockopt(s, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(s, NETLINK_CAP_ACK, &on, sizeof(on));
	setsockopt(mnl_socket_get_fd(s), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return s;
}

void nl_open_sockets(void)
{
	if (nl.commands)
		mnl_socket_close(nl.commands);
	if (nl.bell)
		mnl_socket_close(nl.bell);
	nl.commands = open_socket();
	nl.bell = open_socket();
}

static int on_attr(const struct nlattr *attr, void *arg)
{
	const struct nlattr **tb = arg;
	unsigned int type = mnl_attr_get_type(attr);

	if (type <= CHUNKCACHE_A_MAX)
		tb[type] = attr;
	return MNL_CB_OK;
}

static void take_refused(void)
{
	const struct nlattr *a = nl.reply.tb[CHUNKCACHE_A_REFUSED];
	const struct chunkcache_refused *r;
	unsigned int i;

	if (!a)
		return;
	r = mnl_attr_get_payload(a);
	nl.reply.nr_refused = mnl_attr_get_payload_len(a) / sizeof(*r);
	for (i = 0; i < nl.reply.nr_refused; i++) {
		if (i && nl.reply.refused_error != (int)r[i].error)
			nl.reply.refused_error = -1;
		else
			nl.reply.refused_error = r[i].error;
	}
}

void nl_take_reply(const struct nlmsghdr *nlh)
{
	memcpy(nl.reply.copy, nlh, nlh->nlmsg_len);
	memset(nl.reply.tb, 0, sizeof(nl.reply.tb));
	mnl_attr_parse((struct nlmsghdr *)nl.reply.copy, GENL_HDRLEN, on_attr, nl.reply.tb);
	take_refused();
}

int nl_take_ack(const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;
	size_t skip = nlh->nlmsg_type == NLMSG_DONE ? sizeof(int) : sizeof(*err);

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return err->error;
	if (nlh->nlmsg_type == NLMSG_ERROR && !(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += err->msg.nlmsg_len - sizeof(err->msg);
	mnl_attr_for_each(attr, nlh, skip)
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG)
			snprintf(nl.reply.text, sizeof(nl.reply.text), "%s", mnl_attr_get_str(attr));
	return err->error;
}

int nl_transact(struct nlmsghdr *nlh, nl_message_fn *fn)
{
	const struct nlmsghdr *in;
	int n;

	nl.reply.text[0] = 0;
	nl.reply.nr_refused = 0;
	nl.reply.refused_error = 0;
	memset(nl.reply.tb, 0, sizeof(nl.reply.tb));
	if (mnl_socket_sendto(nl.commands, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		n = mnl_socket_recvfrom(nl.commands, nl.in, sizeof(nl.in));
		if (n < 0)
			return -errno;
		for (in = (void *)nl.in; mnl_nlmsg_ok(in, n); in = mnl_nlmsg_next(in, &n)) {
			if (in->nlmsg_seq != nlh->nlmsg_seq)
				continue;
			if (in->nlmsg_type == NLMSG_ERROR || in->nlmsg_type == NLMSG_DONE)
				return nl_take_ack(in);
			if (nlh->nlmsg_flags & NLM_F_DUMP && fn)
				fn(in);
			else
				nl_take_reply(in);
		}
	}
}

struct nlmsghdr *nl_request(uint16_t type, uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(out);
	struct genlmsghdr *g;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	nlh->nlmsg_seq = ++seq;
	g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));
	g->cmd = cmd;
	g->version = CHUNKCACHE_GENL_VERSION;
	return nlh;
}

static int find_family(void)
{
	struct nlmsghdr *nlh = nl_request(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	const struct nlattr *attr;
	int err;

	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, CHUNKCACHE_GENL_NAME);
	err = nl_transact(nlh, NULL);
	if (err)
		return err;
	mnl_attr_for_each(attr, (struct nlmsghdr *)nl.reply.copy, GENL_HDRLEN)
		if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID)
			nl.family = mnl_attr_get_u16(attr);
	return 0;
}

int nl_need_family(void)
{
	return nl.family ? 0 : find_family();
}

struct nlmsghdr *nl_begin(uint8_t cmd, uint16_t flags)
{
	struct nlmsghdr *nlh;

	/* without the module: a number that no nl.family has */
	nlh = nl_request(nl_need_family() ? GENL_MAX_ID : nl.family, cmd, flags);
	mnl_attr_put_u64(nlh, CHUNKCACHE_A_SESSION, nl.session);
	return nlh;
}

uint64_t nl_get_u64(int attr)
{
	return nl.reply.tb[attr] ? mnl_attr_get_u64(nl.reply.tb[attr]) : 0;
}

uint32_t nl_get_u32(int attr)
{
	return nl.reply.tb[attr] ? mnl_attr_get_u32(nl.reply.tb[attr]) : 0;
}
