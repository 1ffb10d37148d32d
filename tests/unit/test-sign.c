// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SigV4: the examples that Amazon's documentation of S3 works through ("Signature Calculations
 * for the Authorization Header"), encoding, key cache, and the same requests as curl signs them.
 */
#include <string.h>
#include <unistd.h>
#include "http-text.h"
#include "httpd.h"
#include "manifest.h"
#include "store/sign.h"
#include "tap.h"

#define UNSIGNED "UNSIGNED-PAYLOAD"

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define EXAMPLE_HOST "examplebucket.s3.amazonaws.com"

/* A request of the documentation, to be completed. */
static struct cc_sign_request example(const char *method, const char *path, const char *hash)
{
	return (struct cc_sign_request){
		.method = method, .path = path, .payload_hash = hash,
		.date = "20130524T000000Z", .region = "us-east-1",
		.access_key = "AKIAIOSFODNN7EXAMPLE",
		.secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		.nr_headers = 3,
		.headers = {
			{ "x-amz-content-sha256", hash },
			{ "x-amz-date", "20130524T000000Z" },
			{ "host", EXAMPLE_HOST },
		},
	};
}

static void add(struct cc_sign_request *r, const char *name, const char *value)
{
	r->headers[r->nr_headers++] = (struct cc_sign_pair){ name, value };
}

static void expect(const char *name, const struct cc_sign_request *r, struct cc_sign_key *key,
		   const char *headers, const char *signature)
{
	char *found = NULL, *wanted;
	int error = cc_sign(r, key, &found);

	if (asprintf(&wanted, "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
		     "aws4_request,SignedHeaders=%s,Signature=%s", headers, signature) < 0)
		exit(1);
	ok(!error && !strcmp(found, wanted), "%s: %s", name,
	   found ? strrchr(found, '=') + 1 : "none");
	free(found);
	free(wanted);
}

static void test_examples(void)
{
	struct cc_sign_key key = { .scope = "" };
	struct cc_sign_request r;
	uint8_t digest[32];
	char hash[65];

	r = example("GET", "/test.txt", EMPTY_HASH);
	add(&r, "range", "bytes=0-9");
	expect("GET Object", &r, &key, "host;range;x-amz-content-sha256;x-amz-date",
	       "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");

	cc_sha256("Welcome to Amazon S3.", 21, digest);
	cc_id_to_hex(digest, hash);
	r = example("PUT", "/test$file.text", hash);
	add(&r, "date", "Fri, 24 May 2013 00:00:00 GMT");
	add(&r, "x-amz-storage-class", "REDUCED_REDUNDANCY");
	expect("PUT Object", &r, &key,
	       "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	       "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");

	r = example("GET", "/", EMPTY_HASH);
	r.nr_params = 1;
	r.params[0] = (struct cc_sign_pair){ "lifecycle", "" };
	expect("GET Bucket Lifecycle", &r, &key, "host;x-amz-content-sha256;x-amz-date",
	       "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");

	r.nr_params = 2;
	r.params[0] = (struct cc_sign_pair){ "prefix", "J" };
	r.params[1] = (struct cc_sign_pair){ "max-keys", "2" };
	expect("List Objects, parameters unsorted", &r, &key, "host;x-amz-content-sha256;x-amz-date",
	       "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void test_key_cache(void)
{
	struct cc_sign_key key = { .scope = "" }, fresh = { .scope = "" };
	struct cc_sign_request r = example("GET", "/x", EMPTY_HASH);
	char *a = NULL, *b = NULL, *c = NULL;

	cc_sign(&r, &key, &a);
	r.region = "eu-west-1";
	cc_sign(&r, &key, &b);
	cc_sign(&r, &fresh, &c);
	ok(a && b && c && strcmp(a, b) && !strcmp(b, c), "another region: another key");
	free(a);
	free(b);
	free(c);
	r.date = "20130525T000000Z";
	cc_sign(&r, &key, &a);
	memset(&fresh, 0, sizeof(fresh));
	cc_sign(&r, &fresh, &b);
	ok(!strcmp(a, b), "another day: another key");
	free(a);
	free(b);
	memset(key.key, 1, sizeof(key.key));
	cc_sign(&r, &key, &a);
	cc_sign(&r, &fresh, &b);
	ok(strcmp(a, b), "the same day and region: the kept key is used");
	free(a);
	free(b);
}

static void test_encoding(void)
{
	static const struct cc_sign_pair params[] = { { "b", "2" }, { "a", "x y/z" }, { "a", "&=" } };
	char *s = cc_http_encode("/a b+c/%d~e-f_g.h\303\244", true);

	ok(!strcmp(s, "/a%20b%2Bc/%25d~e-f_g.h%C3%A4"), "path: %s", s);
	free(s);
	s = cc_http_encode("a/b", false);
	ok(!strcmp(s, "a%2Fb"), "no slash kept: %s", s);
	free(s);
	s = cc_sign_query(params, 3);
	ok(!strcmp(s, "a=%26%3D&a=x%20y%2Fz&b=2"), "query: %s", s);
	free(s);
	s = cc_sign_query(NULL, 0);
	ok(!*s, "empty query");
	free(s);
}

static void test_limits(void)
{
	struct cc_sign_request r = example("GET", "/x", EMPTY_HASH);
	struct cc_sign_key key = { .scope = "" };
	char secret[400], region[100], *found = NULL;

	memset(secret, 's', sizeof(secret));
	secret[399] = '\0';
	r.secret_key = secret;
	ok(cc_sign(&r, &key, &found) && !found, "too long a secret is refused");
	memset(region, 'r', sizeof(region));
	region[99] = '\0';
	r = example("GET", "/x", EMPTY_HASH);
	r.region = region;
	ok(cc_sign(&r, &key, &found) && !found, "too long a region is refused");
	r = example("GET", "/x", EMPTY_HASH);
	r.nr_headers = CC_SIGN_MAX_HEADERS + 1;
	ok(cc_sign(&r, &key, &found) && !found, "too many headers are refused");
}

/* The text between two others in what a command prints; "" if it is not there. */
static void between(const char *text, const char *before, const char *after, char *out, size_t size)
{
	const char *start = strcasestr(text, before), *end;

	*out = '\0';
	if (!start)
		return;
	start += strlen(before);
	end = start + strcspn(start, after);
	snprintf(out, size, "%.*s", (int)(end - start), start);
}

/*
 * curl signs what it sends: its date and headers, signed by us, must give its signature.  It is
 * right as long as the path is encoded, the query sorted and encoded, and no header empty.
 */
static void against_curl(const struct httpd *h, const char *path, const char *encoded,
			 const struct cc_sign_pair *params, unsigned int nr_params,
			 const char *token)
{
	struct cc_sign_key key = { .scope = "" };
	char command[2048], text[16384] = "", date[32], authorization[1024], host[40], *found = NULL;
	char *query = cc_sign_query(params, nr_params);
	struct cc_sign_request r = {
		.method = "GET", .path = path, .payload_hash = UNSIGNED, .date = date,
		.region = "eu-central-1", .access_key = "AKIDEXAMPLE", .secret_key = "secret/key+x",
		.nr_params = nr_params,
	};
	size_t n = 0, got;
	FILE *f;

	snprintf(command, sizeof(command),
		 "curl -sv --noproxy '*' --path-as-is -o /dev/null --aws-sigv4 aws:amz:eu-central-1:s3"
		 " -u AKIDEXAMPLE:secret/key+x -H 'x-amz-content-sha256: " UNSIGNED "' %s%s%s"
		 " 'http://127.0.0.1:%u%s%s%s' 2>&1", token ? "-H 'x-amz-security-token: " : "",
		 token ? token : "", token ? "'" : "", h->port, encoded, *query ? "?" : "", query);
	f = popen(command, "re");
	if (!f)
		httpd_fatal("curl");
	while (n < sizeof(text) - 1 && (got = fread(text + n, 1, sizeof(text) - 1 - n, f)))
		n += got;
	pclose(f);
	between(text, "x-amz-date: ", "\r\n", date, sizeof(date));
	between(text, "Authorization: ", "\r\n", authorization, sizeof(authorization));
	snprintf(host, sizeof(host), "127.0.0.1:%u", h->port);
	for (unsigned int i = 0; i < nr_params; i++)
		r.params[i] = params[i];
	add(&r, "host", host);
	add(&r, "x-amz-content-sha256", UNSIGNED);
	add(&r, "x-amz-date", date);
	if (token)
		add(&r, "x-amz-security-token", token);
	ok(!cc_sign(&r, &key, &found) && strlen(date) == 16 && strstr(authorization, "Signature=") &&
	   !strcmp(strstr(found, "Signature="), strstr(authorization, "Signature=")),
	   "as curl signs it: %s%s%s%s", encoded, *query ? "?" : "", query, token ? " token" : "");
	free(found);
	free(query);
}

static void test_against_curl(void)
{
	static const struct cc_sign_pair list[] = {
		{ "prefix", "a/b c" }, { "list-type", "2" }, { "continuation-token", "1/x+y==" },
	};
	struct httpd h;

	if (system("curl --aws-sigv4 x -V >/dev/null 2>&1")) {
		note("no curl that signs: not compared");
		return;
	}
	httpd_start(&h);
	against_curl(&h, "/bucket/chunks/ab/cd", "/bucket/chunks/ab/cd", NULL, 0, NULL);
	against_curl(&h, "/b/a b+c=d@e(f)", "/b/a%20b%2Bc%3Dd%40e%28f%29", NULL, 0, NULL);
	against_curl(&h, "/b/\303\244", "/b/%C3%A4", NULL, 0, "FwoG/abc+def==");
	against_curl(&h, "/bucket", "/bucket", list, 3, NULL);
	httpd_stop(&h);
}

int main(void)
{
	test_examples();
	test_key_cache();
	test_encoding();
	test_limits();
	test_against_curl();
	return tap_done();
}
