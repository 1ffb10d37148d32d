/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libcurl as all of our requests use it: initialised once, and safe.  A handle is one thread's.
 */
#ifndef CC_CURL_H
#define CC_CURL_H

#include <curl/curl.h>

/* Before any other use of libcurl; any thread, any number of times. */
void cc_curl_init(void);
/* A handle; NULL: no memory. */
CURL *cc_curl_new(void);
/*
 * What holds for every transfer of ours: these protocols ("http,https") only, TLS 1.2 or later, verified
 * against ca_file (NULL: the system's), and nothing that leads elsewhere: no proxy, no redirect.
 */
CURLcode cc_curl_set_safe(CURL *easy, const char *protocols, const char *ca_file);
/* Wipes them: one may be a token. */
void cc_curl_free_headers(struct curl_slist *headers);

#endif
