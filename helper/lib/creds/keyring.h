/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keys that one store's requests are signed with at the moment.  A thread of the keyring's own
 * loads them (creds.h may block), again well before they expire, and at once when the store has
 * refused them; who signs never waits.  Any thread.
 */
#ifndef CC_KEYRING_H
#define CC_KEYRING_H

#include "creds.h"

struct cc_keyring;

/* No I/O yet: the first cc_keyring_get() starts the loading.  NULL: no memory. */
struct cc_keyring *cc_keyring_new(const struct cc_store_config *c);
/* Does not wait for a load that is under way; c may go before the keyring's thread does. */
void cc_keyring_free(struct cc_keyring *keyring);

/*
 * A reference to the keys, constant until cc_keyring_put().  Returns 0, -EINPROGRESS (being
 * loaded: ask again), or -EACCES with the reason, never a secret, in err.
 */
int cc_keyring_get(struct cc_keyring *keyring, const struct cc_creds **ret_creds, char *err, size_t errlen);
/* The same, but waits until deadline_ns (CLOCK_MONOTONIC); then -ETIMEDOUT. */
int cc_keyring_wait(struct cc_keyring *keyring, uint64_t deadline_ns, const struct cc_creds **ret_creds,
		    char *err, size_t errlen);
/* One more reference. */
const struct cc_creds *cc_keyring_hold(struct cc_keyring *keyring, const struct cc_creds *creds);
/* The last reference wipes them.  NULL is fine. */
void cc_keyring_put(struct cc_keyring *keyring, const struct cc_creds *creds);
/*
 * The store calls these expired, or refuses their token: nobody gets them any more, and others are loaded.  If those
 * turn out to be the same, they are given out all the same, and not loaded again for a second.
 */
void cc_keyring_refuse(struct cc_keyring *keyring, const struct cc_creds *creds);

#endif
