// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration file: values, defaults, and where a mistake is said to be. */
#include <errno.h>
#include <string.h>
#include "config.h"
#include "config-value.h"
#include "httpd.h"
#include "tap.h"

static char dir[64], file[128];

static int load_bytes(const char *text, size_t size, struct cc_config *c, char *err, size_t errlen)
{
	write_file(dir, "cache0.conf", text, size);
	return cc_config_load(file, c, err, errlen);
}

static int load(const char *text, struct cc_config *c, char *err, size_t errlen)
{
	return load_bytes(text, strlen(text), c, err, errlen);
}

/* Expects a refusal with this place and these words. */
static void refused(const char *text, unsigned int line, const char *words)
{
	char err[400] = "", place[200];
	struct cc_config c = { .nr_stores = 777 };
	int r = load(text, &c, err, sizeof(err));

	snprintf(place, sizeof(place), "%s:%u: ", file, line);
	ok(r < 0 && !strncmp(err, place, strlen(place)) && strstr(err, words) && c.nr_stores == 777,
	   "line %u: %s", line, *err ? err + (strlen(err) > strlen(dir) ? strlen(dir) + 1 : 0) :
	   "taken!");
}

#define STORE "[store main]\nurl = s3://bucket/p\n"

static void test_refusals(void)
{
	refused("[pool]\nfoo = 1\n", 2, "foo: expected a known key");
	refused("[pol]\nname = x\n", 1, "[pol]: expected [pool] or [store NAME]");
	refused("name = x\n", 1, "expected a [section] before");
	refused("[pool]\n\nnonsense\n", 3, "expected [section]");
	refused("[pool]\nname = a/b\n", 2, "name: expected 1 to 63");
	refused("[pool]\nname =\n", 2, "name: expected");
	refused("[pool]\ndevice = sda\n", 2, "device: expected an absolute path");
	refused("[pool]\nslot_wait = 61s\n", 2, "slot_wait: expected a time, 0 to 60s");
	refused("[pool]\nslot_wait = 5m\n", 2, "slot_wait");
	refused("[pool]\nslot_wait = -1\n", 2, "slot_wait");
	refused("[pool]\nscrub_interval = 50d\n", 2, "scrub_interval: expected a time, 0 to 49d");
	refused("[pool]\nbuffers = 1X\n", 2, "buffers: expected bytes");
	refused("[pool]\nbuffers = 99999999999999999999\n", 2, "buffers");
	refused("[pool]\nbuffers = 1K\n", 2, "buffers");
	refused("[pool]\nverify_fill = maybe\n", 2, "verify_fill: expected yes or no");
	refused("[pool]\nnetwork_threads = 0\n", 2, "network_threads: expected 1 to 64");
	refused("[pool]\nmax_in_flight = 4097\n", 2, "max_in_flight");
	refused("[pool]\nname = a\nname = b\n", 3, "expected once");
	refused("[store a b]\nurl = file:///x\n", 1, "[store a b]: expected a name");
	refused("[store ]\nurl = file:///x\n", 1, "expected");
	refused("[store main]\nregion = x\n", 2, "url: expected in [store main]");
	refused("[pool]\nname = p\n\n[store main]\nurl = ftp://x/\n", 5, "url: expected file://");
	refused("[store main]\nurl = file://relative\n", 2, "url: expected file:///");
	refused("[store main]\nurl = http://\n", 2, "url: expected http");
	refused("[store main]\nurl = http://user@host/\n", 2, "url");
	refused("[store main]\nurl = http://host:0/\n", 2, "url");
	refused("[store main]\nurl = http://host:99999/\n", 2, "url");
	refused("[store main]\nurl = http://host/a?b\n", 2, "url");
	refused("[store main]\nurl = http://host/a/../b\n", 2, "url");
	refused("[store main]\nurl = http://host/%0a\n", 2, "url");
	refused("[store main]\nurl = http://host/%g0\n", 2, "url");
	refused("[store main]\nurl = http://[::1\n", 2, "url");
	refused("[store main]\nurl = s3://Bucket\n", 2, "url: expected s3://bucket");
	refused("[store main]\nurl = s3://b\n", 2, "url");
	refused("[store main]\nurl = http://host/\nregion = x\n", 2, "region: expected for s3://");
	refused(STORE "endpoint = host\n", 2, "endpoint: expected http");
	refused(STORE "endpoint = https://host/path?x\n", 2, "endpoint: expected http[s]://host[:port][/path]");
	refused(STORE "endpoint = https://host/a/../b\n", 2, "endpoint");
	refused(STORE "endpoint = https://host/a//b\n", 2, "endpoint");
	refused(STORE "endpoint = http://127.0.0.1:80\n", 2, "style: expected path");
	refused("[store main]\nurl = s3://a.b.c\n", 2, "style: expected path");
	refused(STORE "region = a b\n", 3, "region");
	refused(STORE "style = vhost\n", 3, "style: expected path or virtual");
	refused(STORE "credentials = ec2\n", 2, "credentials: expected environment");
	refused(STORE "credentials_file = a/b\n", 2, "credentials_file: expected an absolute path");
	refused(STORE "anonymous = yes\nrequester_pays = yes\n", 2, "anonymous: expected no");
	refused(STORE "attempts = 11\n", 3, "attempts: expected 1 to 10");
	refused(STORE "cache_copies = 0\n", 3, "cache_copies: expected 1 to 8");
	refused(STORE "connections = 257\n", 3, "connections");
	refused(STORE "connect_timeout = 0\n", 3, "connect_timeout");
	refused(STORE "price_gib = cheap\n", 3, "price_gib: expected a price such as 0.0004");
	refused(STORE "price_gib = 1.\n", 3, "price_gib");
	refused(STORE "price_1000_gets = -1\n", 3, "price_1000_gets");
	refused(STORE "bogus = 1\n", 3, "bogus: expected a known key");
	refused(STORE "hedge_quantile = 49\n", 3, "hedge_quantile: expected 50 to 99.9");
	refused(STORE "hedge_quantile = 100\n", 3, "hedge_quantile");
	refused(STORE "hedge_quantile = 98.25\n", 3, "hedge_quantile");
	refused(STORE "hedge_budget = 101\n", 3, "hedge_budget: expected 0 to 100");
	refused(STORE "hedge_min = 3s\n", 2, "hedge_max: expected 3000 to 3600000, not 2000");
	refused(STORE "backoff = 30s\n", 2, "backoff_max: expected 30000");
	refused(STORE "cache_mode = write\n", 3, "cache_mode: expected get-only, read-only or off");
	refused(STORE "cachey_bucket = b\n", 2, "cachey_bucket: expected for http");
	refused(STORE "replicas = a/b\n", 3, "replicas: expected names");
	refused(STORE "replicas = x\n", 2, "replicas: expected names of other stores, not \"x\": there");
	refused(STORE "caches = main\n", 2, "caches: expected names of other stores, not \"main\": that");
	refused(STORE "caches = f\n[store f]\nurl = file:///f\n", 2, "both have to be http");
	refused(STORE "caches = a\nreplicas = a\n[store a]\nurl = http://a\n", 2, "each name once");
	refused(STORE "replicas = a a\n[store a]\nurl = http://a\n", 2, "replicas: expected each name");
}

static void refused_bytes(const char *text, size_t size, unsigned int line, const char *words)
{
	char err[400] = "", place[200];
	struct cc_config c = { .nr_stores = 777 };
	int r = load_bytes(text, size, &c, err, sizeof(err));

	snprintf(place, sizeof(place), "%s:%u: ", file, line);
	ok(r < 0 && !strncmp(err, place, strlen(place)) && strstr(err, words) && c.nr_stores == 777,
	   "line %u of bytes: %s", line, r ? words : "taken!");
}
#define REFUSED_BYTES(text, ...) refused_bytes(text, sizeof(text) - 1, __VA_ARGS__)

/* What the file leaves open is checked as what it says, and the variable named. */
static void test_environment(void)
{
	setenv("AWS_REGION", "a b", 1);
	refused(STORE, 2, "AWS_REGION: expected 1 to 63");
	unsetenv("AWS_REGION");
	setenv("AWS_ENDPOINT_URL", "host", 1);
	refused(STORE, 2, "AWS_ENDPOINT_URL: expected http");
	unsetenv("AWS_ENDPOINT_URL");
	setenv("AWS_CA_BUNDLE", "ca.pem", 1);
	refused(STORE, 2, "AWS_CA_BUNDLE: expected an absolute path");
	unsetenv("AWS_CA_BUNDLE");
}

/* Whatever a file is made of, no part of it is passed over. */
static void test_lines(void)
{
	char longer[1200] = "[store main]\nurl = http://h/";
	char two[400], err[400] = "";
	struct cc_config c;

	refused("[store main]\n", 1, "url: expected in [store main]");
	refused("[pool]\n\n  nonsense\n", 3, "expected [section], key = value");
	refused("[pool\nname = x\n", 1, "expected a ] behind");
	refused("[pool] name = x\n", 1, "expected nothing behind [section]");
	refused("[pool]\n= x\n", 2, "expected [section], key = value");
	refused("[pool]\nname: x\n", 2, "expected [section], key = value");
	refused("[pool]\nname = a\rname = b\n", 2, "without control characters");
	refused("[pool]\nname = \033[2J\n", 2, "without control characters");
	refused(STORE "profile = \xc2\x9b" "2J\n", 3, "without control characters");
	refused(STORE "profile = \xff\n", 3, "text in UTF-8");
	REFUSED_BYTES("[pool]\nname = a\0b\n", 2, "there is a NUL byte");
	REFUSED_BYTES("[pool]\n# \0\n", 2, "there is a NUL byte");
	snprintf(two, sizeof(two), "[store %s]\n", "0123456789012345678901234567890123456789012345678901234567890123");
	refused(two, 1, "expected a name");
	/* Names that differ behind their 48th character are two. */
	snprintf(two, sizeof(two), "[store %s-a]\nurl = file:///a\n[store %s-b]\nurl = file:///b\n",
		 "s2345678901234567890123456789012345678901234567890123456789",
		 "s2345678901234567890123456789012345678901234567890123456789");
	if (ok(!load(two, &c, err, sizeof(err)) && c.nr_stores == 2 && strlen(c.stores[1].domain) == 61,
	       "two stores with long names are two %s", err))
		cc_config_free(&c);
	memset(longer + strlen(longer), 'x', 1000);
	if (ok(!load(longer, &c, err, sizeof(err)) && strlen(c.stores[0].url) == 1009, "a long line is one %s", err))
		cc_config_free(&c);
	if (ok(!load("\xef\xbb\xbf[store main]\r\n\turl = file:///s\t \r\n \r\n  # x\r\n   domain=d ;e\r\n"
		     "[pool] ; f\n[store main]\nattempts = 2", &c, err, sizeof(err)) &&
	       !strcmp(c.stores[0].url, "file:///s") && !strcmp(c.stores[0].domain, "d") &&
	       c.stores[0].attempts == 2 && c.nr_stores == 1,
	       "indented, in pieces, with another editor's marks, no end of the last line %s", err))
		cc_config_free(&c);
	ok(cc_config_load("/dev/zero", &c, err, sizeof(err)) == -EFBIG && strstr(err, "at most 1 MiB"),
	   "a file without end: %s", err);
	ok(cc_config_load(dir, &c, err, sizeof(err)) == -EISDIR, "a directory: %s", err);
}

static void test_defaults(void)
{
	char err[400] = "";
	struct cc_config c;

	if (!ok(!load("[store main]\nurl = file:///srv/store\n", &c, err, sizeof(err)),
		"a small file %s", err))
		return;
	ok(!strcmp(c.pool, "cache0") && !strcmp(c.device, "/dev/mapper/cache0") &&
	   !strcmp(c.control_socket, "/run/chunkcache/cache0.sock"), "names follow the file's");
	ok(c.ram_cache_bytes == 64 << 20 && c.slot_wait_ms == 200 && c.lock_memory &&
	   c.scrub_interval_ms == 2592000000u &&
	   !c.verify_fill && c.fetch.network_threads == 2 && c.fetch.hash_threads == 1 &&
	   c.fetch.max_in_flight == 64, "defaults of the pool");
	ok(c.nr_stores == 1 && cc_config_store(&c, "main") == &c.stores[0] &&
	   !cc_config_store(&c, "other") && !strcmp(c.stores[0].domain, "main") &&
	   c.stores[0].connections == 32 && c.stores[0].attempts == 3, "defaults of the store");
	cc_config_free(&c);
	ok(cc_config_load("/nonexistent/x.conf", &c, err, sizeof(err)) == -ENOENT &&
	   strstr(err, "/nonexistent/x.conf"), "no file: %s", err);
}

static void test_values(void)
{
	static const char text[] =
		"# comment\n[pool]\nname = p1\ndevice = /dev/x\ncontrol_socket = /run/y\n"
		"buffers = 128M ; comment\nram_cache = 0\nslot_wait = 2s\nverify_fill = yes\nscrub_interval = 2h\n"
		"lock_memory = no\nnetwork_threads = 3\nhash_threads = 0\nmax_in_flight = 100\n"
		"[store a]\nurl = s3://buck-et/pre/fix/\ndomain = d\nendpoint = https://h:1\n"
		"region = eu-1\nstyle = path\nanonymous = yes\nca_file = /c\nconnections = 5\n"
		"stall_timeout = 700\ntotal_timeout = 90s\nattempts = 1\n"
		"[store b]\nurl = http://[::1]:8080/x%20y\nfirst_byte_timeout = 250ms\n"
		"price_1000_gets = 0.0004\nprice_gib = 12\n"
		"[store c]\nurl = s3://b-c\nhedge_quantile = 99.5\nhedge_budget = off\n"
		"replicas = b  a\ncaches = d\ncache_copies = 2\n"
		"[store d]\nurl = http://d/fetch/k\ncachey_bucket = buck\ncache_mode = read-only\n";
	const struct cc_store_config *s;
	char err[400] = "";
	struct cc_config c;

	if (!ok(!load(text, &c, err, sizeof(err)), "all keys %s", err))
		return;
	ok(!strcmp(c.pool, "p1") && !strcmp(c.device, "/dev/x") && c.buffer_bytes == 128 << 20 &&
	   !c.ram_cache_bytes && c.slot_wait_ms == 2000 && c.verify_fill && !c.lock_memory &&
	   c.fetch.network_threads == 3 && !c.fetch.hash_threads && c.fetch.max_in_flight == 100,
	   "values of the pool");
	ok(c.scrub_interval_ms == 7200000, "hours");
	s = cc_config_store(&c, "a");
	ok(s && !strcmp(s->domain, "d") && !strcmp(s->region, "eu-1") && s->path_style &&
	   s->anonymous && s->connections == 5 && s->stall_timeout_ms == 700 &&
	   s->total_timeout_ms == 90000 && s->attempts == 1, "values of a store");
	s = cc_config_store(&c, "b");
	ok(s && s->first_byte_timeout_ms == 250 && s->price_gib == 12 &&
	   s->price_1000_gets > 0.00039 && s->price_1000_gets < 0.00041, "values of the other");
	s = cc_config_store(&c, "c");
	ok(s && s->hedge_quantile == 995 && !s->hedge_budget && !strcmp(s->replicas, "b  a") &&
	   !strcmp(s->caches, "d") && s->cache_copies == 2, "values of one that uses others");
	s = cc_config_store(&c, "d");
	ok(s && s->cache_mode == CC_CACHE_READ_ONLY && !strcmp(s->cachey_bucket, "buck"),
	   "values of a cache");
	cc_config_free(&c);
}

/* A line of what is printed that is a key: "key = value", perhaps behind a single #. */
static bool is_key(const char *line)
{
	return *line != ' ' && *line != '[' && strstr(line, " = ");
}

/* What --print-defaults prints is a good file, and means what no file at all means. */
static void test_printed_defaults(void)
{
	static char printed[16384], text[16384];
	struct cc_config none = { 0 }, all = { 0 };
	char err[400] = "", *line, *save = NULL;
	FILE *f = fmemopen(printed, sizeof(printed), "w");
	unsigned int keys = 0;

	cc_config_print_defaults(f);
	fclose(f);
	ok(!load(printed, &none, err, sizeof(err)) && !none.nr_stores, "it is a good file %s", err);
	cc_config_free(&none);
	for (line = strtok_r(printed, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (*line == '#' && (is_key(line + 1) || line[1] == '['))
			line++;
		keys += is_key(line);
		strcat(text, line);
		strcat(text, !strcmp(line, "[store main]") ? "\nurl = file:///srv\n" : "\n");
	}
	ok(keys >= 15 && strstr(text, "ram_cache = 64M\n") && strstr(text, "attempts = 3\n"),
	   "%u keys have a value", keys);
	if (!ok(!load(text, &all, err, sizeof(err)) && all.nr_stores == 1, "so are the values %s", err))
		return;
	load("[store main]\nurl = file:///srv\n", &none, err, sizeof(err));
	ok(all.ram_cache_bytes == none.ram_cache_bytes && all.slot_wait_ms == none.slot_wait_ms &&
	   all.lock_memory == none.lock_memory && all.verify_fill == none.verify_fill &&
	   !memcmp(&all.fetch, &none.fetch, sizeof(all.fetch)), "the pool's are the defaults");
	ok(all.stores[0].connections == none.stores[0].connections &&
	   all.stores[0].attempts == none.stores[0].attempts &&
	   all.stores[0].first_byte_timeout_ms == none.stores[0].first_byte_timeout_ms &&
	   all.stores[0].total_timeout_ms == none.stores[0].total_timeout_ms &&
	   all.stores[0].path_style == none.stores[0].path_style, "the store's as well");
	cc_config_free(&none);
	cc_config_free(&all);
}

static void test_numbers(void)
{
	unsigned int ms = 7;
	uint64_t n = 7;

	ok(!cc_parse_bytes("4096", &n) && n == 4096 && !cc_parse_bytes("3k", &n) && n == 3072 &&
	   !cc_parse_bytes("2T", &n) && n == 2ULL << 40, "bytes");
	n = 7;
	ok(cc_parse_bytes("", &n) && cc_parse_bytes("M", &n) && cc_parse_bytes("1MM", &n) &&
	   cc_parse_bytes("-1", &n) && cc_parse_bytes(" 1", &n) && cc_parse_bytes("1.5G", &n) &&
	   cc_parse_bytes("17179869184G", &n) && n == 7, "bad bytes refused");
	ok(!cc_parse_ms("5s", &ms) && ms == 5000 && !cc_parse_ms("5ms", &ms) && ms == 5, "times");
	ok(cc_parse_ms("5m", &ms) && cc_parse_ms("", &ms) && cc_parse_ms("4294968s", &ms) && ms == 5,
	   "bad times refused");
}

int main(void)
{
	make_temp_dir(dir);
	snprintf(file, sizeof(file), "%s/cache0.conf", dir);
	test_defaults();
	test_values();
	test_printed_defaults();
	test_refusals();
	test_environment();
	test_lines();
	test_numbers();
	remove_tree(dir);
	return tap_done();
}
