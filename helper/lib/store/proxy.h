/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The proxy that TLS to a host goes through: HTTPS_PROXY and NO_PROXY, or https_proxy and no_proxy, which count
 * more.  No I/O.
 */
#ifndef CC_PROXY_H
#define CC_PROXY_H

#include <stdbool.h>
#include <stddef.h>

struct cc_proxy {
	char host[254];			/* as for cc_resolver_new(); "": there is no proxy */
	char literal[256];		/* host if it is an address, with brackets if it is of IPv6; else "" */
	unsigned int port;
	char user[256];			/* "user:password" with percent encoding, "": none */
};

/*
 * That for host, an IPv6 address without brackets.  Never one for an address where a cloud gives out keys: the
 * proxy's would be given.  Returns 0, or -EINVAL with a line, without the user, in err.
 */
int cc_proxy_find(const char *host, unsigned int port, struct cc_proxy *ret_proxy, char *err, size_t errlen);
/* Is host:port on such a list?  Names, also of domains, addresses, networks such as 10.0.0.0/8, and "*". */
bool cc_proxy_passes(const char *list, const char *host, unsigned int port);

#endif
