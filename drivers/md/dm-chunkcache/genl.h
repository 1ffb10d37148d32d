/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The generic netlink family: its name, its attributes and what they may hold, and the one message
 * that is not an answer.  Knows nothing of pools.  Commands are registered by who handles them.
 */
#ifndef CC_GENL_H
#define CC_GENL_H

#include <net/genetlink.h>
#include "types.h"

extern struct genl_family cc_genl_family;

/* Module init and exit.  ops stay. */
int cc_genl_register(const struct genl_ops *ops, unsigned int n);
void cc_genl_unregister(void);

/* -EAGAIN if the socket is full, -ECONNREFUSED if it is gone, -ENOMEM.  May sleep. */
int cc_genl_send_doorbell(u64 session, u32 port, u32 pending);

#endif
