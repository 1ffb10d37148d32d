/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a store's volumes is in use.  Beside what a volume's log and newest checkpoint name:
 *
 *	what will be named	a pack is put before its commit, a map before its checkpoint, however long after:
 *				what is younger than the last commit stays, whatever its age
 *	a fork			what a rescue needs of one that was taken over (volume-trim.h)
 *	without a name		a volume that is being made; once nothing was put for the grace time, one
 *				whose rm did not come to its end: all of it is garbage
 *
 * A volume that can't be read ends it, as what it uses is not known.
 */
#ifndef CTL_GC_VOLUMES_H
#define CTL_GC_VOLUMES_H

#include "gc-mark.h"

struct ctl_gc_volume;

struct ctl_gc_volumes {
	/* the caller's */
	struct cc_store *store;
	int64_t now;			/* the store's */
	uint64_t grace, forks;		/* seconds */

	struct ctl_gc_volume *all;	/* by UUID */
	size_t nr, room, recent;
	size_t nr_read;			/* that are none of those without a name */
	struct cc_id_set objects;	/* SHA-256 of the names of those in use */
};

/* Which there are, and what they use, also of images: 0, or an enum ctl_exit after a message. */
int ctl_gc_mark_volumes(struct ctl_gc_volumes *v, struct ctl_marks *m);
/* Is this object below volumes/ of use, or not known?  The volume remembers that something of its log is not. */
bool ctl_gc_volume_uses(struct ctl_gc_volumes *v, const char *object, int64_t mtime);
/* That of the volumes' logs will go which is of no use and was asked for. */
int ctl_gc_raise_floors(struct ctl_gc_volumes *v);
void ctl_gc_volumes_free(struct ctl_gc_volumes *v);

#endif
