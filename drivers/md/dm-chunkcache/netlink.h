/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The generic netlink family: the only part that sees attributes.  Checks who sends, what is
 * sent, and hands over to sessions, slots, maps and misses.  The protocol's manual is
 * linux/dm-chunkcache.h.
 */
#ifndef CC_NETLINK_H
#define CC_NETLINK_H

int cc_netlink_init(void);
void cc_netlink_exit(void);

#endif
