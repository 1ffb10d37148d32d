// SPDX-License-Identifier: GPL-2.0-or-later
/* libcurl's initialisation and what all handles have in common; see curl.h. */
#include "curl.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

static void init_once(void)
{
	unsetenv("SSLKEYLOGFILE"); /* libcurl would write the keys of connections there */
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

void cc_curl_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
}

CURL *cc_curl_new(void)
{
	cc_curl_init();
	return curl_easy_init();
}

#define SET(option, value) (r = r ? r : curl_easy_setopt(easy, option, value))

CURLcode cc_curl_set_safe(CURL *easy, const char *protocols, const char *ca_file)
{
	CURLcode r = CURLE_OK;

	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROTOCOLS_STR, protocols);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (ca_file) {
		SET(CURLOPT_CAINFO, ca_file);
		SET(CURLOPT_CAPATH, NULL);
	}
	return r;
}

#undef SET
void cc_curl_free_headers(struct curl_slist *headers)
{
	for (struct curl_slist *h = headers; h; h = h->next)
		OPENSSL_cleanse(h->data, strlen(h->data));
	curl_slist_free_all(headers);
}
