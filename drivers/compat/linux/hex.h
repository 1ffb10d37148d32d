/* SPDX-License-Identifier: GPL-2.0-only */
/* Before 6.4 linux/kernel.h had what is in this header; on 7.x it does not even include it. */
#include <linux/kernel.h>

#ifndef hex_asc_lo
#include_next <linux/hex.h>
#endif
