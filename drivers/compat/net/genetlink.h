/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a dump's attributes stand differs between kernels. */
#include_next <net/genetlink.h>

#ifndef _CC_COMPAT_NET_GENETLINK_H
#define _CC_COMPAT_NET_GENETLINK_H

#ifdef GENL_SET_ERR_MSG_FMT
#define cc_dump_attrs(cb)	(genl_info_dump(cb)->attrs)
#else
#define cc_dump_attrs(cb)	(genl_dumpit_info(cb)->attrs)
#endif

#include <linux/genetlink.h>

#endif
