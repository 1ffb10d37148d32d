// SPDX-License-Identifier: GPL-2.0-or-later
/* Which hosts a proxy of the environment is for, and what its variable may say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "store/proxy.h"
#include "tap.h"

static void test_lists(void)
{
	static const struct { const char *list, *host; unsigned int port; bool passes; } cases[] = {
		{ "*", "a.example", 443, true },
		{ "", "a.example", 443, false },
		{ ", ,", "a.example", 443, false },
		{ "a.example", "a.example", 443, true },
		{ "A.Example", "a.example", 443, true },
		{ "x,a.example y", "a.example", 443, true },
		{ "example", "a.example", 443, true },
		{ ".example", "a.example", 443, true },
		{ "*.example", "a.example", 443, true },
		{ "ample", "a.example", 443, false },
		{ "b.a.example", "a.example", 443, false },
		{ ".", "a.example", 443, false },
		{ "a.example:443", "a.example", 443, true },
		{ "a.example:444", "a.example", 443, false },
		{ "10.1.2.3", "10.1.2.3", 443, true },
		{ "10.0.0.0/8", "10.1.2.3", 443, true },
		{ "10.1.2.0/23", "10.1.3.3", 443, true },
		{ "10.1.2.0/24", "10.1.3.3", 443, false },
		{ "0.0.0.0/0", "10.1.3.3", 443, true },
		{ "10.0.0.0/33", "10.1.3.3", 443, false },
		{ "10.0.0.0/8", "10.example", 443, false },
		{ "fd00::/8", "fd00::1", 443, true },
		{ "fd00::1", "fd00::1", 443, true },
		{ "fe00::/8", "fd00::1", 443, false },
		{ "0.0.0.0/0", "fd00::1", 443, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		ok(cc_proxy_passes(cases[i].list, cases[i].host, cases[i].port) == cases[i].passes, "\"%s\" %s %s:%u",
		   cases[i].list, cases[i].passes ? "has" : "has not", cases[i].host, cases[i].port);
}

/* What HTTPS_PROXY says is this proxy; NULL: a mistake that tells no secret. */
static void finds(const char *variable, const char *host, unsigned int port, const char *literal, const char *user)
{
	struct cc_proxy p;
	char err[200] = "";
	int r;

	setenv("HTTPS_PROXY", variable, 1);
	r = cc_proxy_find("store.example", 443, &p, err, sizeof(err));
	if (host)
		ok(!r && !strcmp(p.host, host) && p.port == port && !strcmp(p.literal, literal) &&
		   !strcmp(p.user, user), "HTTPS_PROXY=%s: %s:%u %s", variable, p.host, p.port, err);
	else
		ok(r == -EINVAL && !strncmp(err, "HTTPS_PROXY: expected", 21) && !strstr(err, "hush"), "%s: %s", variable,
		   err);
}

static void test_variables(void)
{
	finds("http://proxy:3128", "proxy", 3128, "", "");
	finds("proxy:3128/", "proxy", 3128, "", "");
	finds("proxy", "proxy", 80, "", "");
	finds("http://u:p%40@proxy.example:1", "proxy.example", 1, "", "u:p%40");
	finds("http://10.0.0.1:3128", "10.0.0.1", 3128, "10.0.0.1", "");
	finds("[fd00::1]:3128", "fd00::1", 3128, "[fd00::1]", "");
	finds("[fd00::1]", "fd00::1", 80, "[fd00::1]", "");
	finds("", "", 0, "", "");
	finds("https://u:hush@proxy:3128", NULL, 0, NULL, NULL);
	finds("socks5://proxy", NULL, 0, NULL, NULL);
	finds("http://u:hush@proxy:0", NULL, 0, NULL, NULL);
	finds("http://proxy:65536", NULL, 0, NULL, NULL);
	finds("http://proxy:80x", NULL, 0, NULL, NULL);
	finds("http://proxy:", NULL, 0, NULL, NULL);
	finds("http://proxy/path", NULL, 0, NULL, NULL);
	finds("http://pro xy", NULL, 0, NULL, NULL);
	finds("http://[proxy]", NULL, 0, NULL, NULL);
	finds("http://", NULL, 0, NULL, NULL);
}

static bool is_direct(const char *host)
{
	struct cc_proxy p;
	char err[200];

	return !cc_proxy_find(host, 443, &p, err, sizeof(err)) && !*p.host;
}

static void test_hosts(void)
{
	setenv("HTTPS_PROXY", "http://proxy:3128", 1);
	ok(!is_direct("store.example"), "a host goes through the proxy");
	setenv("NO_PROXY", "store.example", 1);
	ok(is_direct("store.example"), "but for one of NO_PROXY");
	setenv("no_proxy", "other.example", 1);
	ok(!is_direct("store.example") && is_direct("other.example"), "no_proxy counts more");
	setenv("https_proxy", "", 1);
	ok(is_direct("store.example"), "an empty https_proxy is none");
	unsetenv("https_proxy");
	ok(is_direct("169.254.169.254") && is_direct("fe80::1") && is_direct("fd00:ec2::254") && !is_direct("10.0.0.1"),
	   "a metadata service's address never does");
}

int main(void)
{
	unsetenv("https_proxy");
	unsetenv("no_proxy");
	unsetenv("NO_PROXY");
	test_lists();
	test_variables();
	test_hosts();
	return tap_done();
}
