/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A command of the helper on its way: attributes in, a reply out, and who may give it.  The
 * handlers are in netlink-*.c; each runs with the mutex of its pool held.
 */
#ifndef CC_COMMAND_H
#define CC_COMMAND_H

#include "genl.h"

struct cc_pool;
struct cc_session;

/* One command on its way: what all handlers need. */
struct cc_cmd {
	struct genl_info *info;
	struct cc_pool *pool;
	struct cc_session *session;
	struct sk_buff *reply;
	void *head;			/* of the reply */
	struct chunkcache_refused *refused;
	u32 nr_refused;
};

/* Refuse the message: errno and the reason that the sender is shown. */
#define cc_cmd_fail(info, error, text) ({ NL_SET_ERR_MSG((info)->extack, text); (error); })

#define cc_cmd_require(info, attr) \
	((info)->attrs[attr] ? 0 : cc_cmd_fail(info, -EINVAL, "missing " #attr))

/* An array attribute: 1..max records of this size.  -EINVAL. */
int cc_cmd_get_records(struct genl_info *info, int attr, size_t size, u32 max, u32 *ret_n);
/* Records in a message are not aligned: copy the one. */
#define cc_cmd_get_record(info, attr, i, ret) \
	memcpy(ret, nla_data((info)->attrs[attr]) + (i) * sizeof(*(ret)), sizeof(*(ret)))
/* COUNT, 1..max.  -EINVAL. */
int cc_cmd_get_count(struct genl_info *info, u32 max, u32 *ret_n);

/* REASON, made printable; "" without it.  ret has CHUNKCACHE_REASON_MAX + 1 bytes. */
void cc_cmd_get_reason(struct genl_info *info, char *ret);

/* -ENOMEM.  What is begun and not ended is freed by who runs the command. */
int cc_cmd_reply_begin(struct cc_cmd *c, u8 cmd, size_t size);
int cc_cmd_reply_end(struct cc_cmd *c);

/* A batch of n records: room for all being refused, before anything is changed.  -ENOMEM. */
int cc_cmd_batch_begin(struct cc_cmd *c, u8 cmd, u32 n);
void cc_cmd_refuse(struct cc_cmd *c, u32 index, int error);
int cc_cmd_batch_end(struct cc_cmd *c);

/* -EPERM. */
int cc_cmd_check_sender(struct sk_buff *skb, struct net *net);
/*
 * Run a command of the attached helper with the pool's mutex held.  No memory is got by
 * way of I/O: that might wait for the very helper whose message this is.
 */
int cc_cmd_run(struct sk_buff *skb, struct genl_info *info, int (*handler)(struct cc_cmd *c));

/* ---- dumps ---- */

/* -EPERM. */
int cc_dump_check(struct netlink_callback *cb);
/*
 * The pool a dump is about, with its mutex held: the sender's, or if that may be the one it
 * names.
 */
struct cc_pool *cc_dump_pool(struct netlink_callback *cb, bool by_name);
void cc_dump_put(struct cc_pool *pool);
/* NULL: no room. */
void *cc_dump_head(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd);

#endif
