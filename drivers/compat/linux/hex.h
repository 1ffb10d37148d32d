/* SPDX-License-Identifier: GPL-2.0-only */
/* What is in this header stood in linux/kernel.h before 6.4, and 7.0 does not include it from there. */
#include <linux/kernel.h>

#ifndef hex_asc_lo
#include_next <linux/hex.h>
#endif
