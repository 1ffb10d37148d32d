// SPDX-License-Identifier: GPL-2.0-or-later
/* Which of a name's addresses is asked, when some are dead.  Time and the name server are the test's. */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "clock.h"
#include "store/resolve.h"
#include "tap.h"

#define NR 3

static uint64_t now = 1000 * CC_SECOND;

uint64_t cc_now_ns(void)
{
	return __atomic_load_n(&now, __ATOMIC_RELAXED);
}

uint64_t cc_real_ns(void)
{
	return cc_now_ns();
}

uint64_t cc_boot_ns(void)
{
	return cc_now_ns();
}

static struct sockaddr_in addresses[NR];
static struct addrinfo infos[NR];

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **ret)
{
	(void)host; (void)service; (void)hints;
	for (int i = 0; i < NR; i++) {
		addresses[i] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001 + i) };
		infos[i] = (struct addrinfo){
			.ai_family = AF_INET, .ai_addr = (struct sockaddr *)&addresses[i],
			.ai_addrlen = sizeof(addresses[i]), .ai_next = i + 1 < NR ? &infos[i + 1] : NULL,
		};
	}
	*ret = infos;
	return 0;
}

void freeaddrinfo(struct addrinfo *list)
{
	(void)list;
}

static struct cc_resolver *r;

static void pass(unsigned int seconds)
{
	__atomic_add_fetch(&now, seconds * CC_SECOND, __ATOMIC_RELAXED);
}

/* How often address is what 60 requests get that come at once; none of them ends. */
static unsigned int asked(const char *address)
{
	char got[CC_ADDRESS_SIZE], err[100];
	unsigned int n = 0;

	for (int i = 0; i < 60; i++)
		if (!cc_resolver_wait(r, NULL, UINT64_MAX, got, err, sizeof(err)))
			n += !strcmp(got, address);
	return n;
}

/* Seconds until address is asked again, up to limit. */
static unsigned int pause_of(const char *address, unsigned int limit)
{
	unsigned int n, s;

	for (s = 0; s < limit; s++) {
		n = asked(address);
		if (n)
			return n == 1 ? s : 1000 + n;
		pass(1);
	}
	return limit;
}

int main(void)
{
	static const char dead[] = "10.0.0.1", alive[] = "10.0.0.2";
	static const unsigned int pauses[] = { 5, 10, 20, 40, 80, 160, 160, 160 };

	r = cc_resolver_new("store.example");
	ok(asked(dead) == 20 && asked(alive) == 20, "each has its turn");
	for (int i = 0; i < 30; i++)
		cc_resolver_report(r, dead, true, 0);
	ok(!asked(dead) && asked(alive) == 30, "one that failed has none");
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		unsigned int s = pause_of(dead, 400);

		ok(s == pauses[i], "one request after a pause of %u s, for %u that failed at once: %u", pauses[i], 30, s);
		for (int k = 0; k < 30; k++)
			cc_resolver_report(r, dead, true, 0);
	}
	ok(pause_of(dead, 400) == 160, "the last pause");
	ok(pause_of(dead, 400) == 160, "a request that never ends is not waited for");
	cc_resolver_report(r, dead, false, 1000);
	ok(asked(dead) == 20, "one that answers has its turn again");
	cc_resolver_report(r, dead, true, 0);
	ok(pause_of(dead, 400) == 5, "and its pauses begin anew");
	for (int i = 1; i <= NR; i++) {
		char text[CC_ADDRESS_SIZE];

		snprintf(text, sizeof(text), "10.0.0.%d", i);
		cc_resolver_report(r, text, true, 0);
	}
	ok(asked(dead) == 20 && asked(alive) == 20, "where all have failed, each is asked in its turn");
	cc_resolver_free(r);
	return tap_done();
}
