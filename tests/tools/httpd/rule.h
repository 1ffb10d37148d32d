/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cc-httpd's script: rules that say which request gets what answer.  Owns the rules and what
 * they have counted; knows neither connections nor files.
 */
#ifndef CC_HTTPD_RULE_H
#define CC_HTTPD_RULE_H

#include <stdbool.h>
#include <stdint.h>
#include "model.h"

enum fault {
	FAULT_NONE, FAULT_RESET, FAULT_RESET_BODY, FAULT_STALL, FAULT_STALL_HEADERS, FAULT_STALL_BODY,
	FAULT_SHORT_BODY, FAULT_TRUNCATE, FAULT_LONG_BODY, FAULT_WRONG_LENGTH, FAULT_NO_LENGTH,
	FAULT_CHUNKED, FAULT_GZIP, FAULT_WRONG_BYTES, FAULT_WRONG_RANGE, FAULT_IGNORE_RANGE,
	FAULT_SLOW_HEADERS, FAULT_LATE_RANGE, FAULT_BARE_NEWLINES, FAULT_ENDLESS_HEADERS,
	FAULT_ENDLESS_INTERIM, FAULT_ENDLESS_TRAILERS,
};

struct rule {
	char path[128], method[8], address[16], has[64], lacks[64];
	char code[48], region[32], location[200], header[200], file[200];
	long skip, count;		/* count: left, -1 without end */
	double prob;
	long from_ms, until_ms;		/* since the rules came; until 0: without end */
	long rps;			/* 0, or: only requests beyond so many a second */
	double tokens;			/* of rps */
	uint64_t tokens_ms;		/* when they were counted */
	long latency_ms, rate, status, retry_after, date;
	long done;			/* a change is made, whatever is answered */
	long blind;			/* to If-None-Match */
	long at;			/* bytes before a fault in the body, -1: half of it */
	enum fault fault;
	struct model model;		/* .kind MODEL_NONE: latency_ms and rate rule */
};

extern const char rule_usage[];

void rules_seed(uint64_t seed);
/* Replaces all rules; text is changed.  On a mistake the old ones stay, and false is returned. */
bool rules_parse(char *text, uint64_t now_ms);
/* The rule for a request with this head that came to address, counted as used; or an empty one. */
struct rule rules_match(const char *method, const char *path, const char *head, const char *address,
			uint64_t now_ms);

#endif
