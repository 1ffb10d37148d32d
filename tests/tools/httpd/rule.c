// SPDX-License-Identifier: GPL-2.0-or-later
/* cc-httpd's rules; see rule.h. */
#include "rule.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RULES 64

const char rule_usage[] =
"A rule is a line of words; the first one that matches and is not used up counts:\n"
"  path=TEXT       the path has TEXT in it             method=NAME\n"
"  address=A       the request came to that address     has=TEXT  its head has TEXT in it\n"
"  lacks=TEXT      its head has not\n"
"  skip=N          not for the first N matches         count=N  for N matches only\n"
"  prob=P          with probability P, 0 to 1\n"
"  from=MS until=MS  only so long after the rules came\n"
"  rps=N           only for requests beyond N a second\n"
"  latency=MS      wait before answering               rate=N   body bytes per second\n"
"  model=s3|express  draw both (a GET's first byte and rate), by --seed, object and count\n"
"    factor=F      times so much                       correlation=P  a second GET for an object\n"
"                  whose first is not answered is of the same kind with probability P\n"
"  status=N        answer so                           code=S3CODE, region=R  in an XML body (with\n"
"                  status=200, too)\n"
"  done=1          a PUT or DELETE is done, whatever is answered\n"
"  blind=1         as a store that does not know If-None-Match\n"
"  retry-after=S   location=URL                        header=NAME:VALUE\n"
"  date=S          the clock is so many seconds off    file=PATH  body of the answer\n"
"  fault=          reset (before an answer), reset-body, stall (no answer), stall-headers (answer\n"
"                  line only), stall-body, short-body (closes early), truncate, long-body,\n"
"                  wrong-length (Content-Length too large), no-length, chunked, gzip (says so),\n"
"                  wrong-bytes, wrong-range (206), ignore-range (200), slow-headers (a byte each\n"
"                  50 ms), late-range (206: of a chunked body, in its trailer), bare-newlines\n"
"                  (at the ends of header lines), endless-headers, endless-interim (answers of 103),\n"
"                  endless-trailers\n"
"    at=N          bytes of the body before it, not half of them\n";

static const char *const fault_names[] = {
	"none", "reset", "reset-body", "stall", "stall-headers", "stall-body", "short-body", "truncate",
	"long-body", "wrong-length", "no-length", "chunked", "gzip", "wrong-bytes", "wrong-range",
	"ignore-range", "slow-headers", "late-range", "bare-newlines", "endless-headers",
	"endless-interim", "endless-trailers",
};

static struct rule rules[MAX_RULES];
static unsigned int nr_rules;
static uint64_t start_ms;
static uint64_t random_state = 1;

void rules_seed(uint64_t seed)
{
	random_state = seed * 2 + 1;
}

/* xorshift64*: the same seed gives the same faults everywhere. */
static double next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return ((random_state * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

/* ---- words ---- */

static bool parse_fault(struct rule *r, const char *value)
{
	for (size_t i = 0; i < sizeof(fault_names) / sizeof(fault_names[0]); i++) {
		if (strcmp(fault_names[i], value))
			continue;
		r->fault = i;
		return true;
	}
	return false;
}

enum word_type { WORD_TEXT, WORD_LONG, WORD_DOUBLE };

static const struct word {
	const char *name;
	enum word_type type;
	size_t offset, size;
} words[] = {
#define WORD(name, type, field) \
	{ name, type, offsetof(struct rule, field), sizeof(((struct rule *)0)->field) }
	WORD("path", WORD_TEXT, path), WORD("method", WORD_TEXT, method),
	WORD("address", WORD_TEXT, address), WORD("has", WORD_TEXT, has), WORD("lacks", WORD_TEXT, lacks),
	WORD("code", WORD_TEXT, code),
	WORD("region", WORD_TEXT, region), WORD("location", WORD_TEXT, location),
	WORD("header", WORD_TEXT, header), WORD("file", WORD_TEXT, file),
	WORD("skip", WORD_LONG, skip), WORD("count", WORD_LONG, count),
	WORD("from", WORD_LONG, from_ms), WORD("until", WORD_LONG, until_ms),
	WORD("rps", WORD_LONG, rps), WORD("latency", WORD_LONG, latency_ms),
	WORD("rate", WORD_LONG, rate), WORD("status", WORD_LONG, status),
	WORD("retry-after", WORD_LONG, retry_after), WORD("date", WORD_LONG, date),
	WORD("done", WORD_LONG, done), WORD("blind", WORD_LONG, blind),
	WORD("at", WORD_LONG, at), WORD("prob", WORD_DOUBLE, prob),
	WORD("factor", WORD_DOUBLE, model.factor),
	WORD("correlation", WORD_DOUBLE, model.correlation),
#undef WORD
};

static bool set_word(struct rule *r, const struct word *w, const char *value)
{
	void *field = (char *)r + w->offset;

	switch (w->type) {
	case WORD_TEXT:
		return snprintf(field, w->size, "%s", value) < (int)w->size;
	case WORD_LONG:
		return sscanf(value, "%ld", (long *)field) == 1;
	default:
		return sscanf(value, "%lf", (double *)field) == 1;
	}
}

static bool parse_word(struct rule *r, const char *text)
{
	const char *value = strchr(text, '=');
	size_t len;

	if (!value)
		return false;
	len = value++ - text;
	if (len == 5 && !strncmp(text, "fault", 5))
		return parse_fault(r, value);
	if (len == 5 && !strncmp(text, "model", 5))
		return model_by_name(value, &r->model.kind);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i].name) == len && !strncmp(text, words[i].name, len))
			return set_word(r, &words[i], value);
	return false;
}

static bool parse_rule(char *line, struct rule *r)
{
	char *word, *save;

	*r = (struct rule){ .count = -1, .prob = 1, .retry_after = -1, .at = -1,
			    .model = { .factor = 1 } };
	for (word = strtok_r(line, " \t\r", &save); word; word = strtok_r(NULL, " \t\r", &save)) {
		if (parse_word(r, word))
			continue;
		fprintf(stderr, "cc-httpd: rule: unknown word \"%s\"\n", word);
		return false;
	}
	r->tokens = r->rps;
	return true;
}

bool rules_parse(char *text, uint64_t now_ms)
{
	static struct rule new_rules[MAX_RULES];
	unsigned int n = 0;
	char *line, *save;

	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t\r");
		if (!*line || *line == '#')
			continue;
		if (n == MAX_RULES || !parse_rule(line, &new_rules[n]))
			return false;
		new_rules[n++].tokens_ms = now_ms;
	}
	memcpy(rules, new_rules, n * sizeof(rules[0]));
	nr_rules = n;
	start_ms = now_ms;
	return true;
}

/* ---- matching ---- */

/* A bucket of one second's requests; true if it is empty. */
static bool over_rate(struct rule *r, uint64_t now_ms)
{
	r->tokens += (now_ms - r->tokens_ms) * r->rps / 1000.0;
	r->tokens_ms = now_ms;
	if (r->tokens > r->rps)
		r->tokens = r->rps;
	if (r->tokens < 1)
		return true;
	r->tokens -= 1;
	return false;
}

static bool matches(struct rule *r, const char *method, const char *path, const char *head,
		    const char *address, uint64_t now_ms)
{
	long age = now_ms - start_ms;

	if ((*r->path && !strstr(path, r->path)) || (*r->method && strcmp(r->method, method)) ||
	    (*r->address && strcmp(r->address, address)) || (*r->has && !strstr(head, r->has)) ||
	    (*r->lacks && strstr(head, r->lacks)))
		return false;
	if (age < r->from_ms || (r->until_ms && age >= r->until_ms) || !r->count)
		return false;
	if (r->skip > 0) {
		r->skip--;
		return false;
	}
	if (r->rps && !over_rate(r, now_ms))
		return false;
	return r->prob >= 1 || next_random() < r->prob;
}

struct rule rules_match(const char *method, const char *path, const char *head, const char *address,
			uint64_t now_ms)
{
	for (unsigned int i = 0; i < nr_rules; i++) {
		struct rule *r = &rules[i];

		if (!matches(r, method, path, head, address, now_ms))
			continue;
		if (r->count > 0)
			r->count--;
		return *r;
	}
	return (struct rule){ .retry_after = -1, .at = -1 };
}
