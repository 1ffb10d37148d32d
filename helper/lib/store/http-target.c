// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a store's configuration means over HTTP: origin, bucket, paths.  Everything that ends up in
 * a request line or a header is checked here against a list of what is allowed.
 */
#include "http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>

#define DEFAULT_REGION "us-east-1"
#define HOST_CHARS "abcdefghijklmnopqrstuvwxyz0123456789.-_"

/* An URL of http or https in pieces; host is lower case, an IPv6 one without its brackets. */
struct pieces {
	bool tls;
	char host[254];
	bool literal, literal6;		/* host is an address; of IPv6 */
	unsigned int port;		/* 0: the default */
	const char *path;		/* into the URL: "" or "/..." */
};

static int parse_url_port(const char *s, size_t len, unsigned int *ret_port)
{
	unsigned int port = 0;

	if (!len || len > 5)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)s[i]))
			return -EINVAL;
		port = port * 10 + s[i] - '0';
	}
	if (!port || port > 65535)
		return -EINVAL;
	*ret_port = port;
	return 0;
}

static int parse_host(const char *s, size_t len, struct pieces *p)
{
	struct in6_addr addr;

	p->literal6 = len > 2 && s[0] == '[' && s[len - 1] == ']';
	if (p->literal6) {
		s++;
		len -= 2;
	}
	if (!len || len >= sizeof(p->host))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		p->host[i] = tolower((unsigned char)s[i]);
	p->host[len] = '\0';
	if (p->literal6)
		return inet_pton(AF_INET6, p->host, &addr) == 1 ? 0 : -EINVAL;
	p->literal = inet_pton(AF_INET, p->host, &addr) == 1;
	return strspn(p->host, HOST_CHARS) == len && p->host[0] != '.' && p->host[0] != '-' ?
	       0 : -EINVAL;
}

static int parse_url(const char *url, struct pieces *p)
{
	size_t len, host_len;
	const char *colon;

	*p = (struct pieces){ .port = 0 };
	if (!strncmp(url, "https://", 8))
		p->tls = true;
	else if (strncmp(url, "http://", 7))
		return -EINVAL;
	url += p->tls ? 8 : 7;
	/* A user, query or fragment has characters that no host, port or path of ours may have. */
	len = strcspn(url, "/");
	p->path = url + len;
	colon = memrchr(url, ':', len);
	if (colon && url[len - 1] == ']')
		colon = NULL; /* in an IPv6 address without a port */
	host_len = colon ? (size_t)(colon - url) : len;
	if (colon && parse_url_port(colon + 1, len - host_len - 1, &p->port))
		return -EINVAL;
	if (p->port == (p->tls ? 443 : 80))
		p->port = 0;
	return parse_host(url, host_len, p);
}

static int percent_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	c = tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * A path of a URL, decoded, as a prefix: "" or "/a/b", without slashes at the end.  -EINVAL if it
 * holds what could not be an object's name; S3's may have empty components.
 */
static int parse_prefix(const char *path, bool s3, char **ret_prefix)
{
	size_t len = strlen(path), n = 0;
	char *prefix;

	if (strpbrk(path, "?#"))
		return -EINVAL;
	while (len && path[len - 1] == '/')
		len--;
	prefix = malloc(len + 1);
	if (!prefix)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		int high, low;

		if (path[i] != '%') {
			prefix[n++] = path[i];
			continue;
		}
		if (i + 2 >= len)
			goto bad;
		high = percent_digit(path[i + 1]);
		low = percent_digit(path[i + 2]);
		if (high < 0 || low < 0)
			goto bad;
		prefix[n++] = high << 4 | low;
		i += 2;
	}
	prefix[n] = '\0';
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)prefix[i] < ' ' || prefix[i] == 127)
			goto bad;
	if ((!s3 && strstr(prefix, "//")) || strstr(prefix, "/../") || strstr(prefix, "/./") ||
	    (n >= 3 && !strcmp(prefix + n - 3, "/..")) || (n >= 2 && !strcmp(prefix + n - 2, "/.")))
		goto bad;
	*ret_prefix = prefix;
	return 0;
bad:
	free(prefix);
	return -EINVAL;
}

/* Caches in the rack speak HTTP: what has no TLS never goes through a proxy. */
static int set_way(struct cc_http_target *t, const struct pieces *p, const char *host, char *err, size_t errlen)
{
	if (p->tls && cc_proxy_find(host, p->port ? p->port : 443, &t->proxy, err, errlen))
		return -EINVAL;
	t->resolver = cc_resolver_new(*t->proxy.host ? t->proxy.host : host);
	if (t->resolver)
		return 0;
	snprintf(err, errlen, "out of memory");
	return -ENOMEM;
}

/* bucket: NULL, or to be put before the host. */
static int set_origin(struct cc_http_target *t, const struct pieces *p, const char *bucket, char *err, size_t errlen)
{
	char host[sizeof(p->host) + 70], port[12] = "";

	snprintf(host, sizeof(host), "%s%s%s%s%s", bucket ? bucket : "", bucket ? "." : "",
		 p->literal6 ? "[" : "", p->host, p->literal6 ? "]" : "");
	if (p->port)
		snprintf(port, sizeof(port), ":%u", p->port);
	if (asprintf(&t->origin, "http%s://%s%s", p->tls ? "s" : "", host, port) < 0) {
		t->origin = NULL;
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	t->authority = strstr(t->origin, "://") + 3;
	return set_way(t, p, bucket ? host : p->host, err, errlen);
}

static int init_plain(struct cc_http_target *t, char *err, size_t errlen)
{
	struct pieces p;
	int r;

	r = parse_url(t->config->url, &p);
	if (!r)
		r = parse_prefix(p.path, false, &t->prefix);
	if (r == -EINVAL) {
		snprintf(err, errlen, "url: expected http[s]://host[:port][/prefix] without user, "
			 "query or fragment, not \"%s\"", t->config->url);
		return -EINVAL;
	}
	if (!r)
		t->base = strdup("");
	if (r || !t->base) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	return set_origin(t, &p, NULL, err, errlen);
}

static bool bucket_ok(const char *s, size_t len)
{
	return len >= 3 && len <= 63 && strspn(s, HOST_CHARS) >= len && isalnum((unsigned char)s[0]) &&
	       isalnum((unsigned char)s[len - 1]);
}

static int parse_s3_url(struct cc_http_target *t, char *err, size_t errlen)
{
	const char *bucket = t->config->url + strlen("s3://");
	size_t len = strcspn(bucket, "/");
	int r;

	r = bucket_ok(bucket, len) ? parse_prefix(bucket + len, true, &t->prefix) : -EINVAL;
	if (r == -EINVAL) {
		snprintf(err, errlen, "url: expected s3://bucket[/prefix], a bucket's name being 3 to 63 "
			 "of a-z 0-9 . _ -, not \"%s\"", t->config->url);
		return r;
	}
	t->bucket = r ? NULL : strndup(bucket, len);
	if (!t->bucket) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	return 0;
}

/* A gateway has S3 below a path of its own, perhaps: that is *ret_path, decoded. */
static int parse_endpoint(struct cc_http_target *t, struct pieces *p, char **ret_path, char *err, size_t errlen)
{
	const char *endpoint = t->config->endpoint;
	char aws[128];
	int r;

	if (!*t->region || strlen(t->region) > 63 || strspn(t->region, HOST_CHARS) != strlen(t->region)) {
		snprintf(err, errlen, "%s: expected 1 to 63 of a-z 0-9 . _ -, not \"%s\"",
			 t->config->region_from ? t->config->region_from : "region", t->region);
		return -EINVAL;
	}
	if (!endpoint) {
		snprintf(aws, sizeof(aws), "https://s3.%s.amazonaws.com", t->region);
		endpoint = aws;
	}
	r = parse_url(endpoint, p);
	if (!r)
		r = parse_prefix(p->path, false, ret_path);
	if (r == -EINVAL)
		snprintf(err, errlen, "%s: expected http[s]://host[:port][/path] without user, query or "
			 "fragment, not \"%s\"", t->config->endpoint_from ? t->config->endpoint_from : "endpoint",
			 endpoint);
	else if (r)
		snprintf(err, errlen, "out of memory");
	if (r)
		return r;
	if (t->config->path_style)
		return 0;
	if (p->literal || p->literal6) {
		snprintf(err, errlen, "style: expected path, as the endpoint \"%s\" is an address",
			 endpoint);
		return -EINVAL;
	}
	if (p->tls && strchr(t->bucket, '.')) {
		snprintf(err, errlen, "style: expected path, as no certificate covers bucket \"%s\" with "
			 "its dots", t->bucket);
		return -EINVAL;
	}
	return 0;
}

static bool is_one_word(const char *s)
{
	for (; *s > ' ' && *s <= '~'; s++)
		;
	return !*s;
}

/* What goes into the headers of a write. */
static int check_write_keys(const struct cc_store_config *c, char *err, size_t errlen)
{
	static const char class_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
	const char *class = c->storage_class;

	if (c->sse && strcmp(c->sse, "AES256") && strcmp(c->sse, "aws:kms") && strcmp(c->sse, "aws:kms:dsse"))
		snprintf(err, errlen, "sse: expected AES256, aws:kms or aws:kms:dsse, not \"%s\"", c->sse);
	else if (c->sse_kms_key_id && (!c->sse || !strcmp(c->sse, "AES256")))
		snprintf(err, errlen, "sse_kms_key_id: expected sse = aws:kms or aws:kms:dsse beside it");
	else if (c->sse_kms_key_id && (!*c->sse_kms_key_id || !is_one_word(c->sse_kms_key_id)))
		snprintf(err, errlen, "sse_kms_key_id: expected a key's ID or ARN, not \"%s\"", c->sse_kms_key_id);
	else if (c->sse_bucket_key && (!c->sse || strcmp(c->sse, "aws:kms")))
		snprintf(err, errlen, "sse_bucket_key: expected sse = aws:kms beside it");
	else if (class && (!*class || strspn(class, class_chars) != strlen(class)))
		snprintf(err, errlen, "storage_class: expected a class such as STANDARD_IA, not \"%s\"", class);
	else if (class && (!strcmp(class, "GLACIER") || !strcmp(class, "DEEP_ARCHIVE")))
		snprintf(err, errlen, "storage_class: expected one whose objects can be read at once, not \"%s\"", class);
	else
		return 0;
	return -EINVAL;
}

static int init_s3(struct cc_http_target *t, char *err, size_t errlen)
{
	char *path = NULL;
	struct pieces p;
	int r;

	t->s3 = true;
	if (cc_creds_check(t->config, err, errlen) || check_write_keys(t->config, err, errlen))
		return -EINVAL;
	t->region = t->config->region ? t->config->region : DEFAULT_REGION;
	r = parse_s3_url(t, err, errlen);
	if (!r)
		r = parse_endpoint(t, &p, &path, err, errlen);
	if (!r && asprintf(&t->base, "%s%s%s", path, t->config->path_style ? "/" : "",
			   t->config->path_style ? t->bucket : "") < 0)
		t->base = NULL;
	free(path);
	if (r)
		return r;
	if (!t->config->anonymous)
		t->keyring = cc_keyring_new(t->config);
	if (!t->base || (!t->keyring && !t->config->anonymous)) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	return set_origin(t, &p, t->config->path_style ? NULL : t->bucket, err, errlen);
}

/* Keys that mean nothing for a plain URL are mistakes, not to be passed over. */
static int check_plain_keys(const struct cc_store_config *c, char *err, size_t errlen)
{
	const char *key = c->endpoint ? "endpoint" : c->region ? "region" :
			  c->credentials ? "credentials" :
			  c->credentials_file ? "credentials_file" : c->profile ? "profile" :
			  c->requester_pays ? "requester_pays" :
			  c->sse ? "sse" : c->sse_kms_key_id ? "sse_kms_key_id" :
			  c->sse_bucket_key ? "sse_bucket_key" :
			  c->storage_class ? "storage_class" :
			  c->path_style ? "style" : c->anonymous ? "anonymous" : NULL;

	if (!key)
		return 0;
	snprintf(err, errlen, "%s: expected for s3:// only, but url is \"%s\"", key, c->url);
	return -EINVAL;
}

int cc_http_target_init(struct cc_http_target *t, const struct cc_store_config *c,
			char *err, size_t errlen)
{
	bool s3 = !strncmp(c->url, "s3://", 5);
	int r;

	memset(t, 0, sizeof(*t));
	t->config = c;
	pthread_mutex_init(&t->lock, NULL);
	if (s3)
		r = init_s3(t, err, errlen);
	else
		r = check_plain_keys(c, err, errlen) ? -EINVAL : init_plain(t, err, errlen);
	if (r)
		cc_http_target_destroy(t);
	return r;
}

int cc_http_target_keys(struct cc_http_target *t, uint64_t deadline_ns, struct cc_http_outcome *o)
{
	const struct cc_creds *creds;
	char err[CC_HTTP_REASON_SIZE];
	int r;

	if (!t->keyring)
		return 0;
	if (deadline_ns)
		r = cc_keyring_wait(t->keyring, deadline_ns, &creds, err, sizeof(err));
	else
		r = cc_keyring_get(t->keyring, &creds, err, sizeof(err));
	if (!r)
		cc_keyring_put(t->keyring, creds);
	if (!r || r == -EINPROGRESS)
		return r;
	*o = (struct cc_http_outcome){
		.result = r == -ETIMEDOUT ? CC_STORE_TIMEOUT : CC_STORE_DENIED, .class = CC_RETRY_FATAL,
	};
	snprintf(o->reason, sizeof(o->reason), "%s", err);
	return r;
}

void cc_http_target_destroy(struct cc_http_target *t)
{
	OPENSSL_cleanse(&t->key, sizeof(t->key));
	OPENSSL_cleanse(&t->proxy, sizeof(t->proxy));
	if (t->keyring)
		cc_keyring_put(t->keyring, t->key_creds);
	cc_keyring_free(t->keyring);
	cc_resolver_free(t->resolver);
	free(t->prefix);
	free(t->base);
	free(t->bucket);
	free(t->origin);
	pthread_mutex_destroy(&t->lock);
}
