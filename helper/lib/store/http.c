// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * HTTP transfers: builds and signs a request, takes its answer in within limits, watches its
 * timers.  libcurl carries bytes and nothing else: no redirects, proxies, decoding, resolving,
 * signing.
 */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <netinet/in.h>
#include <openssl/crypto.h>
#include <sys/socket.h>

#include "chunkcache/format.h"
#include "manifest.h"
#include "thread.h"

#define ERROR_TEXT_MAX	(64 << 10)
#define EMPTY_HASH	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define LIST_PAGE	"1000"

static void outcome(struct cc_http_outcome *o, enum cc_store_result result,
		    enum cc_retry_class class, const char *reason)
{
	o->result = result;
	o->class = class;
	o->retry_after_ms = 0;
	snprintf(o->reason, sizeof(o->reason), "%s", reason);
}

/* ---- the request ---- */

static const char *method_name(enum cc_http_method m)
{
	switch (m) {
	case CC_HTTP_HEAD:
		return "HEAD";
	case CC_HTTP_PUT:
		return "PUT";
	case CC_HTTP_DELETE:
		return "DELETE";
	default:
		return "GET";
	}
}

/* The raw path, and for a LIST the parameters; key is the prefix of keys, to be freed. */
static int make_path(const struct cc_http_target *t, const struct cc_http_request *req,
		     struct cc_sign_request *s, char **ret_path, char **ret_key)
{
	char *path = NULL, *key = NULL;

	if (asprintf(&key, "%s/%s", t->prefix, req->name) < 0)
		return -ENOMEM;
	if (asprintf(&path, "%s%s", t->base, req->method == CC_HTTP_LIST ?
		     (*t->base ? "" : "/") : key) < 0) {
		free(key);
		return -ENOMEM;
	}
	if (req->method == CC_HTTP_LIST) {
		s->params[s->nr_params++] = (struct cc_sign_pair){ "list-type", "2" };
		s->params[s->nr_params++] = (struct cc_sign_pair){ "max-keys", LIST_PAGE };
		s->params[s->nr_params++] = (struct cc_sign_pair){ "prefix", key + 1 };
		if (req->token)
			s->params[s->nr_params++] =
				(struct cc_sign_pair){ "continuation-token", req->token };
	}
	s->path = path;
	*ret_path = path;
	*ret_key = key;
	return 0;
}

static int make_url(struct cc_http_xfer *x, const struct cc_sign_request *s)
{
	char *path = cc_sign_encode(s->path, 1);
	char *query = cc_sign_query(s->params, s->nr_params);
	int r = -ENOMEM;

	if (path && query) {
		if (asprintf(&x->url, "%s%s%s%s", x->target->origin, path, *query ? "?" : "",
			     query) < 0)
			x->url = NULL;
		else
			r = 0;
	}
	free(path);
	free(query);
	return r;
}

static int add_header(struct cc_http_xfer *x, const char *name, const char *value)
{
	struct curl_slist *list;
	char *line;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return -ENOMEM;
	list = curl_slist_append(x->headers, line);
	OPENSSL_cleanse(line, strlen(line));
	free(line);
	if (!list)
		return -ENOMEM;
	x->headers = list;
	return 0;
}

static void sign_header(struct cc_sign_request *s, const char *name, const char *value)
{
	s->headers[s->nr_headers++] = (struct cc_sign_pair){ name, value };
}

/* The derived key is kept for as long as the credentials are the same; cc_sign() looks at the day. */
static int authorize(struct cc_http_target *t, const struct cc_creds *creds,
		     const struct cc_sign_request *s, char **ret_authorization)
{
	const struct cc_creds *old = NULL;
	int r;

	pthread_mutex_lock(&t->lock);
	if (t->key_creds != creds) {
		old = t->key_creds;
		t->key_creds = cc_keyring_hold(t->keyring, creds);
		t->key.scope[0] = '\0';
	}
	r = cc_sign(s, &t->key, ret_authorization);
	pthread_mutex_unlock(&t->lock);
	cc_keyring_put(t->keyring, old);
	return r;
}

/* Signs, and gives the headers that were signed to curl; it sends host by itself. */
static int sign(struct cc_http_xfer *x, struct cc_sign_request *s, struct cc_http_outcome *o)
{
	struct cc_http_target *t = x->target;
	char *authorization = NULL, err[CC_HTTP_REASON_SIZE];
	int r;

	r = cc_keyring_get(t->keyring, &x->creds, err, sizeof(err));
	if (r == -EINPROGRESS)
		outcome(o, CC_STORE_DENIED, CC_RETRY_TRANSIENT, "credentials are being renewed");
	else if (r)
		outcome(o, CC_STORE_DENIED, CC_RETRY_FATAL, err);
	if (r)
		return r;
	if (x->creds->session_token[0])
		sign_header(s, "x-amz-security-token", x->creds->session_token);
	if (t->config->requester_pays)
		sign_header(s, "x-amz-request-payer", "requester");
	s->access_key = x->creds->access_key;
	s->secret_key = x->creds->secret_key;
	r = authorize(t, x->creds, s, &authorization);
	for (unsigned int i = 1; !r && i < s->nr_headers; i++)
		r = add_header(x, s->headers[i].name, s->headers[i].value);
	if (!r)
		r = add_header(x, "Authorization", authorization);
	free(authorization);
	if (r)
		outcome(o, CC_STORE_ERROR, CC_RETRY_FATAL, "cannot sign the request");
	return r;
}

/* The store's word, if it has given one, counts more than the configuration and our clock. */
static void get_told(struct cc_http_target *t, char region[64], char date[CC_SIGN_DATE_SIZE])
{
	pthread_mutex_lock(&t->lock);
	snprintf(region, 64, "%s", t->told_region[0] ? t->told_region : t->region);
	cc_sign_date(time(NULL) + t->clock_offset, date);
	pthread_mutex_unlock(&t->lock);
}

/* A range is not signed. */
static int add_get_headers(struct cc_http_xfer *x)
{
	const char *bucket = x->target->config->cachey_bucket;
	char range[64];
	int r = 0;

	if (bucket) {
		/* It wants a range with an end, and takes one beyond the object's. */
		snprintf(range, sizeof(range), "bytes=%zu-%zu", x->req.from, x->req.max - 1);
		r = add_header(x, "C0-Bucket", bucket);
	} else if (x->req.from) {
		snprintf(range, sizeof(range), "bytes=%zu-", x->req.from);
	}
	if (!r && (bucket || x->req.from))
		r = add_header(x, "Range", range);
	if (!r && x->req.only_if_cached)
		r = add_header(x, "Cache-Control", "only-if-cached");
	return r;
}

static int make_request(struct cc_http_xfer *x, struct cc_http_outcome *o)
{
	char date[CC_SIGN_DATE_SIZE], region[64], hash[2 * CC_ID_SIZE + 1] = EMPTY_HASH;
	char *path = NULL, *key = NULL;
	struct cc_sign_request s = {
		.method = method_name(x->req.method),
		.payload_hash = hash,
		.date = date,
		.region = region,
	};
	int r;

	outcome(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT, "out of memory");
	r = make_path(x->target, &x->req, &s, &path, &key);
	if (!r)
		r = make_url(x, &s);
	if (!r && x->target->keyring) {
		get_told(x->target, region, date);
		if (x->req.method == CC_HTTP_PUT) {
			uint8_t digest[CC_ID_SIZE];

			cc_sha256(x->req.data, x->req.size, digest);
			cc_id_to_hex(digest, hash);
		}
		sign_header(&s, "host", x->target->authority);
		sign_header(&s, "x-amz-content-sha256", hash);
		sign_header(&s, "x-amz-date", date);
		r = sign(x, &s, o);
	}
	if (!r && x->req.method == CC_HTTP_GET && !x->req.grow)
		r = add_get_headers(x);
	/* Waiting for "100 Continue" costs a round trip, or a second if the server has none. */
	if (!r && x->req.method == CC_HTTP_PUT)
		r = add_header(x, "Expect", "") ? -ENOMEM : 0;
	free(path);
	free(key);
	return r;
}

/* ---- what curl calls ---- */

/* From the place asked for to the end: nothing else is of use. */
static bool is_wanted_range(const struct cc_http_xfer *x)
{
	const struct cc_http_answer *a = &x->answer;

	if (!x->req.from && !x->target->config->cachey_bucket)
		return false;
	return a->range_total && a->range_from == x->req.from && a->range_to == a->range_total - 1 &&
	       (!x->have_length || x->length == a->range_total - a->range_from);
}

uint64_t cc_http_xfer_object_size(const struct cc_http_xfer *x)
{
	if (x->answer.status == 206)
		return x->answer.range_total;
	return x->answer.status == 200 && x->have_length ? x->length : 0;
}

static bool is_success(const struct cc_http_xfer *x)
{
	long status = x->answer.status;

	switch (x->req.method) {
	case CC_HTTP_PUT:
		return status == 200 || status == 201 || status == 204;
	case CC_HTTP_DELETE:
		return status == 200 || status == 202 || status == 204;
	case CC_HTTP_GET:
		return status == 200 || (status == 206 && is_wanted_range(x));
	default:
		return status == 200;
	}
}

static int on_request(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
	struct cc_http_xfer *x = arg;

	x->sent_ns = x->last_ns = cc_now_ns();
	return CURL_PREREQFUNC_OK;
}

static bool is_link_local(const struct sockaddr *sa)
{
	const struct in6_addr *a6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;

	if (sa->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 16 == (169 << 8 | 254);
	return IN6_IS_ADDR_LINKLOCAL(a6) ||
	       (IN6_IS_ADDR_V4MAPPED(a6) && a6->s6_addr[12] == 169 && a6->s6_addr[13] == 254) ||
	       !memcmp(a6->s6_addr, "\xfd\x00\x0e\xc2", 4);
}

/*
 * Clouds have the services that give out keys at such addresses (fd00:ec2::/32 is one, too).  A name
 * that leads there is not to have signed requests sent to them.
 */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct cc_http_xfer *x = arg;

	if (is_link_local(&a->addr)) {
		x->stop = CC_HTTP_STOP_ADDRESS;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* Room for n more bytes of body; false: stop. */
static bool make_room(struct cc_http_xfer *x, size_t n)
{
	size_t room = x->body_room ? x->body_room : 64 << 10;
	uint8_t *body;

	if (n > x->req.max - x->body_size) {
		x->stop = CC_HTTP_STOP_TOOBIG;
		return false;
	}
	if (!x->req.grow || x->body_size + n <= x->body_room)
		return true;
	while (room < x->body_size + n)
		room *= 2;
	body = realloc(x->body, room);
	if (!body) {
		x->stop = CC_HTTP_STOP_MEMORY;
		return false;
	}
	x->body = body;
	x->body_room = room;
	return true;
}

static size_t take_error_text(struct cc_http_xfer *x, const char *data, size_t n)
{
	if (!x->error_text)
		x->error_text = malloc(ERROR_TEXT_MAX);
	if (!x->error_text || n > ERROR_TEXT_MAX - x->error_size) {
		x->stop = CC_HTTP_STOP_ENOUGH;
		return 0;
	}
	memcpy(x->error_text + x->error_size, data, n);
	x->error_size += n;
	return n;
}

static size_t on_body(char *data, size_t one, size_t n, void *arg)
{
	struct cc_http_xfer *x = arg;

	x->last_ns = cc_now_ns();
	x->received += n;
	if (!is_success(x))
		return take_error_text(x, data, n);
	if (x->req.method != CC_HTTP_GET && x->req.method != CC_HTTP_LIST)
		return n;
	if (!make_room(x, n))
		return 0;
	if (!x->discard)
		memcpy(x->body + x->body_size, data, n);
	x->body_size += n;
	x->pieces++;
	return n;
}

/* If the line is this header, its value. */
static const char *header_value(const char *line, size_t len, const char *name, size_t *ret_len)
{
	size_t n = strlen(name);

	if (len <= n || strncasecmp(line, name, n) || line[n] != ':')
		return NULL;
	line += n + 1;
	len -= n + 1;
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	while (len && strchr(" \t\r\n", line[len - 1]))
		len--;
	*ret_len = len;
	return line;
}

/* Seconds, or milliseconds for Amazon's own header; a date there is of no use with wrong clocks. */
static unsigned int parse_delay(const char *value, size_t len, unsigned int scale)
{
	unsigned int n = 0;

	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9' || n > 100000000)
			return 0;
		n = n * 10 + value[i] - '0';
	}
	return n > 3600000 / scale ? 3600000 : n * scale;
}

static bool parse_length(const char *value, size_t len, uint64_t *ret_length)
{
	uint64_t n = 0;

	if (!len || len > 18)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (value[i] < '0' || value[i] > '9')
			return false;
		n = n * 10 + value[i] - '0';
	}
	*ret_length = n;
	return true;
}

static void take_header(struct cc_http_xfer *x, const char *line, size_t n)
{
	struct cc_http_answer *a = &x->answer;
	const struct { const char *name; char *field; size_t size; } texts[] = {
		{ "Date", a->date, sizeof(a->date) },
		{ "Location", a->location, sizeof(a->location) },
		{ "Content-Encoding", a->encoding, sizeof(a->encoding) },
		{ "x-amz-bucket-region", a->region, sizeof(a->region) },
	};
	const char *value;
	size_t len;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		value = header_value(line, n, texts[i].name, &len);
		if (value)
			cc_http_copy_text(texts[i].field, texts[i].size, value, len);
	}
	value = header_value(line, n, "Content-Length", &len);
	if (value)
		x->have_length = parse_length(value, len, &x->length);
	value = header_value(line, n, "Retry-After", &len);
	if (value)
		a->retry_after_ms = parse_delay(value, len, 1000);
	value = header_value(line, n, "x-amz-retry-after", &len);
	if (value)
		a->retry_after_ms = parse_delay(value, len, 1);
	value = header_value(line, n, "Content-Range", &len);
	if (value)
		cc_http_parse_range(value, len, a);
}

/* All headers are here: refuse a body that is known to be too large before it comes. */
static size_t end_of_headers(struct cc_http_xfer *x, size_t n)
{
	x->in_body = true;
	if (!is_success(x) || x->req.method != CC_HTTP_GET)
		return n;
	x->begin = x->body_size = x->answer.status == 206 ? x->req.from : 0;
	if (cc_http_xfer_object_size(x) <= x->req.max)
		return n;
	x->stop = CC_HTTP_STOP_TOOBIG;
	return 0;
}

static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
	struct cc_http_xfer *x = arg;

	x->last_ns = cc_now_ns();
	if (!x->first_ns)
		x->first_ns = x->last_ns;
	/* A trailer comes too late to say what the body was. */
	if (x->in_body)
		return n;
	if (n >= 5 && !memcmp(line, "HTTP/", 5)) {
		/* The first line, or one more after an interim answer. */
		memset(&x->answer, 0, sizeof(x->answer));
		x->have_length = false;
		curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &x->answer.status);
		return n;
	}
	/* As libcurl does: lines without a carriage return, and whatever begins with one, end them as well. */
	if (line[0] == '\n' || line[0] == '\r')
		return x->answer.status >= 200 ? end_of_headers(x, n) : n;
	take_header(x, line, n);
	return n;
}

static size_t on_send(char *buf, size_t one, size_t room, void *arg)
{
	struct cc_http_xfer *x = arg;
	size_t n = x->req.size - x->sent;

	if (n > room)
		n = room;
	memcpy(buf, (const char *)x->req.data + x->sent, n);
	x->sent += n;
	x->last_ns = cc_now_ns();
	return n;
}

static int on_rewind(void *arg, curl_off_t offset, int origin)
{
	struct cc_http_xfer *x = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > x->req.size)
		return CURL_SEEKFUNC_FAIL;
	x->sent = offset;
	return CURL_SEEKFUNC_OK;
}

/* ---- options ---- */

#define SET(option, value) (r = r ? r : curl_easy_setopt(easy, option, value))

CURLcode cc_http_set_safe(CURL *easy, const char *protocols, const char *ca_file)
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
#define SET(option, value) (r = r ? r : curl_easy_setopt(x->easy, option, value))

static CURLcode set_transport(struct cc_http_xfer *x)
{
	const struct cc_store_config *c = x->target->config;
	CURLcode r = cc_http_set_safe(x->easy, strncmp(x->url, "https:", 6) ? "http" : "https",
				      c->ca_file);

	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_BUFFERSIZE, 256L << 10);
	SET(CURLOPT_MAXAGE_CONN, 20L); /* S3 closes idle connections early; a retry costs more */
	SET(CURLOPT_FRESH_CONNECT, x->req.fresh ? 1L : 0L);
	if (x->connect_to)
		SET(CURLOPT_CONNECT_TO, x->connect_to);
	return r;
}

static CURLcode set_request(struct cc_http_xfer *x)
{
	CURLcode r = CURLE_OK;

	SET(CURLOPT_URL, x->url);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_USERAGENT, "chunkcache/" CHUNKCACHE_VERSION);
	if (x->headers)
		SET(CURLOPT_HTTPHEADER, x->headers);
	switch (x->req.method) {
	case CC_HTTP_HEAD:
		SET(CURLOPT_NOBODY, 1L);
		break;
	case CC_HTTP_DELETE:
		SET(CURLOPT_CUSTOMREQUEST, "DELETE");
		break;
	case CC_HTTP_PUT:
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->req.size);
		SET(CURLOPT_READFUNCTION, on_send);
		SET(CURLOPT_READDATA, x);
		SET(CURLOPT_SEEKFUNCTION, on_rewind);
		SET(CURLOPT_SEEKDATA, x);
		break;
	default:
		SET(CURLOPT_HTTPGET, 1L);
		break;
	}
	return r;
}

static CURLcode set_callbacks(struct cc_http_xfer *x)
{
	CURLcode r = CURLE_OK;

	SET(CURLOPT_PRIVATE, x);
	SET(CURLOPT_ERRORBUFFER, x->curl_error);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, x);
	SET(CURLOPT_PREREQFUNCTION, on_request);
	SET(CURLOPT_PREREQDATA, x);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, x);
	return r;
}

#undef SET

/* ---- life ---- */

static void init_curl(void)
{
	unsetenv("SSLKEYLOGFILE"); /* libcurl would write the keys of connections there */
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

int cc_http_xfer_init(struct cc_http_xfer *x)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_curl);
	memset(x, 0, sizeof(*x));
	x->easy = curl_easy_init();
	return x->easy ? 0 : -ENOMEM;
}

/* One of them may be a session token. */
static void free_headers(struct curl_slist *headers)
{
	for (struct curl_slist *h = headers; h; h = h->next)
		OPENSSL_cleanse(h->data, strlen(h->data));
	curl_slist_free_all(headers);
}

static void put_creds(struct cc_http_xfer *x)
{
	if (x->creds)
		cc_keyring_put(x->target->keyring, x->creds);
	x->creds = NULL;
}

/* Back to what it was after init. */
static void reset(struct cc_http_xfer *x)
{
	CURL *easy = x->easy;

	curl_easy_reset(easy);
	put_creds(x);
	free_headers(x->headers);
	curl_slist_free_all(x->connect_to);
	if (x->req.grow)
		free(x->body);
	free(x->error_text);
	free(x->url);
	memset(x, 0, sizeof(*x));
	x->easy = easy;
}

void cc_http_xfer_destroy(struct cc_http_xfer *x)
{
	if (!x->easy)
		return;
	reset(x);
	curl_easy_cleanup(x->easy);
	x->easy = NULL;
}

/*
 * A handle whose transfer failed is not used again: if that was before libcurl had a connection, it
 * keeps a buffer that no reset frees, and refuses CURLOPT_BUFFERSIZE from then on (7.88: error 43).
 * Connections are the multi handle's and stay.
 */
static int renew(struct cc_http_xfer *x)
{
	if (x->easy && !x->soiled) {
		reset(x);
		return 0;
	}
	cc_http_xfer_destroy(x);
	return cc_http_xfer_init(x);
}

static int set_address(struct cc_http_xfer *x, const char *address)
{
	char entry[CC_ADDRESS_SIZE + 8];

	if (!*address)
		return 0;
	snprintf(entry, sizeof(entry), "::%s:", address);
	x->connect_to = curl_slist_append(NULL, entry);
	return x->connect_to ? 0 : -ENOMEM;
}

int cc_http_xfer_start(struct cc_http_xfer *x, struct cc_http_target *t,
		       const struct cc_http_request *req, const char *address,
		       struct cc_http_outcome *o)
{
	CURLcode code;
	int r;

	outcome(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT, "out of memory");
	if (renew(x))
		return -ENOMEM;
	x->soiled = true;
	x->target = t;
	x->req = *req;
	x->body = req->grow ? NULL : req->buf;
	r = make_request(x, o);
	if (!r)
		r = set_address(x, address);
	if (r)
		return r;
	code = set_transport(x);
	if (!code)
		code = set_request(x);
	if (!code)
		code = set_callbacks(x);
	if (code) {
		outcome(o, CC_STORE_ERROR, CC_RETRY_FATAL, curl_easy_strerror(code));
		return -EINVAL;
	}
	x->start_ns = cc_now_ns();
	return 0;
}

/* ---- timers ---- */

uint64_t cc_http_xfer_timer(const struct cc_http_xfer *x)
{
	const struct cc_store_config *c = x->target->config;
	uint64_t at = x->req.deadline_ns, next = UINT64_MAX;

	if (!at || x->start_ns + c->attempt_timeout_ms * 1000000ULL < at)
		at = x->start_ns + c->attempt_timeout_ms * 1000000ULL;
	if (x->first_ns)
		next = x->last_ns + c->stall_timeout_ms * 1000000ULL;
	else if (x->sent_ns)
		next = x->last_ns + c->first_byte_timeout_ms * 1000000ULL;
	/* else curl watches over the connect */
	return at < next ? at : next;
}

bool cc_http_xfer_expired(struct cc_http_xfer *x, uint64_t now_ns)
{
	if (now_ns < cc_http_xfer_timer(x))
		return false;
	if (x->req.deadline_ns && now_ns >= x->req.deadline_ns)
		x->stop = CC_HTTP_STOP_DEADLINE;
	else if (now_ns >= x->start_ns + x->target->config->attempt_timeout_ms * 1000000ULL)
		x->stop = CC_HTTP_STOP_ATTEMPT;
	else
		x->stop = x->first_ns ? CC_HTTP_STOP_STALL : CC_HTTP_STOP_FIRST_BYTE;
	return true;
}

/* ---- the end ---- */

/* S3 explains itself in the body. */
static void read_error_text(struct cc_http_xfer *x)
{
	struct cc_http_answer *a = &x->answer;
	char text[256];

	if (!x->error_text)
		return;
	if (cc_http_xml_text(x->error_text, x->error_size, "Code", text, sizeof(text)))
		cc_http_copy_text(a->code, sizeof(a->code), text, strlen(text));
	if (cc_http_xml_text(x->error_text, x->error_size, "Message", text, sizeof(text)))
		cc_http_copy_text(a->message, sizeof(a->message), text, strlen(text));
	if (!a->region[0] &&
	    cc_http_xml_text(x->error_text, x->error_size, "Region", text, sizeof(text)))
		cc_http_copy_text(a->region, sizeof(a->region), text, strlen(text));
	if (cc_http_xml_text(x->error_text, x->error_size, "ServerTime", text, sizeof(text)))
		cc_http_copy_text(a->date, sizeof(a->date), text, strlen(text));
}

static void end_stopped(struct cc_http_xfer *x, struct cc_http_outcome *o)
{
	const struct cc_store_config *c = x->target->config;
	char reason[CC_HTTP_REASON_SIZE];

	switch (x->stop) {
	case CC_HTTP_STOP_FIRST_BYTE:
		snprintf(reason, sizeof(reason), "no answer within %u ms", c->first_byte_timeout_ms);
		outcome(o, CC_STORE_TIMEOUT, CC_RETRY_TRANSIENT, reason);
		break;
	case CC_HTTP_STOP_STALL:
		snprintf(reason, sizeof(reason), "no byte within %u ms, after %zu bytes",
			 c->stall_timeout_ms, x->body_size);
		outcome(o, CC_STORE_TIMEOUT, CC_RETRY_TRANSIENT, reason);
		break;
	case CC_HTTP_STOP_ATTEMPT:
		snprintf(reason, sizeof(reason), "not done within %u ms, %zu bytes came",
			 c->attempt_timeout_ms, x->body_size);
		outcome(o, CC_STORE_TIMEOUT, CC_RETRY_TRANSIENT, reason);
		break;
	case CC_HTTP_STOP_DEADLINE:
		snprintf(reason, sizeof(reason), "not done in time; %s, %zu bytes came",
			 x->sent_ns ? "connected" : "not connected", x->body_size);
		outcome(o, CC_STORE_TIMEOUT, CC_RETRY_FATAL, reason);
		break;
	case CC_HTTP_STOP_TOOBIG:
		snprintf(reason, sizeof(reason), "larger than expected: at most %zu bytes", x->req.max);
		outcome(o, CC_STORE_TOOBIG, CC_RETRY_FATAL, reason);
		break;
	case CC_HTTP_STOP_ADDRESS:
		outcome(o, CC_STORE_DENIED, CC_RETRY_FATAL, "the host's address is link-local: refused");
		break;
	default:
		outcome(o, CC_STORE_ERROR, CC_RETRY_TRANSIENT, "out of memory");
		break;
	}
}

/* What the answer says of clock and region holds for the requests that follow. */
static void learn(struct cc_http_xfer *x, enum cc_retry_class class)
{
	struct cc_http_target *t = x->target;
	int64_t date = class == CC_RETRY_CLOCK ? cc_http_parse_date(x->answer.date) : -1;

	pthread_mutex_lock(&t->lock);
	if (date >= 0)
		t->clock_offset = date - time(NULL);
	if (class == CC_RETRY_REGION)
		snprintf(t->told_region, sizeof(t->told_region), "%s", x->answer.region);
	pthread_mutex_unlock(&t->lock);
}

static void count_connection(struct cc_http_xfer *x)
{
	long made = 0;

	curl_easy_getinfo(x->easy, CURLINFO_NUM_CONNECTS, &made);
	x->new_connection = made;
}

/* A status that came is the better reason even if the rest of the answer did not, or not in time. */
static bool status_decides(const struct cc_http_xfer *x)
{
	switch (x->stop) {
	case CC_HTTP_RUNNING:
	case CC_HTTP_STOP_ENOUGH:
	case CC_HTTP_STOP_STALL:
	case CC_HTTP_STOP_ATTEMPT:
		return x->answer.status >= 200 && !is_success(x);
	default:
		return false;
	}
}

void cc_http_xfer_end(struct cc_http_xfer *x, CURLcode code, struct cc_http_outcome *o)
{
	count_connection(x);
	x->soiled = code || x->stop;
	o->retry_after_ms = 0;
	if (status_decides(x)) {
		read_error_text(x);
		cc_http_judge_status(x->target, &x->answer, o);
		if (x->req.only_if_cached && x->answer.status == 504)
			outcome(o, CC_STORE_NOTFOUND, CC_RETRY_FATAL, "not in the cache");
	} else if (x->stop && x->stop != CC_HTTP_STOP_ENOUGH) {
		end_stopped(x, o);
	} else if (code) {
		cc_http_judge_curl(x->target, code, x->curl_error, o);
	} else {
		outcome(o, CC_STORE_OK, CC_RETRY_NONE, "");
	}
	if (o->class == CC_RETRY_CLOCK || o->class == CC_RETRY_REGION)
		learn(x, o->class);
	if (o->class == CC_RETRY_AUTH && x->creds)
		cc_keyring_refuse(x->target->keyring, x->creds);
	put_creds(x);
}
