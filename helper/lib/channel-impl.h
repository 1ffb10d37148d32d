/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The channel's inside: channel-socket.c makes a request and takes its answer, channel.c and, for journal and
 * volumes, channel-volume.c know what the commands mean.
 */
#ifndef CC_CHANNEL_IMPL_H
#define CC_CHANNEL_IMPL_H

#include "channel.h"

#include <libmnl/libmnl.h>

#define CC_CHANNEL_SEND_MAX	(68 * 1024)	/* a header, a few attributes, one of 64 KiB */
#define CC_CHANNEL_RECV_MAX	(128 * 1024)

struct cc_channel {
	struct mnl_socket *cmd;
	struct mnl_socket *bell;
	uint16_t family;
	uint32_t protocol;
	uint32_t seq;
	uint64_t session;
	uint64_t messages;
	char error[256];
	char send[CC_CHANNEL_SEND_MAX] __attribute__((aligned(8)));
	char recv[CC_CHANNEL_RECV_MAX] __attribute__((aligned(8)));
};

/* What a reply's message is handed to.  tb has the attributes by number, NULL where absent. */
typedef int cc_channel_reply_fn(void *arg, const struct nlattr **tb);

/* A message of the session for cmd, in send; attributes follow. */
struct nlmsghdr *cc_channel_begin(struct cc_channel *c, uint8_t cmd, int flags);
/* Sends it, and hands each message of the answer to fn; 0 or -errno, then error has a line. */
int cc_channel_request(struct cc_channel *c, const struct nlmsghdr *nlh, cc_channel_reply_fn *fn, void *arg);

/* CHUNKCACHE_A_REASON: made printable and cut to length. */
void cc_channel_put_reason(struct nlmsghdr *nlh, const char *reason);

/* For replies that are arrays of slots. */
struct cc_slot_sink {
	struct chunkcache_slot *slots;
	uint32_t max;
	uint32_t nr;
};
int cc_channel_on_slots(void *arg, const struct nlattr **tb);
/* For replies to batches: arg is a struct cc_refusals. */
int cc_channel_on_refused(void *arg, const struct nlattr **tb);

/* Of a reply: -EPROTO if the attribute is absent or of another size. */
int cc_attr_u32(const struct nlattr **tb, int type, uint32_t *ret);
int cc_attr_u64(const struct nlattr **tb, int type, uint64_t *ret);
int cc_attr_string(const struct nlattr **tb, int type, char *ret, size_t size);
/* Exactly size bytes. */
int cc_attr_bytes(const struct nlattr **tb, int type, void *ret, size_t size);
/* An array of records of size bytes, at most max of them; an absent attribute is an empty array. */
int cc_attr_records(const struct nlattr **tb, int type, void *ret, size_t size, uint32_t max,
		    uint32_t *ret_nr);

#endif
