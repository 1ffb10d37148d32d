/* SPDX-License-Identifier: GPL-2.0-only */
/* Deadlines of held bios: a work that looks at them now and then while any is held. */
#ifndef CC_MISS_DEADLINE_H
#define CC_MISS_DEADLINE_H

struct cc_disk;
struct work_struct;

/* Of cc_missq.tick. */
void cc_miss_tick(struct work_struct *work);
/* A bio is held.  Process context. */
void cc_miss_start_tick(struct cc_disk *disk);

#endif
