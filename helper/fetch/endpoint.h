/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fetch engine knows of a store over HTTP from how its GETs went: whether it is well, how many
 * at a time it takes, what retries and second GETs it may be asked, and the counters.  Pure: time is
 * given, and the engine's lock covers it all.
 *
 *	breaker		in use?			-> next
 *	CLOSED		yes			OPEN after 5 failures in a row
 *	OPEN		no, until its time	HALF_OPEN by the GET that comes then
 *	HALF_OPEN	no more than that GET	CLOSED if it is answered, OPEN (for twice as long) if not
 *
 * 404 and 416 are answers.  A breaker gives advice: who has no other store asks this one all the same.
 */
#ifndef CC_ENDPOINT_H
#define CC_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include "hist.h"
#include "store/pace.h"
#include "store/retry.h"
#include "store/store.h"

enum cc_breaker { CC_BREAKER_CLOSED, CC_BREAKER_OPEN, CC_BREAKER_HALF_OPEN };

/* Second GETs: beside one whose first byte is late, or for the rest of a body that stalled. */
enum cc_hedge { CC_HEDGE_FIRST_BYTE, CC_HEDGE_STALL, CC_HEDGE_NR };

struct cc_hedge_stats {
	/* of second GETs that it was sent */
	uint64_t launched;
	uint64_t won, lost, failed;	/* of those that ended */
	/* of GETs of its own that were late */
	uint64_t denied;		/* there was no budget, or nobody to ask */
};

struct cc_endpoint_stats {
	uint64_t gets;			/* sent */
	uint64_t bytes;			/* of bodies, received */
	uint64_t wasted_bytes;		/* of those: nobody used them */
	uint64_t results[CC_STORE_ERROR + 1];	/* of GETs */
	uint64_t retries[CC_RETRY_NR_CLASSES];	/* by reason */
	uint64_t fallbacks;		/* the next cache or replica was asked at once */
	uint64_t retries_denied;	/* by the quota */
	struct cc_hedge_stats hedges[CC_HEDGE_NR];
	uint64_t breaker_opened;
	uint64_t connections;		/* made */
	struct cc_hist ttfb;		/* request to first byte */
	struct cc_hist total;		/* start to last byte, of GETs that were OK */
};

struct cc_endpoint {
	const struct cc_store_config *config;
	struct cc_endpoint_stats stats;
	struct cc_pace pace;		/* of GETs */
	uint64_t throttled_until_ns;
	/* health */
	enum cc_breaker breaker;
	unsigned int failures;		/* in a row */
	uint64_t open_until_ns, open_for_ns;
	double error_rate, ttfb_us;	/* means that forget */
	uint64_t mean_ns;		/* when they last did */
	/* retries and second GETs */
	unsigned int quota;		/* 0 .. CC_ENDPOINT_QUOTA */
	unsigned int hedge_tokens[CC_HEDGE_NR];	/* thousandths */
	struct cc_hist_window recent;	/* times to the first byte */
	uint64_t hedge_after_ns;	/* from it, brought up to date now and then; 0: none */
	unsigned int hedge_age;		/* GETs since */
};

#define CC_ENDPOINT_QUOTA 500

void cc_endpoint_init(struct cc_endpoint *e, const struct cc_store_config *c);
const char *cc_breaker_name(enum cc_breaker b);

/* May there be one more GET at the same time? */
bool cc_endpoint_has_room(const struct cc_endpoint *e);
/* Is it to be passed over? */
bool cc_endpoint_is_out(const struct cc_endpoint *e, uint64_t now_ns);
/* The lower the better; position in the order of preference, from 0. */
double cc_endpoint_score(struct cc_endpoint *e, unsigned int position, uint64_t now_ns);

/* How a GET ended. */
struct cc_endpoint_result {
	enum cc_store_result result;
	enum cc_retry_class class;
	uint64_t total_us;
	uint64_t ttfb_us;		/* if answered; else how long it was waited for, 0: not sent */
	bool answered;			/* a first byte came */
	uint64_t bytes;
	bool connected;			/* on a connection of its own */
};

/* A GET is sent, and has ended. */
void cc_endpoint_start(struct cc_endpoint *e, uint64_t now_ns);
void cc_endpoint_end(struct cc_endpoint *e, const struct cc_endpoint_result *r, uint64_t now_ns);
/* Bytes came that turned out to be wrong.  Follows the cc_endpoint_end() that said OK. */
void cc_endpoint_corrupt(struct cc_endpoint *e, uint64_t bytes, uint64_t now_ns);

/*
 * Pays for a retry, true if it could; *spent collects what a request has paid, and a request that
 * ends well gives it back.
 */
bool cc_endpoint_pay_retry(struct cc_endpoint *e, enum cc_retry_class class, unsigned int *spent);
void cc_endpoint_repay(struct cc_endpoint *e, unsigned int spent);

/* When the first byte is late: nanoseconds after the request; 0: there are no second GETs now. */
uint64_t cc_endpoint_hedge_after(const struct cc_endpoint *e, uint64_t now_ns);
/* Pays for a second GET.  The last of the budget is for those that are urgent. */
bool cc_endpoint_pay_hedge(struct cc_endpoint *e, enum cc_hedge kind, bool urgent);

#endif
