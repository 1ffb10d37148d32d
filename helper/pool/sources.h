/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources: the stores of the configuration, opened once, and how each answered last.
 */
#ifndef CC_SOURCES_H
#define CC_SOURCES_H

#include <stdbool.h>
#include <stdint.h>
#include "accounts.h"
#include "config.h"
#include "fetch/fetch.h"
#include "list.h"

struct cc_source {
	struct cc_store *store;
	const struct cc_store_config *config;
	uint64_t domain;		/* cc_domain_key() of its domain */
	/* for people: CLOCK_MONOTONIC, 0 if it never happened */
	uint64_t answered_ns;		/* last answer of any kind, "not found" included */
	uint64_t failed_ns;		/* last time that there was none */
	char error[160];		/* and why */
};

struct cc_sources {
	struct cc_source s[CC_MAX_STORES];
	unsigned int nr;
	struct cc_accounts accounts;
};

/* -errno with a line in err that names the store. */
int cc_sources_open(const struct cc_config *c, struct cc_sources **ret_sources, char *err, size_t errlen);
void cc_sources_close(struct cc_sources *s);
/* Remember for people how req ended. */
void cc_source_note(struct cc_source *s, const struct cc_fetch_req *req, uint64_t now_ns);
struct cc_source *cc_sources_find(struct cc_sources *s, const char *name);

#endif
