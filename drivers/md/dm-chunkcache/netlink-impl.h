/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Handlers of the family's commands, for netlink.c.  cc_do_*() run with their pool's mutex held, by
 * cc_cmd_run(); cc_nl_*() are called by generic netlink itself.
 */
#ifndef CC_NETLINK_IMPL_H
#define CC_NETLINK_IMPL_H

#include "command.h"

struct cc_volume;

/* ---- netlink-session.c ---- */

int cc_nl_attach(struct sk_buff *skb, struct genl_info *info);
int cc_do_detach(struct cc_cmd *c);
int cc_nl_watch_sockets(void);
void cc_nl_unwatch_sockets(void);

/* ---- netlink-disk.c ---- */

int cc_do_disk_state(struct cc_cmd *c);
int cc_do_miss_get(struct cc_cmd *c);
int cc_do_miss_data(struct cc_cmd *c);
int cc_do_miss_fail(struct cc_cmd *c);
int cc_nl_disk_dump(struct sk_buff *skb, struct netlink_callback *cb);

/* ---- netlink-slot.c ---- */

int cc_do_slot_alloc(struct cc_cmd *c);
int cc_do_slot_release(struct cc_cmd *c);
int cc_do_slot_keep(struct cc_cmd *c);
int cc_nl_slot_dump(struct sk_buff *skb, struct netlink_callback *cb);

/* ---- netlink-journal.c ---- */

int cc_do_journal_get(struct cc_cmd *c);
int cc_do_journal_resume(struct cc_cmd *c);
int cc_do_journal_add(struct cc_cmd *c);
int cc_do_journal_trim(struct cc_cmd *c);
int cc_do_slot_claim(struct cc_cmd *c);
int cc_do_slot_clean(struct cc_cmd *c);
int cc_do_slot_drop(struct cc_cmd *c);

/* ---- netlink-map.c ---- */

int cc_do_map(struct cc_cmd *c);
int cc_do_slot_done(struct cc_cmd *c);

/* ---- netlink-volume.c ---- */

int cc_do_volume_load(struct cc_cmd *c);
int cc_do_volume_start(struct cc_cmd *c);
int cc_do_volume_cut(struct cc_cmd *c);
int cc_do_volume_fail(struct cc_cmd *c);
/* What DISK_GET says of a volume.  -EMSGSIZE. */
int cc_nl_put_volume(struct sk_buff *skb, const struct cc_volume *v);

/* ---- netlink-stats.c ---- */

int cc_nl_stats_dump(struct sk_buff *skb, struct netlink_callback *cb);

#endif
