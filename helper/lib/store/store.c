// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What all kinds of stores have in common: choice of the kind by URL, refusal of bad object names.
 * The kinds are in store-file.c and store-http.c.
 */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store-impl.h"

static int check_numbers(const struct cc_store_config *c, char *err, size_t errlen)
{
	const struct { const char *name; unsigned int value, min, max; } n[] = {
		{ "connections", c->connections, 1, 256 },
		{ "attempts", c->attempts, 1, 10 },
		{ "connect_timeout", c->connect_timeout_ms, 1, 3600000 },
		{ "first_byte_timeout", c->first_byte_timeout_ms, 1, 3600000 },
		{ "stall_timeout", c->stall_timeout_ms, 1, 3600000 },
		{ "attempt_timeout", c->attempt_timeout_ms, 1, 3600000 },
		{ "total_timeout", c->total_timeout_ms, 1, 3600000 },
		{ "backoff", c->backoff_ms, 1, 3600000 },
		{ "backoff_max", c->backoff_max_ms, c->backoff_ms, 3600000 },
		{ "patience", c->patience_ms, 0, 3600000 },
		{ "negative_ttl", c->negative_ttl_ms, 0, 3600000 },
		{ "hedge_budget", c->hedge_budget, 0, 1000 },
		{ "hedge_max", c->hedge_max_ms, c->hedge_min_ms, 3600000 },
	};

	for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
		if (n[i].value >= n[i].min && n[i].value <= n[i].max)
			continue;
		snprintf(err, errlen, "%s: expected %u to %u, not %u", n[i].name, n[i].min,
			 n[i].max, n[i].value);
		return -EINVAL;
	}
	return 0;
}

int cc_store_open(const struct cc_store_config *c, struct cc_store **ret_store,
		  char *err, size_t errlen)
{
	if (!c->url) {
		snprintf(err, errlen, "url: expected, but there is none");
		return -EINVAL;
	}
	if (check_numbers(c, err, errlen))
		return -EINVAL;
	if (c->cachey_bucket && strncmp(c->url, "http", 4)) {
		snprintf(err, errlen, "cachey_bucket: expected for http:// and https:// only, but url is "
			 "\"%s\"", c->url);
		return -EINVAL;
	}
	if (!strncmp(c->url, "file://", 7))
		return cc_store_file_open(c, ret_store, err, errlen);
	if (!strncmp(c->url, "http://", 7) || !strncmp(c->url, "https://", 8) ||
	    !strncmp(c->url, "s3://", 5))
		return cc_store_http_open(c, ret_store, err, errlen);
	snprintf(err, errlen, "url: expected file://, http://, https:// or s3://, not \"%s\"", c->url);
	return -EINVAL;
}

/* ---- stores that use others ---- */

static struct cc_store *store_by_name(struct cc_store *const *all, unsigned int nr, const char *name)
{
	for (unsigned int i = 0; i < nr; i++)
		if (!strcmp(all[i]->config->name, name))
			return all[i];
	return NULL;
}

static int check_link(const struct cc_store *s, const struct cc_store *other, const char *key,
		      const char *name, char *err, size_t errlen)
{
	const char *wrong = NULL;

	if (!other)
		wrong = "there is none of this name";
	else if (other == s)
		wrong = "that is this store itself";
	else if (s->kind != CC_STORE_KIND_HTTP || other->kind != CC_STORE_KIND_HTTP)
		wrong = "both have to be http, https or s3";
	else if (other->config->cachey_bucket && !strcmp(key, "replicas"))
		wrong = "a cachey is a cache";
	if (!wrong)
		return 0;
	snprintf(err, errlen, "%s: expected names of other stores, not \"%s\": %s", key, name, wrong);
	return -EINVAL;
}

static bool is_linked(const struct cc_store *s, const struct cc_store *other)
{
	for (unsigned int i = 0; i < s->nr_replicas; i++)
		if (s->replicas[i] == other)
			return true;
	for (unsigned int i = 0; i < s->nr_caches; i++)
		if (s->caches[i] == other)
			return true;
	return false;
}

static int link_all(struct cc_store *s, const char *key, const char *names,
		    struct cc_store *const *all, unsigned int nr, struct cc_store **to,
		    unsigned int *nr_to, unsigned int max, char *err, size_t errlen)
{
	char name[64];
	int used;

	for (*nr_to = 0; names && sscanf(names, " %63s%n", name, &used) == 1; names += used) {
		struct cc_store *other = store_by_name(all, nr, name);

		if (other && is_linked(s, other)) {
			snprintf(err, errlen, "%s: expected each name once, not \"%s\" again", key, name);
			return -EINVAL;
		}
		if (check_link(s, other, key, name, err, errlen))
			return -EINVAL;
		if (*nr_to == max) {
			snprintf(err, errlen, "%s: expected at most %u names", key, max);
			return -EINVAL;
		}
		to[(*nr_to)++] = other;
	}
	return 0;
}

int cc_store_link(struct cc_store *s, struct cc_store *const *all, unsigned int nr, char *err,
		  size_t errlen)
{
	if (link_all(s, "replicas", s->config->replicas, all, nr, s->replicas, &s->nr_replicas,
		     CC_STORE_MAX_REPLICAS, err, errlen))
		return -EINVAL;
	return link_all(s, "caches", s->config->caches, all, nr, s->caches, &s->nr_caches,
			CC_STORE_MAX_CACHES, err, errlen);
}

void cc_store_close(struct cc_store *s)
{
	if (s)
		s->ops->close(s);
}

const struct cc_store_config *cc_store_config(const struct cc_store *s)
{
	return s->config;
}

static enum cc_store_result check_object_name(const char *name, char *err, size_t errlen)
{
	if (cc_store_name_ok(name))
		return CC_STORE_OK;
	snprintf(err, errlen, "object name: expected a relative path without . and .. of at most %d "
		 "bytes", CC_STORE_NAME_MAX);
	return CC_STORE_ERROR;
}

void cc_store_be_patient(struct cc_store *s, cc_patience_fn *fn, void *arg)
{
	if (s->ops->be_patient)
		s->ops->be_patient(s, fn, arg);
}

void cc_store_hurry(struct cc_store *s)
{
	if (s->ops->hurry)
		s->ops->hurry(s);
}

enum cc_store_result cc_store_get(struct cc_store *s, const char *name, size_t max,
				  void **ret_data, size_t *ret_size, char *err, size_t errlen)
{
	enum cc_store_result r = check_object_name(name, err, errlen);

	return r ? r : s->ops->get(s, name, max, ret_data, ret_size, err, errlen);
}

enum cc_store_result cc_store_get_range(struct cc_store *s, const char *name, uint64_t offset, void *buf, size_t size,
					size_t *ret_got, uint64_t *ret_total, char *err, size_t errlen)
{
	enum cc_store_result r = check_object_name(name, err, errlen);

	return r ? r : s->ops->get_range(s, name, offset, buf, size, ret_got, ret_total, err, errlen);
}

enum cc_store_result cc_store_put(struct cc_store *s, const char *name, const void *data,
				  size_t size, char *err, size_t errlen)
{
	enum cc_store_result r = check_object_name(name, err, errlen);

	return r ? r : s->ops->put(s, name, data, size, err, errlen);
}

enum cc_store_result cc_store_create(struct cc_store *s, const char *name, const void *data,
				     size_t size, char *err, size_t errlen)
{
	enum cc_store_result r = check_object_name(name, err, errlen);

	return r ? r : s->ops->create(s, name, data, size, err, errlen);
}

enum cc_store_result cc_store_head(struct cc_store *s, const char *name, uint64_t *ret_size,
				   char *err, size_t errlen)
{
	enum cc_store_result r = check_object_name(name, err, errlen);

	return r ? r : s->ops->head(s, name, ret_size, err, errlen);
}

enum cc_store_result cc_store_delete(struct cc_store *s, const char *name, char *err, size_t errlen)
{
	enum cc_store_result r = check_object_name(name, err, errlen);

	return r ? r : s->ops->remove(s, name, err, errlen);
}

static enum cc_store_result check_prefix(const char *prefix, char *err, size_t errlen)
{
	size_t len = strlen(prefix);

	/* "" and "chunks/" are prefixes, not names: try what could start with them. */
	if (len && prefix[len - 1] != '/') {
		enum cc_store_result r = check_object_name(prefix, err, errlen);

		if (r)
			return r;
	} else if (len) {
		char parent[CC_STORE_NAME_MAX + 1];

		if (len > CC_STORE_NAME_MAX)
			return check_object_name(prefix, err, errlen);
		memcpy(parent, prefix, len - 1);
		parent[len - 1] = '\0';
		if (check_object_name(parent, err, errlen))
			return CC_STORE_ERROR;
	}
	return CC_STORE_OK;
}

enum cc_store_result cc_store_list(struct cc_store *s, const char *prefix, cc_store_list_fn *fn,
				   void *arg, char *err, size_t errlen)
{
	enum cc_store_result r = check_prefix(prefix, err, errlen);

	return r ? r : s->ops->list(s, prefix, fn, arg, err, errlen);
}

enum cc_store_result cc_store_list_leftovers(struct cc_store *s, const char *prefix, cc_store_list_fn *fn,
					     void *arg, char *err, size_t errlen)
{
	enum cc_store_result r = check_prefix(prefix, err, errlen);

	return r || !s->ops->list_leftovers ? r : s->ops->list_leftovers(s, prefix, fn, arg, err, errlen);
}
