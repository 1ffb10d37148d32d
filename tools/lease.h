/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases: objects leases/<kind>-<16 hex digits> of a store that say who works on it, so that gc removes
 * nothing that an import relies on.  An import that finds a chunk in the store does not upload it;
 * gc removes chunks that no image names yet.  So:
 *
 *	import				gc
 *	takes its lease			takes its lease
 *	waits while gc has one		gives up if an import has one
 *	looks for chunks, uploads	removes; looks for imports every now and then, and gives up
 *	puts the name
 *	drops its lease			drops its lease
 *
 * Each takes its own before it looks for the other's, so one of them at least sees the other: stores
 * show what was put before they show anything that was put later.  A lease that was not renewed for
 * CTL_LEASE_LIFE is of somebody who died.  Time is the store's: that of objects in its listings.
 */
#ifndef CTL_LEASE_H
#define CTL_LEASE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "store/store.h"

#define CTL_LEASE_LIFE 900	/* seconds */
#define CTL_LEASE_RENEW 60

enum ctl_lease_kind { CTL_LEASE_IMPORT, CTL_LEASE_GC };

struct ctl_lease {
	struct cc_store *store;
	char object[64];
	pthread_t thread;		/* renews it */
	pthread_mutex_t lock;		/* the rest */
	pthread_cond_t wake;
	bool held, stop;
	bool lapsed;			/* once overdue: whatever it is renewed to, others saw it dead */
	uint64_t renewed_ns;		/* of a clock that goes on while the machine sleeps */
};

/* 0, or CTL_FAILED after a message. */
int ctl_lease_take(struct cc_store *s, enum ctl_lease_kind kind, struct ctl_lease *l);
/* Harmless if it is not held. */
void ctl_lease_drop(struct ctl_lease *l);
/* Was it always renewed in time?  Else others may have taken us for dead: stop, whatever it is. */
bool ctl_lease_holds(struct ctl_lease *l);
/*
 * How many live leases of a kind others have, and the store's time; 0 or CTL_FAILED after a message.
 */
int ctl_lease_others(struct ctl_lease *l, enum ctl_lease_kind kind, unsigned int *ret_nr,
		     int64_t *ret_now);

#endif
