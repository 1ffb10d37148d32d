// SPDX-License-Identifier: GPL-2.0-or-later
/* The text of metrics; see metrics-text.h. */
#include "metrics-text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define FIRST_SIZE	(64 * 1024)
#define NUMBER_MAX	24		/* 20 digits, a point, "0." and the end */

/* ---- bytes ---- */

static bool make_text_room(struct cc_text *t, size_t len)
{
	size_t size = t->size ? t->size : FIRST_SIZE;
	char *data;

	if (t->failed || t->size - t->len >= len)
		return !t->failed;
	while (size - t->len < len)
		size *= 2;
	data = realloc(t->data, size);
	if (!data) {
		t->failed = true;
		return false;
	}
	t->data = data;
	t->size = size;
	return true;
}

static void put(struct cc_text *t, const char *s, size_t len)
{
	if (!make_text_room(t, len))
		return;
	memcpy(t->data + t->len, s, len);
	t->len += len;
}

static void put_string(struct cc_text *t, const char *s)
{
	put(t, s, strlen(s));
}

/* value / 10^decimals without zeros at the end.  Not printf(): a scrape has 10,000 numbers. */
static void put_number(struct cc_text *t, uint64_t value, unsigned int decimals)
{
	char buf[NUMBER_MAX], *p = buf + sizeof(buf);

	while (decimals && !(value % 10)) {
		value /= 10;
		decimals--;
	}
	for (unsigned int digits = 0; value || digits <= decimals; digits++) {
		if (digits && digits == decimals)
			*--p = '.';
		*--p = (char)('0' + value % 10);
		value /= 10;
	}
	put(t, p, (size_t)(buf + sizeof(buf) - p));
}

/* ---- labels ---- */

/* One character of a value as it is written: ret has room for 5 bytes.  Returns its length. */
static size_t escape(const unsigned char *s, size_t len, char *ret)
{
	static const char hex[] = "0123456789abcdef";

	if (!len) {
		memcpy(ret, "\\\\x", 3);
		ret[3] = hex[*s >> 4];
		ret[4] = hex[*s & 15];
		return 5;
	}
	if (*s == '"' || *s == '\\') {
		ret[0] = '\\';
		ret[1] = (char)*s;
		return 2;
	}
	memcpy(ret, s, len);
	return len;
}

void cc_labels_init(struct cc_labels *l)
{
	l->len = 0;
}

/* The quote at its end always fits. */
void cc_labels_add(struct cc_labels *l, const char *name, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;
	size_t len = strlen(name), n;
	char piece[8];

	if (l->len + len + 4 > sizeof(l->text))
		return;
	if (l->len)
		l->text[l->len++] = ',';
	memcpy(l->text + l->len, name, len);
	l->len += len;
	l->text[l->len++] = '=';
	l->text[l->len++] = '"';
	for (; *s; s += len ? len : 1) {
		len = cc_utf8_shown((const char *)s);
		n = escape(s, len, piece);
		if (l->len + n >= sizeof(l->text))
			break;
		memcpy(l->text + l->len, piece, n);
		l->len += n;
	}
	l->text[l->len++] = '"';
}

/* ---- families and samples ---- */

void cc_text_begin(struct cc_text *t, enum cc_metrics_format format)
{
	memset(t, 0, sizeof(*t));
	t->format = format;
}

int cc_text_end(struct cc_text *t, char **ret_text, size_t *ret_len)
{
	if (t->format == CC_METRICS_OPENMETRICS)
		put_string(t, "# EOF\n");
	if (t->failed || !t->len) {
		free(t->data);
		return -ENOMEM;
	}
	*ret_text = t->data;
	*ret_len = t->len;
	return 0;
}

static const char *type_name(enum cc_metric_type type, enum cc_metrics_format format)
{
	switch (type) {
	case CC_COUNTER:
		return "counter";
	case CC_HISTOGRAM:
		return "histogram";
	case CC_INFO:
		return format == CC_METRICS_OPENMETRICS ? "info" : "gauge";
	case CC_GAUGE:
		break;
	}
	return "gauge";
}

static const char *unit_of(const char *name)
{
	static const char *const units[] = { "bytes", "ratio", "seconds" };
	const char *last = strrchr(name, '_');

	for (size_t i = 0; last && i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(last + 1, units[i]))
			return units[i];
	return NULL;
}

/* "# HELP name what" */
static void put_comment(struct cc_text *t, const char *keyword, const char *what)
{
	put_string(t, "# ");
	put_string(t, keyword);
	put_string(t, t->name);
	/* In the older format a family is called as its samples are. */
	if (t->format == CC_METRICS_PROMETHEUS)
		put_string(t, t->suffix);
	put_string(t, " ");
	put_string(t, what);
	put_string(t, "\n");
}

void cc_text_family(struct cc_text *t, const struct cc_metric *m)
{
	const char *unit = unit_of(m->name);

	t->name = m->name;
	t->suffix = m->type == CC_COUNTER ? "_total" : m->type == CC_INFO ? "_info" : "";
	put_comment(t, "HELP ", m->help);
	put_comment(t, "TYPE ", type_name(m->type, t->format));
	if (unit && t->format == CC_METRICS_OPENMETRICS)
		put_comment(t, "UNIT ", unit);
}

/* Up to the blank before the value. */
static void put_head(struct cc_text *t, const char *suffix, const struct cc_labels *l, const char *more)
{
	put_string(t, t->name);
	put_string(t, suffix);
	put(t, "{", 1);
	put(t, l->text, l->len);
	if (more) {
		put(t, ",", l->len != 0);
		put_string(t, more);
	}
	put(t, "} ", 2);
}

void cc_text_sample(struct cc_text *t, const struct cc_labels *l, const char *more, uint64_t value,
		    unsigned int decimals)
{
	put_head(t, t->suffix, l, more);
	put_number(t, value, decimals);
	put(t, "\n", 1);
}

/* The bucket's bound is its last label. */
static void put_bucket(struct cc_text *t, const struct cc_labels *l, const char *more,
		       const uint64_t *bound_us, uint64_t count)
{
	put_head(t, "_bucket", l, more);
	t->len -= t->failed ? 0 : 2;
	put_string(t, ",le=\"");
	if (bound_us)
		put_number(t, *bound_us, 6);
	else
		put_string(t, "+Inf");
	put_string(t, "\"} ");
	put_number(t, count, 0);
	put(t, "\n", 1);
}

void cc_text_histogram(struct cc_text *t, const struct cc_labels *l, const char *more,
		       const struct cc_buckets *b)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i <= b->nr; i++) {
		count += b->count[i];
		put_bucket(t, l, more, i < b->nr ? &b->bound_us[i] : NULL, count);
	}
	put_head(t, "_sum", l, more);
	put_number(t, b->sum_us, 6);
	put(t, "\n", 1);
	put_head(t, "_count", l, more);
	put_number(t, count, 0);
	put(t, "\n", 1);
}

void cc_text_one(struct cc_text *t, const struct cc_labels *l, const struct cc_metric *m,
		 uint64_t value, unsigned int decimals)
{
	cc_text_family(t, m);
	cc_text_sample(t, l, NULL, value, decimals);
}

const char *cc_text_label(const char *label, const char *name)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s=\"%s\"", label, name);
	for (char *p = text; *p; p++)
		if (*p == ' ' || *p == '-')
			*p = '_';
	return text;
}
