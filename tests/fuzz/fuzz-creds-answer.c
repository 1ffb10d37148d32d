// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What services and programs answer that are asked for keys: as JSON and as XML.  Keys go into headers: those that
 * are taken are printable and have no spaces.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "creds/creds-impl.h"
#include "fuzz.h"

typedef int answer_fn(const char *what, const char *text, size_t size, struct cc_creds *ret_creds, char *err,
		      size_t errlen);

static void check_key(const char *key, size_t size)
{
	fuzz_check(memchr(key, 0, size));
	for (; *key; key++)
		fuzz_check(*key > ' ' && *key <= '~');
}

static void take_answer(answer_fn *fn, const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size), err[200] = "";
	struct cc_creds creds = { 0 };
	int r = fn("service", text, size, &creds, err, sizeof(err));

	if (r) {
		fuzz_check(r == -EBADMSG || r == -EACCES);
		fuzz_check_reason(err);
	} else {
		fuzz_check(*creds.access_key && *creds.secret_key);
		check_key(creds.access_key, sizeof(creds.access_key));
		check_key(creds.secret_key, sizeof(creds.secret_key));
		check_key(creds.session_token, sizeof(creds.session_token));
	}
	cc_creds_wipe(&creds);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	take_answer(cc_creds_from_json, data, size);
	take_answer(cc_creds_from_xml, data, size);
	return 0;
}
