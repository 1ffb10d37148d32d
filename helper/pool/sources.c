// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sources; see sources.h.  Opens and closes stores.
 */
#include "sources.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slot-table.h"

static void init_source(struct cc_source *s, const struct cc_store_config *c)
{
	s->config = c;
	s->domain = cc_domain_key(c->domain ? c->domain : c->name);
}

static int link_stores(struct cc_sources *s, char *err, size_t errlen)
{
	struct cc_store *stores[CC_MAX_STORES];
	char why[200];
	int r;

	for (unsigned int i = 0; i < s->nr; i++)
		stores[i] = s->s[i].store;
	for (unsigned int i = 0; i < s->nr; i++) {
		r = cc_store_link(stores[i], stores, s->nr, why, sizeof(why));
		if (r) {
			snprintf(err, errlen, "store %s: %s", s->s[i].config->name, why);
			return r;
		}
	}
	return 0;
}

int cc_sources_open(const struct cc_config *c, struct cc_sources **ret_sources, char *err, size_t errlen)
{
	struct cc_sources *s = calloc(1, sizeof(*s));
	char why[200];
	int r;

	if (!s) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	cc_accounts_init(&s->accounts);
	for (unsigned int i = 0; i < c->nr_stores; i++) {
		init_source(&s->s[i], &c->stores[i]);
		r = cc_store_open(&c->stores[i], &s->s[i].store, why, sizeof(why));
		if (r) {
			snprintf(err, errlen, "store %s: %s", c->stores[i].name, why);
			cc_sources_close(s);
			return r;
		}
		s->nr++;
	}
	r = link_stores(s, err, errlen);
	if (r) {
		cc_sources_close(s);
		return r;
	}
	*ret_sources = s;
	return 0;
}

void cc_sources_close(struct cc_sources *s)
{
	if (!s)
		return;
	for (unsigned int i = 0; i < s->nr; i++)
		cc_store_close(s->s[i].store);
	cc_accounts_exit(&s->accounts);
	free(s);
}

void cc_source_note(struct cc_source *s, const struct cc_fetch_req *req, uint64_t now_ns)
{
	switch (req->result) {
	case CC_STORE_CANCELLED:
		break;
	case CC_STORE_OK:
	case CC_STORE_NOTFOUND:
	case CC_STORE_CORRUPT:
	case CC_STORE_TOOBIG:
		s->answered_ns = now_ns;
		break;
	default:
		s->failed_ns = now_ns;
		snprintf(s->error, sizeof(s->error), "%s",
			 req->error[0] ? req->error : cc_store_result_name(req->result));
	}
}

struct cc_source *cc_sources_find(struct cc_sources *s, const char *name)
{
	for (unsigned int i = 0; i < s->nr; i++)
		if (!strcmp(s->s[i].config->name, name))
			return &s->s[i];
	return NULL;
}
