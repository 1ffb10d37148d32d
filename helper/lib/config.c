// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads a pool's configuration file.  All keys are in the two tables below; what a store's URL
 * and its keys mean together is checked by opening the store, which does no I/O.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-value.h"
#include "creds/creds.h"
#include "ini.h"
#include "store/store.h"

struct parser {
	struct cc_config *config;
	const char *file;
	bool in_pool;			/* else in the store that was named last: */
	unsigned int store;
	unsigned int store_line[CC_MAX_STORES]; /* of its first key, or of a section without any */
	uint64_t pool_seen;		/* keys that were set, by index in the table */
	uint64_t store_seen[CC_MAX_STORES];
};

/* The last one, unset, may be left out. */
#define KEY(section, n, t, field, lo, hi, what, ...) {					\
	.name = n, .type = t, .offset = offsetof(section, field), .min = lo, .max = hi,	\
	.expected = what, .unset = "" __VA_ARGS__,					\
}
#define POOL_KEY(...) KEY(struct cc_config, __VA_ARGS__)
#define STORE_KEY(...) KEY(struct cc_store_config, __VA_ARGS__)
#define NR_KEYS(keys) (sizeof(keys) / sizeof((keys)[0]))
#define A_NAME "1 to 63 of a-z A-Z 0-9 . _ -"
#define A_PATH "an absolute path"
#define A_TIME "a time, 1ms to 3600s"
#define A_TIME_OR_0 "a time, 0 to 3600s"
#define A_BOOL "yes or no"
#define A_PRICE "a price such as 0.0004"

static const struct cc_key pool_keys[] = {
	POOL_KEY("name", CC_KEY_NAME, pool, 0, 0, A_NAME, "this file's, without .conf"),
	POOL_KEY("device", CC_KEY_PATH, device, 0, 0, A_PATH, "/dev/mapper/NAME"),
	POOL_KEY("control_socket", CC_KEY_PATH, control_socket, 0, 0, A_PATH,
		 CC_RUN_DIR "/NAME.sock"),
	POOL_KEY("metrics_socket", CC_KEY_PATH, metrics_socket, 0, 0, A_PATH,
		 CC_RUN_DIR "/NAME.metrics"),
	POOL_KEY("metrics_listen", CC_KEY_LOOPBACK, metrics_listen, 0, 0,
		 "an address of the loopback with a port, such as 127.0.0.1:9438 or [::1]:9438", "none"),
	POOL_KEY("buffers", CC_KEY_BYTES, buffer_bytes, 1 << 18, 1ULL << 40, "bytes, 256K to 1T",
		 "64 chunks"),
	POOL_KEY("ram_cache", CC_KEY_BYTES, ram_cache_bytes, 0, 1ULL << 40, "bytes, 0 to 1T"),
	POOL_KEY("slot_wait", CC_KEY_MS, slot_wait_ms, 0, 60000, "a time, 0 to 60s"),
	POOL_KEY("verify_fill", CC_KEY_BOOL, verify_fill, 0, 0, A_BOOL),
	POOL_KEY("scrub_interval", CC_KEY_MS, scrub_interval_ms, 0, 49 * 86400000u, "a time, 0 to 49d"),
	POOL_KEY("lock_memory", CC_KEY_BOOL, lock_memory, 0, 0, A_BOOL),
	POOL_KEY("prefetch", CC_KEY_BOOL, prefetch, 0, 0, A_BOOL),
	POOL_KEY("prefetch_window", CC_KEY_UINT, prefetch_window, 1, CC_PREFETCH_WINDOW_MAX, "1 to 256"),
	POOL_KEY("replay", CC_KEY_BOOL, replay, 0, 0, A_BOOL),
	POOL_KEY("network_threads", CC_KEY_UINT, fetch.network_threads, 1, 64, "1 to 64"),
	POOL_KEY("hash_threads", CC_KEY_UINT, fetch.hash_threads, 0, 64, "0 to 64"),
	POOL_KEY("max_in_flight", CC_KEY_UINT, fetch.max_in_flight, 1, 4096, "1 to 4096"),
};

static const struct cc_key store_keys[] = {
	STORE_KEY("url", CC_KEY_STRING, url, 0, 0, "a URL", "none, it is required"),
	STORE_KEY("domain", CC_KEY_NAME, domain, 0, 0, A_NAME, "the store's name"),
	STORE_KEY("endpoint", CC_KEY_STRING, endpoint, 0, 0, "https://host[:port][/path]",
		  "as for the AWS tools, or AWS's of the region"),
	STORE_KEY("region", CC_KEY_NAME, region, 0, 0, "a region, " A_NAME,
		  "as for the AWS tools, or us-east-1"),
	STORE_KEY("style", CC_KEY_STYLE, path_style, 0, 0, "path or virtual"),
	STORE_KEY("anonymous", CC_KEY_BOOL, anonymous, 0, 0, A_BOOL),
	STORE_KEY("credentials", CC_KEY_NAME, credentials, 0, 0,
		  "environment, web-identity, profile, container or instance", "the first that is set up"),
	STORE_KEY("credentials_file", CC_KEY_STRING, credentials_file, 0, 0,
		  "an absolute path, or the name of a credential of systemd", "as for the AWS tools"),
	STORE_KEY("profile", CC_KEY_STRING, profile, 0, 0, "the name of a profile", "default"),
	STORE_KEY("requester_pays", CC_KEY_BOOL, requester_pays, 0, 0, A_BOOL),
	STORE_KEY("sse", CC_KEY_STRING, sse, 0, 0, "AES256, aws:kms or aws:kms:dsse", "the bucket's"),
	STORE_KEY("sse_kms_key_id", CC_KEY_STRING, sse_kms_key_id, 0, 0, "a key's ID or ARN", "the bucket's"),
	STORE_KEY("sse_bucket_key", CC_KEY_BOOL, sse_bucket_key, 0, 0, A_BOOL, "the bucket's"),
	STORE_KEY("storage_class", CC_KEY_STRING, storage_class, 0, 0, "a class such as STANDARD_IA",
		  "the bucket's"),
	STORE_KEY("ca_file", CC_KEY_PATH, ca_file, 0, 0, A_PATH, "the system's"),
	STORE_KEY("connections", CC_KEY_UINT, connections, 1, 256, "1 to 256"),
	STORE_KEY("connect_timeout", CC_KEY_MS, connect_timeout_ms, 1, 3600000, A_TIME),
	STORE_KEY("first_byte_timeout", CC_KEY_MS, first_byte_timeout_ms, 1, 3600000, A_TIME),
	STORE_KEY("stall_timeout", CC_KEY_MS, stall_timeout_ms, 1, 3600000, A_TIME),
	STORE_KEY("attempt_timeout", CC_KEY_MS, attempt_timeout_ms, 1, 3600000, A_TIME),
	STORE_KEY("total_timeout", CC_KEY_MS, total_timeout_ms, 1, 3600000, A_TIME),
	STORE_KEY("attempts", CC_KEY_UINT, attempts, 1, 10, "1 to 10"),
	STORE_KEY("backoff", CC_KEY_MS, backoff_ms, 1, 3600000, A_TIME),
	STORE_KEY("backoff_max", CC_KEY_MS, backoff_max_ms, 1, 3600000, A_TIME),
	STORE_KEY("patience", CC_KEY_MS, patience_ms, 0, 3600000, A_TIME_OR_0),
	STORE_KEY("commit_interval", CC_KEY_MS, commit_interval_ms, 100, 3600000, "a time, 100ms to 3600s"),
	STORE_KEY("upload_rate", CC_KEY_BYTES, upload_rate, 0, 1ULL << 40, "bytes a second, 0 to 1T", "no limit"),
	STORE_KEY("negative_ttl", CC_KEY_MS, negative_ttl_ms, 0, 3600000, A_TIME_OR_0),
	STORE_KEY("hedge_quantile", CC_KEY_PERCENT, hedge_quantile, 500, 999, "50 to 99.9 (%), or off"),
	STORE_KEY("hedge_budget", CC_KEY_PERCENT, hedge_budget, 0, 1000, "0 to 100 (%)"),
	STORE_KEY("hedge_min", CC_KEY_MS, hedge_min_ms, 1, 3600000, A_TIME),
	STORE_KEY("hedge_max", CC_KEY_MS, hedge_max_ms, 1, 3600000, A_TIME),
	STORE_KEY("stall_hedge", CC_KEY_MS, stall_hedge_ms, 0, 3600000, A_TIME_OR_0),
	STORE_KEY("replicas", CC_KEY_NAMES, replicas, 0, 0, "names of stores", "none"),
	STORE_KEY("caches", CC_KEY_NAMES, caches, 0, 0, "names of stores", "none"),
	STORE_KEY("cache_copies", CC_KEY_UINT, cache_copies, 1, 8, "1 to 8"),
	STORE_KEY("cache_mode", CC_KEY_CACHE_MODE, cache_mode, 0, 0, "get-only, read-only or off"),
	STORE_KEY("cachey_bucket", CC_KEY_NAME, cachey_bucket, 0, 0, "a bucket, " A_NAME, "none"),
	STORE_KEY("price_1000_gets", CC_KEY_PRICE, price_1000_gets, 0, 1000000, A_PRICE),
	STORE_KEY("price_gib", CC_KEY_PRICE, price_gib, 0, 1000000, A_PRICE),
};

/* ---- the file ---- */

/* Returns -EINVAL with a line in err. */
static __attribute__((format(printf, 3, 4)))
int mistake(char *err, size_t errlen, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, errlen, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int set_in_section(const struct cc_key *keys, size_t nr_keys, void *section, uint64_t *seen,
			  const char *name, const char *value, char *err, size_t errlen)
{
	for (size_t i = 0; i < nr_keys; i++) {
		int r;

		if (strcmp(keys[i].name, name))
			continue;
		if (*seen & 1ULL << i)
			return mistake(err, errlen, "%s: expected once in its section, it was set before", name);
		*seen |= 1ULL << i;
		r = cc_key_set(&keys[i], section, value);
		if (r == -ENOMEM)
			snprintf(err, errlen, "%s: out of memory", name);
		else if (r)
			mistake(err, errlen, "%s: expected %s, not \"%s\"", name, keys[i].expected, value);
		return r;
	}
	return mistake(err, errlen, "%s: expected a known key, there is none of this name in the section", name);
}

static int add_store(struct parser *p, unsigned int line, const char *name, char *err, size_t errlen)
{
	struct cc_config *c = p->config;
	struct cc_store_config *s;

	if (!cc_is_name(name))
		return mistake(err, errlen, "[store %s]: expected a name of " A_NAME, name);
	if (c->nr_stores == CC_MAX_STORES)
		return mistake(err, errlen, "[store %s]: expected at most %d stores", name, CC_MAX_STORES);
	s = &c->stores[c->nr_stores];
	cc_store_config_init(s);
	s->name = strdup(name);
	if (!s->name) {
		cc_store_config_free(s);
		snprintf(err, errlen, "[store %s]: out of memory", name);
		return -ENOMEM;
	}
	p->store_line[c->nr_stores] = line;
	p->store = c->nr_stores++;
	return 0;
}

static int config_section(void *arg, unsigned int line, const char *name, char *err, size_t errlen)
{
	struct parser *p = arg;

	p->in_pool = !strcmp(name, "pool");
	if (p->in_pool)
		return 0;
	if (strncmp(name, "store ", 6))
		return mistake(err, errlen, "[%s]: expected [pool] or [store NAME]", name);
	/* A section may come in pieces. */
	for (p->store = 0; p->store < p->config->nr_stores; p->store++)
		if (!strcmp(p->config->stores[p->store].name, name + 6))
			return 0;
	return add_store(p, line, name + 6, err, errlen);
}

static int config_key(void *arg, unsigned int line, const char *name, const char *value, char *err,
		  size_t errlen)
{
	struct parser *p = arg;

	if (p->in_pool)
		return set_in_section(pool_keys, NR_KEYS(pool_keys), p->config, &p->pool_seen, name,
				      value, err, errlen);
	if (!p->store_seen[p->store])
		p->store_line[p->store] = line;
	return set_in_section(store_keys, NR_KEYS(store_keys), &p->config->stores[p->store],
			      &p->store_seen[p->store], name, value, err, errlen);
}

/* ---- the whole ---- */

static int default_string(char **field, const char *fmt, const char *arg)
{
	if (*field)
		return 0;
	if (asprintf(field, fmt, arg) < 0) {
		*field = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* Beside the control socket. */
static int default_metrics_socket(struct cc_config *c)
{
	const char *path = c->control_socket;
	size_t len = strlen(path);

	if (len > 5 && !strcmp(path + len - 5, ".sock"))
		len -= 5;
	if (c->metrics_socket)
		return 0;
	if (asprintf(&c->metrics_socket, "%.*s.metrics", (int)len, path) < 0) {
		c->metrics_socket = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int set_defaults(struct parser *p, char *err, size_t errlen)
{
	struct cc_config *c = p->config;
	const char *base = strrchr(p->file, '/');
	size_t len;

	base = base ? base + 1 : p->file;
	if (!c->pool) {
		len = strlen(base);
		if (len > 5 && !strcmp(base + len - 5, ".conf"))
			len -= 5;
		c->pool = strndup(base, len);
		if (!c->pool)
			return -ENOMEM;
		if (!cc_is_name(c->pool)) {
			return mistake(err, errlen, "%s: name: expected in [pool], as \"%s\" is no name "
				       "of a pool (" A_NAME ")", p->file, c->pool);
		}
	}
	if (default_string(&c->device, "/dev/mapper/%s", c->pool) ||
	    default_string(&c->control_socket, CC_RUN_DIR "/%s.sock", c->pool) ||
	    default_metrics_socket(c))
		return -ENOMEM;
	for (unsigned int i = 0; i < c->nr_stores; i++)
		if (default_string(&c->stores[i].domain, "%s", c->stores[i].name))
			return -ENOMEM;
	return 0;
}

/* Opens each and lets them find each other: neither does any I/O. */
static int open_stores(struct parser *p, struct cc_store *stores[CC_MAX_STORES], char *err, size_t errlen)
{
	struct cc_config *c = p->config;
	char why[256];
	int r;

	for (unsigned int i = 0; i < c->nr_stores; i++) {
		if (!c->stores[i].url)
			return mistake(err, errlen, "%s:%u: url: expected in [store %s]", p->file,
				       p->store_line[i], c->stores[i].name);
		r = cc_creds_settings(&c->stores[i], why, sizeof(why));
		if (!r)
			r = cc_store_open(&c->stores[i], &stores[i], why, sizeof(why));
		if (r) {
			mistake(err, errlen, "%s:%u: %s", p->file, p->store_line[i], why);
			return r;
		}
	}
	for (unsigned int i = 0; i < c->nr_stores; i++) {
		r = cc_store_link(stores[i], stores, c->nr_stores, why, sizeof(why));
		if (r) {
			mistake(err, errlen, "%s:%u: %s", p->file, p->store_line[i], why);
			return r;
		}
	}
	return 0;
}

static int check_stores(struct parser *p, char *err, size_t errlen)
{
	struct cc_store *stores[CC_MAX_STORES] = { NULL };
	int r = open_stores(p, stores, err, errlen);

	for (unsigned int i = 0; i < p->config->nr_stores; i++)
		cc_store_close(stores[i]);
	return r;
}

/* ---- defaults as text ---- */

static void print_keys(FILE *to, const struct cc_key *keys, size_t nr, const void *section,
		       const char *prefix)
{
	for (size_t i = 0; i < nr; i++) {
		if (keys[i].unset[0]) {
			fprintf(to, "\n# %s; default: %s\n#%s =\n", keys[i].expected,
				keys[i].unset, keys[i].name);
			continue;
		}
		fprintf(to, "\n# %s\n%s%s = ", keys[i].expected, prefix, keys[i].name);
		cc_key_print(to, &keys[i], (const char *)section + keys[i].offset);
		fputc('\n', to);
	}
}

static void config_init(struct cc_config *c)
{
	memset(c, 0, sizeof(*c));
	c->ram_cache_bytes = 64 << 20;
	c->slot_wait_ms = 200;
	c->scrub_interval_ms = 30 * 86400000u;
	c->lock_memory = true;
	c->prefetch = true;
	c->prefetch_window = 16;
	c->replay = true;
	c->fetch = (struct cc_fetch_config){
		.network_threads = 2,
		.hash_threads = 1,
		.max_in_flight = 64,
	};
}

void cc_config_print_defaults(FILE *to)
{
	struct cc_store_config store;
	struct cc_config c;

	config_init(&c);
	cc_store_config_init(&store);
	fputs("# " CC_CONFIG_DIR "/POOL.conf: every key with its default; see chunkcached.conf(5).\n"
	      "\n[pool]\n", to);
	print_keys(to, pool_keys, NR_KEYS(pool_keys), &c, "");
	fputs("\n# One section for each store, with the name that table lines use:\n"
	      "#[store main]\n", to);
	print_keys(to, store_keys, NR_KEYS(store_keys), &store, "#");
	cc_store_config_free(&store);
}

static int load_file(struct parser *p, char *err, size_t errlen)
{
	static const struct cc_ini_reader reader = { .section = config_section, .key = config_key };
	int r = cc_ini_load(p->file, &reader, p, err, errlen);

	if (!r)
		r = set_defaults(p, err, errlen);
	if (r == -ENOMEM)
		snprintf(err, errlen, "%s: out of memory", p->file);
	return r ? r : check_stores(p, err, errlen);
}

int cc_config_load(const char *file, struct cc_config *ret_config, char *err, size_t errlen)
{
	struct cc_config *c = malloc(sizeof(*c));
	struct parser p = { .config = c, .file = file };
	int r;

	if (!c) {
		snprintf(err, errlen, "%s: out of memory", file);
		return -ENOMEM;
	}
	config_init(c);
	r = load_file(&p, err, errlen);
	if (r)
		cc_config_free(c);
	else
		*ret_config = *c;
	free(c);
	return r;
}

void cc_config_free(struct cc_config *c)
{
	for (unsigned int i = 0; i < c->nr_stores; i++)
		cc_store_config_free(&c->stores[i]);
	free(c->metrics_listen);
	free(c->metrics_socket);
	free(c->control_socket);
	free(c->device);
	free(c->pool);
	memset(c, 0, sizeof(*c));
}

const struct cc_store_config *cc_config_store(const struct cc_config *c, const char *name)
{
	for (unsigned int i = 0; i < c->nr_stores; i++)
		if (!strcmp(c->stores[i].name, name))
			return &c->stores[i];
	return NULL;
}
