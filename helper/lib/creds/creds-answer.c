// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What services and programs answer when they are asked for keys: JSON, or STS's XML.
 */
#include "creds-impl.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <jansson.h>
#include <openssl/crypto.h>

#include "http-text.h"

int64_t cc_creds_time(const char *text)
{
	struct tm tm = { 0 };
	int hours, minutes;
	char sign;
	time_t t;

	text = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!text)
		return 0;
	if (*text == '.')
		text += 1 + strspn(text + 1, "0123456789");
	t = timegm(&tm);
	if (sscanf(text, "%c%2d:%2d", &sign, &hours, &minutes) == 3 && strchr("+-", sign))
		return t - (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
	return strcmp(text, "Z") ? 0 : t;
}

/* ---- the four texts, whatever they came in ---- */

struct texts {
	const char *access_key, *secret_key, *token, *expires;
};

static int take_texts(const char *what, const struct texts *t, struct cc_creds *ret_creds, char *err,
		      size_t errlen)
{
	if (!t->access_key || !t->secret_key || !*t->access_key || !*t->secret_key) {
		snprintf(err, errlen, "%s: the answer has no access key", what);
		return -EBADMSG;
	}
	if (cc_creds_set(ret_creds->access_key, sizeof(ret_creds->access_key), t->access_key) ||
	    cc_creds_set(ret_creds->secret_key, sizeof(ret_creds->secret_key), t->secret_key) ||
	    cc_creds_set(ret_creds->session_token, sizeof(ret_creds->session_token),
			 t->token ? t->token : "")) {
		snprintf(err, errlen, "%s: keys: expected printable characters without spaces, and fewer",
			 what);
		return -EBADMSG;
	}
	ret_creds->expires = t->expires ? cc_creds_time(t->expires) : 0;
	if (t->expires && !ret_creds->expires) {
		snprintf(err, errlen, "%s: Expiration: expected a time as 2026-01-31T12:00:00Z", what);
		return -EBADMSG;
	}
	return 0;
}

/* ---- JSON ---- */

/* jansson copies what it parses, and keys are not to stay in freed memory. */
static void free_wiped(void *p)
{
	if (p)
		OPENSSL_cleanse(p, malloc_usable_size(p));
	free(p);
}

static void init_json(void)
{
	json_set_alloc_funcs(malloc, free_wiped);
}

static const char *json_text(const json_t *j, const char *name)
{
	return json_string_value(json_object_get(j, name));
}

int cc_creds_from_json(const char *what, const char *text, size_t size, struct cc_creds *ret_creds,
		       char *err, size_t errlen)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const char *code;
	struct texts t;
	json_t *j;
	int r;

	pthread_once(&once, init_json);
	j = json_loadb(text, size, 0, NULL);
	if (!json_is_object(j)) {
		json_decref(j);
		snprintf(err, errlen, "%s: the answer is no JSON object", what);
		return -EBADMSG;
	}
	t = (struct texts){
		json_text(j, "AccessKeyId"), json_text(j, "SecretAccessKey"),
		json_text(j, "SessionToken"), json_text(j, "Expiration"),
	};
	if (!t.token)
		t.token = json_text(j, "Token");
	code = json_text(j, "Code");
	if (code && strcmp(code, "Success")) {
		char word[64];

		cc_http_copy_text(word, sizeof(word), code, strlen(code));
		snprintf(err, errlen, "%s: it answers %s", what, word);
		r = -EACCES;
	} else {
		r = take_texts(what, &t, ret_creds, err, errlen);
	}
	json_decref(j);
	return r;
}

/* ---- XML ---- */

/* What is not there is empty; 0, or -EBADMSG after a line. */
static int take_field(const char *what, const char *text, size_t size, const char *tag, char *out, size_t room,
		      char *err, size_t errlen)
{
	char open[32];

	snprintf(open, sizeof(open), "<%s>", tag);
	if (cc_http_xml_text(text, size, tag, out, room) || !memmem(text, size, open, strlen(open)))
		return 0;
	snprintf(err, errlen, "%s: %s: expected at most %zu characters", what, tag, room - 1);
	return -EBADMSG;
}

int cc_creds_from_xml(const char *what, const char *text, size_t size, struct cc_creds *ret_creds,
		      char *err, size_t errlen)
{
	struct cc_creds c = { 0 };
	char expires[64] = "";
	struct texts t = { c.access_key, c.secret_key, c.session_token, expires };
	int r;

	r = take_field(what, text, size, "AccessKeyId", c.access_key, sizeof(c.access_key), err, errlen);
	if (!r)
		r = take_field(what, text, size, "SecretAccessKey", c.secret_key, sizeof(c.secret_key), err, errlen);
	if (!r)
		r = take_field(what, text, size, "SessionToken", c.session_token, sizeof(c.session_token), err,
			       errlen);
	if (!r)
		r = take_field(what, text, size, "Expiration", expires, sizeof(expires), err, errlen);
	if (!r)
		r = take_texts(what, &t, ret_creds, err, errlen);
	cc_creds_wipe(&c);
	return r;
}
