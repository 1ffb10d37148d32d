/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The addresses of one host name.  getaddrinfo() blocks for as long as a name server likes, so it
 * runs in a thread of its own, and libcurl is only ever given numeric addresses: it would
 * otherwise wait for its own resolver thread when a transfer is cancelled.  Any thread.
 */
#ifndef CC_RESOLVE_H
#define CC_RESOLVE_H

#include <stdint.h>

struct cc_resolver;

#define CC_ADDRESS_SIZE 48		/* "[" IPv6 "]" */

/* host is copied; a literal address (IPv6 without brackets) is not looked up.  NULL: no memory. */
struct cc_resolver *cc_resolver_new(const char *host);
/* Does not wait for a lookup that is under way. */
void cc_resolver_free(struct cc_resolver *r);

/*
 * An address, another one each time if there are several; "" for a literal host.  Starts a
 * lookup if need be.  Returns 0, -EINPROGRESS (ask again), or -EHOSTUNREACH with the reason in
 * err.
 */
int cc_resolver_get(struct cc_resolver *r, char ret_address[CC_ADDRESS_SIZE], char *err,
		    unsigned int errlen);
/* The same, but waits until deadline_ns (CLOCK_MONOTONIC); then -ETIMEDOUT. */
int cc_resolver_wait(struct cc_resolver *r, uint64_t deadline_ns,
		     char ret_address[CC_ADDRESS_SIZE], char *err, unsigned int errlen);

#endif
