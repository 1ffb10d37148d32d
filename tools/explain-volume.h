/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of `chunkctl explain': what a volume has that a disk has not, writes and what becomes of them. */
#ifndef CTL_EXPLAIN_VOLUME_H
#define CTL_EXPLAIN_VOLUME_H

#include "explanation.h"

/* Marks PART_DISK, and PART_POOL for what is wrong with the journal. */
void ctl_explain_volume(struct ctl_explanation *x);

#endif
