// SPDX-License-Identifier: GPL-2.0-or-later
/* The lists of address.h. */
#include "address.h"

#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static bool is_metadata4(const uint8_t a[4])
{
	static const uint8_t services[][4] = {
		{ 100, 100, 100, 200 },		/* Alibaba */
		{ 168, 63, 129, 16 },		/* Azure's wire server */
		{ 192, 0, 0, 192 },		/* Oracle */
	};

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (!memcmp(a, services[i], 4))
			return true;
	return a[0] == 169 && a[1] == 254;
}

/* Prefixes behind which an IPv4 address stands, at this byte. */
static const struct {
	uint8_t prefix[12], size, at;
} embedded[] = {
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 12, 12 },	/* mapped */
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0 }, 12, 12 },	/* translated */
	{ { 0 }, 12, 12 },						/* compatible */
	{ { 0, 0x64, 0xff, 0x9b }, 12, 12 },				/* NAT64 */
	{ { 0, 0x64, 0xff, 0x9b, 0, 1 }, 6, 12 },			/* NAT64 of a site, /96 of it */
	{ { 0x20, 0x02 }, 2, 2 },					/* 6to4 */
};

/* A site may as well use its NAT64 prefix as a /48, then bits 64 to 71 are left out (RFC 6052). */
static bool is_site_nat64(const uint8_t a[16])
{
	static const uint8_t prefix[6] = { 0, 0x64, 0xff, 0x9b, 0, 1 };
	const uint8_t v4[4] = { a[6], a[7], a[9], a[10] };

	return !memcmp(a, prefix, sizeof(prefix)) && is_metadata4(v4);
}

static bool is_metadata6(const uint8_t a[16])
{
	static const uint8_t ec2[4] = { 0xfd, 0x00, 0x0e, 0xc2 };

	for (size_t i = 0; i < sizeof(embedded) / sizeof(embedded[0]); i++)
		if (!memcmp(a, embedded[i].prefix, embedded[i].size) && is_metadata4(a + embedded[i].at))
			return true;
	return (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) || !memcmp(a, ec2, sizeof(ec2)) || is_site_nat64(a);
}

bool cc_address_is_metadata(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return is_metadata4((const uint8_t *)&((const struct sockaddr_in *)sa)->sin_addr);
	return sa->sa_family == AF_INET6 &&
	       is_metadata6(((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr);
}
