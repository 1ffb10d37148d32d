// SPDX-License-Identifier: GPL-2.0-or-later
/* Which hosts a proxy is for, and where it is. */
#include "proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"

#define HOST_CHARS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
#define DEFAULT_PORT	80

/* ---- addresses ---- */

/* The bytes of a literal address, 4 or 16; 0: it is a name. */
static size_t address_bytes(const char *host, uint8_t bytes[16])
{
	if (inet_pton(AF_INET, host, bytes) == 1)
		return 4;
	return inet_pton(AF_INET6, host, bytes) == 1 ? 16 : 0;
}

static bool is_metadata_address(const char *host)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, host, &sin.sin_addr) == 1)
		return cc_address_is_metadata((const struct sockaddr *)&sin);
	return inet_pton(AF_INET6, host, &sin6.sin6_addr) == 1 &&
	       cc_address_is_metadata((const struct sockaddr *)&sin6);
}

/* "10.0.0.0/8" */
static bool is_in_network(const char *network, const char *host)
{
	uint8_t a[16], b[16], mask;
	unsigned int bits;
	size_t size;
	char text[64];

	if (sscanf(network, "%63[0-9a-fA-F.:]/%3u", text, &bits) != 2)
		return false;
	size = address_bytes(text, a);
	if (!size || size != address_bytes(host, b) || bits > 8 * size)
		return false;
	mask = 0xff << (8 - bits % 8);
	return !memcmp(a, b, bits / 8) && (!(bits % 8) || !((a[bits / 8] ^ b[bits / 8]) & mask));
}

/* ---- hosts without a proxy ---- */

/* "example.org", ".example.org", "*.example.org", any of them with a port; "*"; an address or a network. */
static bool matches(char *entry, const char *host, unsigned int port)
{
	size_t len = strlen(host), entry_len;
	uint8_t ignored[16];
	char *colon;

	if (!strcmp(entry, "*") || is_in_network(entry, host))
		return true;
	colon = address_bytes(entry, ignored) ? NULL : strrchr(entry, ':');
	if (colon) {
		if (strtoul(colon + 1, NULL, 10) != port)
			return false;
		*colon = '\0';
	}
	entry += *entry == '*';
	entry += *entry == '.';
	entry_len = strlen(entry);
	if (!entry_len || entry_len > len || strcasecmp(host + len - entry_len, entry))
		return false;
	return entry_len == len || host[len - entry_len - 1] == '.';
}

bool cc_proxy_passes(const char *list, const char *host, unsigned int port)
{
	char entry[256];
	size_t len;

	for (; *list; list += len) {
		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len && len < sizeof(entry)) {
			memcpy(entry, list, len);
			entry[len] = '\0';
			if (matches(entry, host, port))
				return true;
		}
	}
	return false;
}

/* ---- the proxy ---- */

static int parse_proxy_host(const char *s, size_t len, struct cc_proxy *p)
{
	bool brackets = len > 2 && s[0] == '[' && s[len - 1] == ']';
	uint8_t bytes[16];
	size_t size;

	if (!len || len >= sizeof(p->host))
		return -EINVAL;
	snprintf(p->host, sizeof(p->host), "%.*s", (int)(brackets ? len - 2 : len), s + brackets);
	size = address_bytes(p->host, bytes);
	if (size)
		snprintf(p->literal, sizeof(p->literal), "%.*s", (int)len, s);
	if (brackets)
		return size == 16 ? 0 : -EINVAL;
	return strspn(p->host, HOST_CHARS) == len ? 0 : -EINVAL;
}

/* "[http://][user[:password]@]host[:port][/]" */
static int parse_proxy(const char *s, struct cc_proxy *p)
{
	const char *at, *colon;
	char *end = NULL;
	size_t len;

	if (!strncasecmp(s, "http://", 7))
		s += 7;
	if (strstr(s, "://"))
		return -EINVAL;
	at = strrchr(s, '@');
	if (at) {
		if ((size_t)(at - s) >= sizeof(p->user))
			return -EINVAL;
		snprintf(p->user, sizeof(p->user), "%.*s", (int)(at - s), s);
		s = at + 1;
	}
	len = strcspn(s, "/");
	if (s[len] && s[len + 1])
		return -EINVAL;
	colon = memrchr(s, ':', len);
	p->port = DEFAULT_PORT;
	if (colon && s[len - 1] != ']') {
		p->port = strtoul(colon + 1, &end, 10);
		if (end != s + len || end == colon + 1 || !p->port || p->port > 65535)
			return -EINVAL;
		len = colon - s;
	}
	return parse_proxy_host(s, len, p);
}

/* The one of the two that is set; *which says which.  NULL: none, or empty. */
static const char *get_either(const char *lower, const char *upper, const char **which)
{
	const char *value = getenv(lower);

	*which = value ? lower : upper;
	value = value ? value : getenv(upper);
	return value && *value ? value : NULL;
}

int cc_proxy_find(const char *host, unsigned int port, struct cc_proxy *ret_proxy, char *err, size_t errlen)
{
	const char *which, *ignored;
	const char *proxy = get_either("https_proxy", "HTTPS_PROXY", &which);
	const char *list = get_either("no_proxy", "NO_PROXY", &ignored);

	*ret_proxy = (struct cc_proxy){ .port = 0 };
	if (!proxy || (list && cc_proxy_passes(list, host, port)) || is_metadata_address(host))
		return 0;
	if (!parse_proxy(proxy, ret_proxy))
		return 0;
	snprintf(err, errlen, "%s: expected [http://][user:password@]host[:port]", which);
	return -EINVAL;
}
