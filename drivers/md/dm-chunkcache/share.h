/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What disks are promised of the pool: features min_slots and pin of their tables.
 *
 * The share belongs to the mapped device (cc_dev), and so do the slots that are charged to it:
 * they survive a reload.  While two tables of a device exist, the larger promise counts.  All
 * promises together leave an eighth of the pool to everybody; what would go beyond is refused.
 */
#ifndef CC_SHARE_H
#define CC_SHARE_H

struct cc_disk;

/*
 * The table asks for it: ctr.  May sleep.  -ENOMEM, -ENOSPC with *error set.  cc_share_forget()
 * also if there was nothing to ask for.
 */
int cc_share_promise(struct cc_disk *disk, char **error);
/* The table goes away: dtr. */
void cc_share_forget(struct cc_disk *disk);

#endif
