/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of creds.h: its providers, and what they share.
 *
 *	creds.c			who is asked; the environment
 *	creds-profile.c		the files of the AWS tools
 *	creds-web.c		web identity: a token for keys, by STS
 *	creds-metadata.c	services of the machine: container endpoint, IMDSv2
 *	creds-http.c		requests to those services
 *	creds-answer.c		what services and programs answer
 *	creds-settings.c	what the environment and a profile say beside keys
 *	creds-value.c		where keys are put, and what they are read from
 */
#ifndef CC_CREDS_IMPL_H
#define CC_CREDS_IMPL_H

#include "creds.h"

#include <limits.h>
#include <stdbool.h>

/* ---- providers: 0; -ENOENT with a line if they are not set up; another -errno with a line ---- */

typedef int cc_creds_fn(const struct cc_store_config *c, struct cc_creds *ret_creds, char *err,
			size_t errlen);

cc_creds_fn cc_creds_environment, cc_creds_web_environment, cc_creds_profile;
cc_creds_fn cc_creds_container, cc_creds_instance;

/* ---- creds-profile.c ---- */

/* What a profile says beside keys; "" if it does not. */
struct cc_profile_settings {
	char region[64], endpoint[256], ca_bundle[PATH_MAX];
};

/* Those of the store's profile; nothing if it cannot be read, which is for those to tell who want its keys. */
void cc_creds_profile_settings(const struct cc_store_config *c, struct cc_profile_settings *ret_settings);

/* ---- creds-value.c ---- */

/* The environment variable, or NULL if it is not set or empty. */
const char *cc_creds_env(const char *name);
/* Keys go into headers: -EINVAL unless value is printable ASCII without spaces, and fits. */
int cc_creds_set(char *field, size_t size, const char *value);
/* A whole small file, as a token, without the white space at its end.  -errno. */
int cc_creds_read_file(const char *file, char *buf, size_t size);

/* ---- creds-web.c ---- */

/* session: NULL for one of ours. */
int cc_creds_web_identity(const struct cc_store_config *c, const char *role, const char *token_file,
			  const char *session, struct cc_creds *ret_creds, char *err, size_t errlen);

/* ---- creds-http.c ---- */

#define CC_CREDS_ANSWER_MAX	(64 << 10)
#define CC_CREDS_MAX_HEADERS	3

struct cc_creds_call {
	const char *what;		/* who is asked, for messages */
	const char *method, *url;
	const char *headers[CC_CREDS_MAX_HEADERS]; /* "Name: value", or NULL */
	const char *body;		/* or NULL */
	const char *ca_file;		/* or NULL: the system's */
	unsigned int timeout_ms;
};

struct cc_creds_answer {
	size_t header_bytes, size;
	char text[CC_CREDS_ANSWER_MAX + 1]; /* ends with NUL */
};

/*
 * One request, without proxy or redirects.  Returns 0 with what came with status 200, to be given to
 * cc_creds_answer_free(); or -EIO (no answer), -EACCES (another status), -ENOMEM, with a line in err.
 */
int cc_creds_ask(const struct cc_creds_call *call, struct cc_creds_answer **ret_answer, char *err,
		 size_t errlen);
/* Wipes it. */
void cc_creds_answer_free(struct cc_creds_answer *answer);

/* ---- creds-answer.c ---- */

/* "2026-01-31T12:00:00Z", or with a fraction or an offset; 0 if it is none. */
int64_t cc_creds_time(const char *text);
/* The JSON of credential_process, container endpoint and IMDS.  Nothing of text is left in other memory. */
int cc_creds_from_json(const char *what, const char *text, size_t size, struct cc_creds *ret_creds,
		       char *err, size_t errlen);
/* The XML of STS. */
int cc_creds_from_xml(const char *what, const char *text, size_t size, struct cc_creds *ret_creds,
		      char *err, size_t errlen);

#endif
