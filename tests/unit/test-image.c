// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making images in a store: a name that is given while another one gives it, chunks that are there.
 */
#include <stdlib.h>
#include <string.h>

#include "httpd.h"
#include "manifest.h"
#include "script.h"
#include "store/chunk-object.h"
#include "store/image.h"
#include "tap.h"

static struct httpd h;
static char err[300];
static const uint8_t ours[CC_ID_SIZE] = { 1 }, theirs[CC_ID_SIZE] = { 2 };

/* The text of a name in the directory that is the store. */
static void write_name(const char *file, const uint8_t *digest)
{
	char hex[2 * CC_ID_SIZE + 1], text[100];

	cc_id_to_hex(digest, hex);
	snprintf(text, sizeof(text), "sha256:%s\n", hex);
	httpd_put(&h, file, text, strlen(text));
}

static bool means(struct cc_store *s, const char *name, const uint8_t *digest)
{
	return !cc_image_compare_name(s, name, digest, err, sizeof(err));
}

static void test_create(struct cc_store *s, const char *kind)
{
	ok(!cc_store_create(s, "images/c", "1", 1, err, sizeof(err)), "%s: create", kind);
	ok(cc_store_create(s, "images/c", "2", 1, err, sizeof(err)) == CC_STORE_EXISTS,
	   "%s: but once: %s", kind, err);
}

static void test_names(struct cc_store *s, const char *kind)
{
	ok(!cc_image_put_name(s, "n", ours, false, err, sizeof(err)) && means(s, "n", ours),
	   "%s: a new name %s", kind, err);
	ok(!cc_image_put_name(s, "n", ours, false, err, sizeof(err)), "%s: the same again", kind);
	ok(cc_image_put_name(s, "n", theirs, false, err, sizeof(err)) == CC_STORE_EXISTS &&
	   strstr(err, "n: is another image already (sha256:01") && means(s, "n", ours),
	   "%s: another is refused: %s", kind, err);
	ok(!cc_image_put_name(s, "n", theirs, true, err, sizeof(err)) && means(s, "n", theirs),
	   "%s: or replaces it, if it may", kind);
}

/* Their name comes between our look at it and our PUT; the first GET still shows none. */
static void test_race(struct cc_store *s)
{
	write_name("buck/images/race", theirs);
	httpd_script(&h, "path=images/race method=GET count=1 status=404 code=NoSuchKey\n"
		     "path=images/race has=f-none-match status=412 code=PreconditionFailed");
	ok(cc_image_put_name(s, "race", ours, false, err, sizeof(err)) == CC_STORE_EXISTS &&
	   means(s, "race", theirs), "s3: a name that came meanwhile stays: %s", err);
	write_name("buck/images/race", ours);
	httpd_script(&h, "path=images/race method=GET count=1 status=404 code=NoSuchKey\n"
		     "path=images/race method=PUT status=412 code=PreconditionFailed");
	ok(!cc_image_put_name(s, "race", ours, false, err, sizeof(err)),
	   "s3: it is ours, the answer to the first attempt was lost");
	httpd_script(&h, "path=images/busy method=PUT count=1 status=409 code=ConditionalRequestConflict");
	ok(!cc_image_put_name(s, "busy", ours, false, err, sizeof(err)) && means(s, "busy", ours),
	   "s3: a conflict is tried again %s", err);
	httpd_script(&h, "path=images/old has=f-none-match status=501 code=NotImplemented");
	ok(!cc_image_put_name(s, "old", ours, false, err, sizeof(err)) && means(s, "old", ours),
	   "s3: a store without conditions %s", err);
	httpd_script(&h, "");
}

static void test_chunks(struct cc_store *s)
{
	static uint8_t chunk[65536] = { 1 }, back[65536];
	uint8_t id[CC_ID_SIZE];
	struct cc_encoder *e;
	size_t sent = 1;

	cc_sha256(chunk, sizeof(chunk), id);
	if (cc_encoder_new(CC_ENCODING_RAW, 0, sizeof(chunk), &e))
		httpd_fatal("memory");
	ok(!cc_chunk_put(s, e, id, chunk, &sent, err, sizeof(err)) && sent == sizeof(chunk), "a chunk goes up");
	ok(!cc_chunk_put(s, e, id, chunk, &sent, err, sizeof(err)) && !sent, "once");
	ok(!cc_chunk_get(s, id, CC_ENCODING_RAW, back, sizeof(back), err, sizeof(err)) &&
	   !memcmp(back, chunk, sizeof(back)), "and comes back");
	cc_encoder_free(e);
}

static void test_file(void)
{
	struct cc_store_config c;
	struct cc_store *s;
	char url[96];

	snprintf(url, sizeof(url), "file://%s", h.dir);
	cc_store_config_init(&c);
	c.url = url;
	if (cc_store_open(&c, &s, err, sizeof(err)))
		httpd_fatal(err);
	test_create(s, "file");
	test_names(s, "file");
	test_chunks(s);
	cc_store_close(s);
}

static void test_s3(void)
{
	struct cc_store_config c;
	struct cc_store *s;
	char endpoint[64];

	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", h.port);
	setenv("AWS_ACCESS_KEY_ID", "KEY", 1);
	setenv("AWS_SECRET_ACCESS_KEY", "SECRET", 1);
	cc_store_config_init(&c);
	c.url = (char *)"s3://buck";
	c.endpoint = endpoint;
	c.path_style = true;
	if (cc_store_open(&c, &s, err, sizeof(err)))
		httpd_fatal(err);
	test_names(s, "s3");
	test_race(s);
	test_chunks(s);
	cc_store_close(s);
}

int main(void)
{
	httpd_start(&h);
	test_file();
	test_s3();
	httpd_stop(&h);
	return tap_done();
}
