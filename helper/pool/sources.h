/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources: the stores of the configuration, opened once, with what the fill engine has to remember of
 * each: who waits for it and whether it answers at the moment.
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
	/* of the fill engine */
	struct cc_list wanted;		/* fills that could start now, demand */
	struct cc_list ahead;		/* the same, only readahead waits */
	struct cc_list prefetch;	/* nobody waits, but somebody will read on */
	struct cc_list by_hand;		/* nobody waits, an operator asked for it */
	struct cc_list retry;		/* fills that wait for their time */
	uint64_t next_retry;		/* no fill of retry is due before */
	unsigned int in_flight;
	unsigned int prefetching;	/* of those: nobody waits */
	unsigned int allowed;		/* at a time: halved by a failure, one more with each answer */
	unsigned int failures;		/* in a row */
	bool down;			/* many failures in a row */
	uint64_t probe_due;		/* down: when to try one before its time */
	/* for people: CLOCK_MONOTONIC, 0 if it never happened */
	uint64_t answered_ns;		/* last answer of any kind, "not found" included */
	uint64_t failed_ns;		/* last time that there was none */
	char error[160];		/* and why */
};

#define CC_SOURCE_ALLOWED_MAX (1u << 16)

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
