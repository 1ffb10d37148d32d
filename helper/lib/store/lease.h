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
 * CC_LEASE_LIFE is of somebody who died.  Time is the store's: that of objects in its listings.
 *
 * Who gives a name its meaning has a lease of the name for that moment: leases/name-<16 hex digits of the
 * name's SHA-256>-<16 hex digits>.  Who sees another's gives its own back, and tries again later.
 */
#ifndef CC_LEASE_H
#define CC_LEASE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "store.h"

#define CC_LEASE_LIFE 900	/* seconds */
#define CC_LEASE_RENEW 60

enum cc_lease_kind { CC_LEASE_IMPORT, CC_LEASE_GC, CC_LEASE_NAME };

struct cc_lease {
	char name[17];			/* hash of the image's, with CC_LEASE_NAME */
	pthread_t thread;		/* renews it */
	pthread_mutex_t lock;		/* the rest */
	pthread_cond_t wake;
	struct cc_store *store;		/* NULL: it was never taken */
	char object[64];
	bool held, stop;
	bool lapsed;			/* once overdue: whatever it is renewed to, others saw it dead */
	uint64_t renewed_ns;		/* of a clock that goes on while the machine sleeps */
};

/* Before anything else is done with one. */
#define CC_LEASE_INIT { .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER }

/*
 * l is not held.  image: NULL, or with CC_LEASE_NAME its name.  On failure a line for people is in err,
 * here and below.
 */
enum cc_store_result cc_lease_take(struct cc_store *s, enum cc_lease_kind kind, const char *image,
				   struct cc_lease *l, char *err, size_t errlen);
/* Is an object of this name a lease of ours, of whatever kind? */
bool cc_lease_is_name(const char *object);
/* Harmless if it is not held. */
void cc_lease_drop(struct cc_lease *l);
/*
 * From another thread, before the program ends: gives it back, however far its owner is with taking or
 * dropping it; of a lease that is CC_LEASE_INIT as well.  The store is not waited for any more (cc_store_hurry()).
 */
void cc_lease_abandon(struct cc_lease *l);
/* Was it always renewed in time?  Else others may have taken us for dead: stop, whatever it is. */
bool cc_lease_holds(struct cc_lease *l);
/* How many live leases of a kind (CC_LEASE_NAME: of the same name) others have, and the store's time. */
enum cc_store_result cc_lease_others(struct cc_lease *l, enum cc_lease_kind kind, unsigned int *ret_nr,
				     int64_t *ret_now, char *err, size_t errlen);

#endif
