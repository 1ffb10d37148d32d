/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses of one host name.  getaddrinfo() blocks for as long as a name server likes, so it
 * runs in a thread of its own, and libcurl is only ever given numeric addresses: it would
 * otherwise wait for its own resolver thread when a transfer is cancelled.  Any thread.
 *
 * Addresses take turns.  One that failed is left out for some seconds, one that is much slower than
 * the next mostly, as long as there are others.
 */
#ifndef CC_RESOLVE_H
#define CC_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>

struct cc_resolver;

#define CC_ADDRESS_SIZE 48		/* "[" IPv6 "]" */

/* host is copied; a literal address (IPv6 without brackets) is not looked up.  NULL: no memory. */
struct cc_resolver *cc_resolver_new(const char *host);
/* Does not wait for a lookup that is under way. */
void cc_resolver_free(struct cc_resolver *r);

/*
 * An address, if possible not avoid (NULL: none to avoid); "" for a literal host.  Starts a lookup if
 * need be.  Returns 0, -EINPROGRESS (ask again), or -EHOSTUNREACH with the reason in err.
 */
int cc_resolver_get(struct cc_resolver *r, const char *avoid, char ret_address[CC_ADDRESS_SIZE],
		    char *err, unsigned int errlen);
/* The same, but waits until deadline_ns (CLOCK_MONOTONIC); then -ETIMEDOUT. */
int cc_resolver_wait(struct cc_resolver *r, const char *avoid, uint64_t deadline_ns,
		     char ret_address[CC_ADDRESS_SIZE], char *err, unsigned int errlen);
/* Is there another address than this one? */
bool cc_resolver_has_other(struct cc_resolver *r, const char *address);
/* How an address did: the time to the first byte, or at least as long without one. */
void cc_resolver_report(struct cc_resolver *r, const char *address, bool failed, uint64_t us);

#endif
