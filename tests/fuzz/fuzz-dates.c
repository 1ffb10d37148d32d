// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Dates, times and ranges of HTTP.  A range that is taken is one of an object that can be, and is the text again,
 * but for zeros in front of numbers; a time that is taken says the same when it is written in the usual form.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "creds/creds-impl.h"
#include "fuzz.h"
#include "store/http.h"

static void check_range(const char *text, size_t size)
{
	struct cc_http_answer a = { .range_total = 0 };
	char again[100];

	if (!cc_http_parse_range(text, size, &a)) {
		fuzz_check(!a.range_total && !a.range_from && !a.range_to);
		return;
	}
	fuzz_check(a.range_from <= a.range_to && a.range_to < a.range_total);
	snprintf(again, sizeof(again), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, a.range_from, a.range_to, a.range_total);
	fuzz_check(strlen(again) <= size);
	for (size_t i = 0; i < size; i++)
		fuzz_check(text[i] && strchr("bytes 0123456789-/", text[i]));
}

static void print_time(const char *form, int64_t t, char *buf, size_t size)
{
	time_t seconds = t;
	struct tm tm;

	fuzz_check(gmtime_r(&seconds, &tm));
	strftime(buf, size, form, &tm);
}

static void check_dates(const char *text)
{
	int64_t http = cc_http_parse_date(text), creds = cc_creds_time(text);
	char again[100];

	if (http >= 0) {
		print_time("%a, %d %b %Y %H:%M:%S GMT", http, again, sizeof(again));
		fuzz_check(cc_http_parse_date(again) == http);
	}
	if (creds) {
		print_time("%Y-%m-%dT%H:%M:%SZ", creds, again, sizeof(again));
		fuzz_check(creds < 0 || creds > 253402300799 || cc_creds_time(again) == creds);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *range = fuzz_copy(data, size);

	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	check_range(range, size);
	check_dates(text);
	free(range);
	free(text);
	return 0;
}
