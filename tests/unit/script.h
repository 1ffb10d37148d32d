/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gives a cc-httpd new rules. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <curl/curl.h>
#include "httpd.h"

static inline size_t script_ignore(char *data, size_t one, size_t n, void *arg)
{
	return n;
}

/* Rules are separated by newlines; "" behaves.  Starts a new count of requests, too. */
static inline void httpd_script(const struct httpd *h, const char *rules)
{
	CURL *easy = curl_easy_init();
	long status = 0;
	char url[128];

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/.script", h->port);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(rules));
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, rules);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, script_ignore);
	if (curl_easy_perform(easy))
		httpd_fatal("script");
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	if (status != 200)
		httpd_fatal("the rules were refused");
	httpd_mark(h);
}

#endif
