// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stores through the blocking interface: directories, HTTP, S3 as far as a server that checks no
 * signatures can tell, and the line a person gets for each kind of trouble.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "store/http.h"
#include "script.h"
#include "store/store.h"
#include "store/store-impl.h"
#include "tap.h"
#include "clock.h"
#include "verify.h"

static struct httpd h;
static char err[400];

/* A store whose timeouts suit a test; the strings are the caller's. */
static struct cc_store *open_store(struct cc_store_config *c, const char *url)
{
	struct cc_store *s;

	cc_store_config_init(c);
	c->name = (char *)"main";
	c->url = (char *)url;
	c->connect_timeout_ms = 1000;
	c->first_byte_timeout_ms = 700;
	c->stall_timeout_ms = 700;
	c->total_timeout_ms = 10000;
	c->attempts = 3;
	if (cc_store_open(c, &s, err, sizeof(err)))
		httpd_fatal(err);
	return s;
}

static enum cc_store_result get(struct cc_store *s, const char *name, size_t max,
				const char *expect)
{
	enum cc_store_result r;
	void *data = NULL;
	size_t size = 0;

	*err = '\0';
	r = cc_store_get(s, name, max, &data, &size, err, sizeof(err));
	if (!r && (size != strlen(expect) || memcmp(data, expect, size)))
		r = -1;
	free(data);
	return r;
}

static void write_text(const char *name, const char *text)
{
	write_file(h.dir, name, text, strlen(text));
}

/* ---- what stores have in common ---- */

static int collect(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	char *all = arg;

	sprintf(all + strlen(all), "%s %llu;", name, (unsigned long long)size);
	return mtime < 1000000000 || mtime > 10000000000;
}

static int stop_at_once(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	++*(int *)arg;
	return 1;
}

static void test_bad_names(struct cc_store *s)
{
	static const char *const names[] = {
		"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a/..", "a\nb", ".", "..",
	};
	char name[600];
	int bad = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		bad += cc_store_put(s, names[i], "x", 1, err, sizeof(err)) == CC_STORE_ERROR &&
		       get(s, names[i], 10, "x") == CC_STORE_ERROR &&
		       cc_store_delete(s, names[i], err, sizeof(err)) == CC_STORE_ERROR;
	ok(bad == sizeof(names) / sizeof(names[0]), "%d bad names refused: %s", bad, err);
	memset(name, 'n', sizeof(name));
	name[599] = '\0';
	ok(get(s, name, 10, "") == CC_STORE_ERROR, "too long a name refused");
	ok(cc_store_list(s, "../", collect, name, err, sizeof(err)) == CC_STORE_ERROR,
	   "list outside refused");
}

/* Of "hello" in chunks/ab/abcd. */
static void test_range(struct cc_store *s, const char *kind)
{
	char buf[8] = "";
	uint64_t total = 0;
	size_t got = 0;

	ok(!cc_store_get_range(s, "chunks/ab/abcd", 1, buf, 3, &got, &total, err, sizeof(err)) && got == 3 && total == 5 &&
	   !strcmp(buf, "ell"), "%s: a range: %s", kind, err);
	ok(!cc_store_get_range(s, "chunks/ab/abcd", 3, buf, 8, &got, &total, err, sizeof(err)) && got == 2 &&
	   !memcmp(buf, "lol", 3), "%s: a range over the end", kind);
	ok(!cc_store_get_range(s, "chunks/ab/abcd", 0, buf, 8, &got, &total, err, sizeof(err)) && got == 5 && total == 5,
	   "%s: all of it", kind);
	ok(cc_store_get_range(s, "chunks/ab/abcd", 5, buf, 1, &got, &total, err, sizeof(err)) == CC_STORE_ERROR,
	   "%s: nothing is behind its end: %s", kind, err);
	ok(cc_store_get_range(s, "chunks/ab/none", 0, buf, 1, &got, &total, err, sizeof(err)) == CC_STORE_NOTFOUND,
	   "%s: a range of none: %s", kind, err);
}

/* put, get, head, list, delete. */
static void test_operations(struct cc_store *s, const char *kind)
{
	uint64_t size = 0;

	ok(!cc_store_put(s, "chunks/ab/abcd", "hello", 5, err, sizeof(err)), "%s: put %s", kind, err);
	ok(!get(s, "chunks/ab/abcd", 5, "hello"), "%s: get %s", kind, err);
	ok(get(s, "chunks/ab/abcd", 4, "") == CC_STORE_TOOBIG, "%s: get of less: %s", kind, err);
	ok(!cc_store_head(s, "chunks/ab/abcd", &size, err, sizeof(err)) && size == 5, "%s: head", kind);
	test_range(s, kind);
	ok(!cc_store_put(s, "chunks/ab/abcd", "", 0, err, sizeof(err)) &&
	   !get(s, "chunks/ab/abcd", 5, ""), "%s: overwritten by nothing", kind);
	ok(get(s, "chunks/ab/none", 5, "") == CC_STORE_NOTFOUND, "%s: get of none: %s", kind, err);
	ok(cc_store_head(s, "none", &size, err, sizeof(err)) == CC_STORE_NOTFOUND && size == 5,
	   "%s: head of none: %s", kind, err);
	ok(!cc_store_delete(s, "chunks/ab/abcd", err, sizeof(err)) &&
	   get(s, "chunks/ab/abcd", 5, "") == CC_STORE_NOTFOUND, "%s: delete", kind);
}

/* ---- directories ---- */

enum write_fault { WRITE_WELL, WRITE_AND_DIE, UNNAMED_REFUSED };

static enum write_fault write_fault;

/* In place of libc's: who writes is killed half-way, or has a file system without files that have no name. */
ssize_t write(int fd, const void *data, size_t size)
{
	if (write_fault == WRITE_AND_DIE) {
		syscall(SYS_write, fd, data, size / 2);
		kill(getpid(), SIGKILL);
	}
	return syscall(SYS_write, fd, data, size);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	if (write_fault == UNNAMED_REFUSED) {
		errno = ENOENT;
		return -1;
	}
	return syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

static void test_killed_put(struct cc_store *s)
{
	int status, count = 0;
	pid_t pid = fork();

	if (!pid) {
		write_fault = WRITE_AND_DIE;
		cc_store_put(s, "killed/a", "content", 7, err, sizeof(err));
		_exit(0);
	}
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "file: killed in a put");
	ok(!cc_store_list_leftovers(s, "killed/", stop_at_once, &count, err, sizeof(err)) && !count,
	   "file: leaves nothing behind");
	write_fault = UNNAMED_REFUSED;
	ok(!cc_store_put(s, "killed/a", "content", 7, err, sizeof(err)) && !get(s, "killed/a", 7, "content"),
	   "file: put where a file has to have a name %s", err);
	write_fault = WRITE_WELL;
}

static void test_file(void)
{
	struct cc_store_config c, c2;
	char dir[64], url[128], all[1000] = "";
	struct cc_store *s, *s2;
	int count = 0;

	make_temp_dir(dir);
	snprintf(url, sizeof(url), "file://%s", dir);
	s = open_store(&c, url);
	test_operations(s, "file");
	test_bad_names(s);
	test_killed_put(s);
	write_file(dir, "images/a", "1", 1);
	write_file(dir, "images/b/c", "22", 2);
	write_file(dir, "images/.tmp-0000", "333", 3);
	write_file(dir, "imagesx", "333", 3);
	ok(!cc_store_list(s, "images/", collect, all, err, sizeof(err)) && strlen(all) == 24 &&
	   strstr(all, "images/a 1;") && strstr(all, "images/b/c 2;"), "file: list: %s", all);
	ok(!cc_store_list(s, "", stop_at_once, &count, err, sizeof(err)) && count == 1,
	   "file: list ends when told");
	ok(!cc_store_list(s, "nothing/", stop_at_once, &count, err, sizeof(err)) && count == 1,
	   "file: list of nothing");
	ok(get(s, "images/b", 10, "") == CC_STORE_ERROR, "file: a directory is no object: %s", err);
	snprintf(all, sizeof(all), "%s/fifo", dir);
	mkfifo(all, 0600);
	ok(get(s, "fifo", 10, "") == CC_STORE_ERROR, "file: a FIFO is none, nor waited for: %s", err);
	strcat(url, "/not-there");
	s2 = open_store(&c2, url);
	ok(get(s2, "x", 10, "") == CC_STORE_ERROR, "file: no directory is no missing object: %s", err);
	ok(cc_store_put(s2, "x", "x", 1, err, sizeof(err)) == CC_STORE_ERROR,
	   "file: a directory is not made by a put: %s", err);
	cc_store_close(s2);
	cc_store_close(s);
	remove_tree(dir);
}

/* ---- HTTP ---- */

/* One get under rules: what came of it, how many requests it took, what was said. */
static void trouble(struct cc_store *s, const char *rules, enum cc_store_result expect,
		    unsigned int requests, const char *words)
{
	enum cc_store_result r;
	unsigned int n;

	httpd_script(&h, rules);
	r = get(s, "obj", 100000, "0123456789");
	n = httpd_count(&h, "/obj");
	if (!ok(r == expect && n == requests && strstr(err, words), "%s: %s, %u requests: %s", rules,
		cc_store_result_name(r), n, err))
		httpd_show_log(&h);
}

static void test_http(void)
{
	struct cc_store_config c;
	char url[128], all[16] = "";
	struct cc_store *s;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u/pre%%20fix/", h.port);
	httpd_put(&h, "pre fix/obj", "0123456789", 10);
	s = open_store(&c, url);
	trouble(s, "", CC_STORE_OK, 1, "");
	trouble(s, "count=2 status=500", CC_STORE_OK, 3, "");
	trouble(s, "status=500", CC_STORE_ERROR, 3, "HTTP 500");
	trouble(s, "count=1 status=408", CC_STORE_OK, 2, "");
	trouble(s, "count=1 fault=reset", CC_STORE_OK, 2, "");
	trouble(s, "count=1 fault=short-body", CC_STORE_OK, 2, "");
	trouble(s, "count=1 fault=reset-body", CC_STORE_OK, 2, "");
	trouble(s, "count=1 fault=wrong-length", CC_STORE_OK, 2, "");
	trouble(s, "count=1 fault=stall", CC_STORE_OK, 2, "");
	trouble(s, "count=1 fault=stall-headers", CC_STORE_OK, 2, "");
	trouble(s, "count=1 fault=stall-body", CC_STORE_OK, 2, "");
	trouble(s, "count=1 fault=wrong-range", CC_STORE_OK, 2, "");
	trouble(s, "fault=stall", CC_STORE_TIMEOUT, 3, "no answer within 700 ms");
	trouble(s, "fault=stall-body", CC_STORE_TIMEOUT, 3, "no byte within 700 ms, after 5");
	trouble(s, "fault=chunked", CC_STORE_OK, 1, "");
	trouble(s, "fault=no-length", CC_STORE_OK, 1, "");
	trouble(s, "rate=50", CC_STORE_OK, 1, "");
	trouble(s, "status=404", CC_STORE_NOTFOUND, 1, "no such object");
	trouble(s, "status=403", CC_STORE_DENIED, 1, "HTTP 403");
	trouble(s, "status=401", CC_STORE_DENIED, 1, "HTTP 401");
	trouble(s, "status=416", CC_STORE_ERROR, 1, "HTTP 416");
	trouble(s, "status=302 location=http://elsewhere.example/x", CC_STORE_ERROR, 1,
		"redirect to http://elsewhere.example/x refused");
	ok(cc_store_put(s, "x", "x", 1, err, sizeof(err)) == CC_STORE_ERROR &&
	   strstr(err, "read-only"), "http: %s", err);
	ok(cc_store_delete(s, "x", err, sizeof(err)) == CC_STORE_ERROR && strstr(err, "read-only"),
	   "http: %s", err);
	ok(cc_store_list(s, "x", collect, all, err, sizeof(err)) == CC_STORE_ERROR &&
	   strstr(err, "read-only"), "http: %s", err);
	httpd_script(&h, "");
	cc_store_close(s);
}

static void test_limits(void)
{
	char url[128], rule[128], *big = calloc(1, 300000);
	struct cc_store_config c;
	struct cc_store *s;

	snprintf(url, sizeof(url), "http://127.0.0.1:%u", h.port);
	httpd_put(&h, "big", big, 300000);
	s = open_store(&c, url);
	httpd_script(&h, "");
	ok(get(s, "big", 1000, "") == CC_STORE_TOOBIG && httpd_count(&h, "/big") <= 1,
	   "larger than allowed: %s", err);
	httpd_script(&h, "fault=no-length");
	ok(get(s, "big", 1000, "") == CC_STORE_TOOBIG, "the same, size not told: %s", err);
	snprintf(rule, sizeof(rule), "status=400 file=%s/root/big", h.dir);
	httpd_script(&h, rule);
	ok(get(s, "big", 1000, "") == CC_STORE_ERROR && strstr(err, "HTTP 400"),
	   "300 kB of error text: %s", err);
	cc_store_close(s);
	free(big);
}

/* Connections are kept, and the wait that a 503 asks for is kept to. */
static void test_manners(void)
{
	struct cc_store_config c;
	struct cc_store *s;
	uint64_t start;
	char url[128];

	snprintf(url, sizeof(url), "http://localhost:%u/pre%%20fix", h.port);
	s = open_store(&c, url);
	httpd_script(&h, "count=1 status=503 retry-after=1");
	start = cc_now_ns();
	ok(!get(s, "obj", 100, "0123456789") && cc_now_ns() - start >= 1000000000,
	   "503: waits as long as Retry-After says, by host name: %s", err);
	c.total_timeout_ms = 400;
	httpd_script(&h, "status=503 retry-after=8");
	start = cc_now_ns();
	ok(get(s, "obj", 100, "") == CC_STORE_ERROR && cc_now_ns() - start < 4000000000 &&
	   httpd_count(&h, "/obj") == 1, "a wait past the total timeout is not begun: %s", err);
	httpd_script(&h, "latency=6000");
	c.first_byte_timeout_ms = 5000;
	start = cc_now_ns();
	ok(get(s, "obj", 100, "") == CC_STORE_TIMEOUT && cc_now_ns() - start < 4000000000,
	   "the total timeout ends a request: %s", err);
	httpd_script(&h, "");
	cc_store_close(s);
	s = open_store(&c, "http://127.0.0.1:1");
	ok(get(s, "obj", 100, "") == CC_STORE_ERROR && strstr(err, "onnect"), "nobody there: %s", err);
	cc_store_close(s);
	s = open_store(&c, "http://no-such-host.invalid");
	c.attempts = 1;
	ok(get(s, "obj", 100, "") == CC_STORE_ERROR && strstr(err, "host name no-such-host.invalid"),
	   "no such host: %s", err);
	cc_store_close(s);
}

/* A listener whose queue is full: the kernel drops what comes, as a dead host would. */
static void test_connect_timeout(void)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	struct cc_store_config c;
	struct cc_store *s;
	uint64_t start;
	char url[64];
	int fds[8];

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fds[0], (struct sockaddr *)&addr, len) || listen(fds[0], 0) ||
	    getsockname(fds[0], (struct sockaddr *)&addr, &len))
		httpd_fatal("listen");
	for (int i = 1; i < 8; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(fds[i], (struct sockaddr *)&addr, len) && errno != EINPROGRESS)
			httpd_fatal("connect");
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(addr.sin_port));
	s = open_store(&c, url);
	c.connect_timeout_ms = 200;
	c.attempts = 2;
	start = cc_now_ns();
	ok(get(s, "obj", 10, "") == CC_STORE_TIMEOUT && cc_now_ns() - start < 5000000000 &&
	   cc_now_ns() - start >= 400000000, "a host that does not take connections: %s", err);
	cc_store_close(s);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
}

/* ---- S3 ---- */

static void test_creds(void)
{
	struct cc_store_config c;
	struct cc_creds creds;
	char file[128];

	cc_store_config_init(&c);
	setenv("HOME", h.dir, 1);
	setenv("AWS_ACCESS_KEY_ID", "ENVKEY", 1);
	ok(cc_creds_load(&c, &creds, err, sizeof(err)) && strstr(err, "AWS_SECRET_ACCESS_KEY"),
	   "environment: half of it: %s", err);
	setenv("AWS_SECRET_ACCESS_KEY", "env/secret+", 1);
	ok(!cc_creds_load(&c, &creds, err, sizeof(err)) && !strcmp(creds.access_key, "ENVKEY") &&
	   !strcmp(creds.secret_key, "env/secret+") && !*creds.session_token, "environment");
	setenv("AWS_SESSION_TOKEN", "a b\r\nHost: x", 1);
	ok(cc_creds_load(&c, &creds, err, sizeof(err)) && !strstr(err, "a b"),
	   "a token with a line end is refused: %s", err);
	unsetenv("AWS_SESSION_TOKEN");
	write_text(".aws/credentials", "[default]\naws_access_key_id=F\naws_secret_access_key=S\n"
		   "[profile p]\naws_access_key_id=P\naws_secret_access_key=S2\naws_session_token=T\n");
	c.profile = (char *)"p";
	ok(!cc_creds_load(&c, &creds, err, sizeof(err)) && !strcmp(creds.access_key, "P") &&
	   !strcmp(creds.secret_key, "S2") && !strcmp(creds.session_token, "T"),
	   "a profile that is named comes before the environment %s", err);
	snprintf(file, sizeof(file), "%s/.aws/credentials", h.dir);
	c.credentials_file = file;
	c.profile = NULL;
	ok(!cc_creds_load(&c, &creds, err, sizeof(err)) && !strcmp(creds.access_key, "F"),
	   "a file that is named, too");
	unsetenv("AWS_ACCESS_KEY_ID");
	c.credentials_file = NULL;
	ok(!cc_creds_load(&c, &creds, err, sizeof(err)) && !strcmp(creds.access_key, "F"),
	   "else the file in the home directory");
	unsetenv("AWS_SECRET_ACCESS_KEY");
	cc_creds_wipe(&creds);
}

static void s3_trouble(struct cc_store *s, const char *rules, enum cc_store_result expect,
		       unsigned int requests, const char *words)
{
	trouble(s, rules, expect, requests, words);
	if (expect)
		ok(strstr(err, "store main") && !strchr(err, '\n') && !strstr(err, "SECRET"),
		   "it names the store, in one line, and no secret");
}

static void test_s3_reasons(struct cc_store *s)
{
	s3_trouble(s, "status=403 code=SignatureDoesNotMatch", CC_STORE_DENIED, 1,
		   "wrong secret key (SignatureDoesNotMatch); set aws_secret_access_key");
	s3_trouble(s, "status=403 code=InvalidAccessKeyId", CC_STORE_DENIED, 2, "aws_access_key_id");
	s3_trouble(s, "status=400 code=ExpiredToken", CC_STORE_DENIED, 2, "expired");
	s3_trouble(s, "count=1 status=400 code=ExpiredToken", CC_STORE_OK, 2, "");
	s3_trouble(s, "status=403 code=RequestTimeTooSkewed", CC_STORE_DENIED, 2,
		   "at the store; set this host's clock");
	s3_trouble(s, "status=404 code=NoSuchBucket", CC_STORE_ERROR, 1,
		   "bucket buck does not exist; set url");
	s3_trouble(s, "status=404 code=NoSuchKey", CC_STORE_NOTFOUND, 1, "no such object");
	s3_trouble(s, "status=400 code=AuthorizationHeaderMalformed region=eu-1", CC_STORE_DENIED, 2,
		   "set region = eu-1");
	s3_trouble(s, "status=301 code=PermanentRedirect header=x-amz-bucket-region:eu-2",
		   CC_STORE_DENIED, 2, "set region = eu-2");
	s3_trouble(s, "status=307 location=http://evil.example/", CC_STORE_ERROR, 1, "refused");
	s3_trouble(s, "status=403 code=AccessDenied", CC_STORE_DENIED, 1, "access denied");
	s3_trouble(s, "count=1 status=400 code=RequestTimeout", CC_STORE_OK, 2, "");
	s3_trouble(s, "count=1 status=500 code=InternalError", CC_STORE_OK, 2, "");
	s3_trouble(s, "count=1 status=400 code=SlowDown", CC_STORE_OK, 2, "");
	s3_trouble(s, "status=418 code=Bad%0AThing&lt;", CC_STORE_ERROR, 1,
		   "HTTP 418 Bad%0AThing<: told to & did");
}

#define LIST_OPEN "<?xml version=\"1.0\"?><ListBucketResult><Name>buck</Name>"
#define LIST_ENTRY(key, size) "<Contents><Key>" key "</Key><LastModified>2026-01-02T03:04:05.000Z" \
	"</LastModified><Size>" size "</Size></Contents>"
#define LIST_MORE(token) "<IsTruncated>true</IsTruncated><NextContinuationToken>" token \
	"</NextContinuationToken></ListBucketResult>"
#define LIST_END "<IsTruncated>false</IsTruncated></ListBucketResult>"

static void put_page(const char *name, const char *page)
{
	httpd_put(&h, name, page, strlen(page));
}

/* The same page is the answer to all that is asked for. */
static void refuse_list(struct cc_store *s, const char *page, const char *reason)
{
	char rules[200], all[400] = "";

	put_page("page", page);
	snprintf(rules, sizeof(rules), "path=list-type file=%s/root/page", h.dir);
	httpd_script(&h, rules);
	ok(cc_store_list(s, "images/", collect, all, err, sizeof(err)) == CC_STORE_ERROR &&
	   strstr(err, reason), "list refused: %s", err);
}

/* Two pages of a listing, as S3 answers; the second one is asked for by token. */
static void test_s3_list(struct cc_store *s)
{
	char rules[600], all[400] = "", around[4000] = "";
	int count = 0;

	put_page("page1", LIST_OPEN LIST_ENTRY("pre/images/a&amp;b", "7") LIST_ENTRY("pre/images//x", "7")
		 LIST_MORE("to/ken+1="));
	put_page("page2", LIST_OPEN LIST_ENTRY("pre/images/c", "123456789012") LIST_END);
	put_page("page3", LIST_OPEN LIST_ENTRY("pre/images/d", "1") LIST_MORE("first"));
	snprintf(rules, sizeof(rules), "path=continuation-token=to/ken+1= file=%s/root/page2\n"
		 "path=prefix=pre/images/ file=%s/root/page1", h.dir, h.dir);
	httpd_script(&h, rules);
	ok(!cc_store_list(s, "images/", collect, all, err, sizeof(err)) &&
	   !strcmp(all, "images/a&b 7;images/c 123456789012;"), "list of two pages: %s %s", all, err);
	ok(httpd_count(&h, "GET /buck?") == 2, "by two requests");
	ok(!cc_store_list(s, "images/", stop_at_once, &count, err, sizeof(err)) && count == 1,
	   "list ends when told");
	refuse_list(s, LIST_OPEN LIST_ENTRY("pre/images/a", "7") LIST_MORE("again"), "pages come again");
	refuse_list(s, LIST_OPEN LIST_MORE("again"), "the token of its next page is its own");
	refuse_list(s, LIST_OPEN LIST_ENTRY("pre/images/a", "7") LIST_ENTRY("pre/other/b", "7") LIST_END,
		    "keys that do not start with what was asked for");
	refuse_list(s, LIST_OPEN LIST_ENTRY("images/a", "7") LIST_END, "keys that do not start");
	refuse_list(s, "<html>", "not a whole answer of ListObjectsV2");
	snprintf(rules, sizeof(rules), "path=continuation-token=to/ken+1= file=%s/root/page3\n"
		 "path=prefix=pre/images/ file=%s/root/page1", h.dir, h.dir);
	httpd_script(&h, rules);
	ok(cc_store_list(s, "images/", collect, around, err, sizeof(err)) == CC_STORE_ERROR &&
	   strstr(err, "pages come again"), "pages in a circle: %s", err);
	httpd_script(&h, "");
}

static void test_s3(void)
{
	char endpoint[64], creds[128];
	struct cc_store_config c;
	struct cc_store *s;

	snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%u", h.port);
	snprintf(creds, sizeof(creds), "%s/creds", h.dir);
	cc_store_config_init(&c);
	c.url = (char *)"s3://buck/pre";
	c.path_style = true;
	c.endpoint = endpoint;
	c.name = (char *)"main";
	c.first_byte_timeout_ms = 2000;
	c.attempts = 3;
	c.credentials_file = creds;
	if (cc_store_open(&c, &s, err, sizeof(err)))
		httpd_fatal(err);
	ok(get(s, "obj", 100, "") == CC_STORE_DENIED && strstr(err, "credentials: cannot open"),
	   "no credentials: %s", err);
	/* A failure is remembered for a second. */
	write_text("creds", "[other]\n");
	nap_ms(1100);
	ok(get(s, "obj", 100, "") == CC_STORE_DENIED && strstr(err, "no section [default]"), "%s", err);
	write_text("creds", "[default]\naws_access_key_id=K\n");
	nap_ms(1100);
	ok(get(s, "obj", 100, "") == CC_STORE_DENIED && strstr(err, "aws_secret_access_key"), "%s", err);
	write_text("creds", "[x]\naws_access_key_id=X\n[default]\naws_access_key_id = KEY\r\n"
		   "aws_secret_access_key=SECRET\naws_session_token=TOKEN\n");
	nap_ms(1100);
	httpd_script(&h, "");
	test_operations(s, "s3");
	httpd_put(&h, "buck/pre/obj", "0123456789", 10);
	test_s3_reasons(s);
	test_s3_list(s);
	cc_store_close(s);
}

/* ---- pieces ---- */

static void test_xml(void)
{
	static const char xml[] = "<A>1</A><B>a&lt;&#x41;&#66;</B><C>&bogus;</C><D>no end";
	char out[16] = "x";

	ok(cc_http_xml_text(xml, strlen(xml), "A", out, sizeof(out)) && !strcmp(out, "1"), "xml: text");
	ok(cc_http_xml_text(xml, strlen(xml), "B", out, sizeof(out)) && !strcmp(out, "a<AB"),
	   "xml: entities: %s", out);
	ok(!cc_http_xml_text(xml, strlen(xml), "C", out, sizeof(out)) &&
	   !cc_http_xml_text(xml, strlen(xml), "D", out, sizeof(out)) &&
	   !cc_http_xml_text(xml, strlen(xml), "E", out, sizeof(out)) &&
	   !cc_http_xml_text(xml, strlen(xml), "B", out, 4), "xml: what is not there or does not fit");
}

static void init_retry(struct cc_retry *r, unsigned int attempts)
{
	const struct cc_store_config c = {
		.attempts = attempts, .backoff_ms = 50, .backoff_max_ms = 20000,
	};

	cc_retry_init(r, &c);
}

static void test_retry(void)
{
	struct cc_retry r;
	unsigned int delay, worst = 0;
	bool fresh, good = true;

	init_retry(&r, 4);
	ok(cc_retry_next(&r, CC_RETRY_TRANSIENT, 0, &delay, &fresh) && fresh && delay <= 50 &&
	   cc_retry_next(&r, CC_RETRY_TRANSIENT, 0, &delay, &fresh) && delay <= 100 &&
	   cc_retry_next(&r, CC_RETRY_TRANSIENT, 0, &delay, &fresh) && delay <= 200 &&
	   !cc_retry_next(&r, CC_RETRY_TRANSIENT, 0, &delay, &fresh), "transient: 4 attempts");
	init_retry(&r, 4);
	ok(!cc_retry_next(&r, CC_RETRY_FATAL, 0, &delay, &fresh), "fatal: one");
	init_retry(&r, 4);
	ok(cc_retry_next(&r, CC_RETRY_AUTH, 0, &delay, &fresh) && !delay &&
	   !cc_retry_next(&r, CC_RETRY_AUTH, 0, &delay, &fresh), "auth: two");
	init_retry(&r, 4);
	ok(cc_retry_next(&r, CC_RETRY_INTEGRITY, 0, &delay, &fresh) && fresh && !delay &&
	   !cc_retry_next(&r, CC_RETRY_INTEGRITY, 0, &delay, &fresh), "integrity: two");
	for (int i = 0; i < 1000; i++) {
		init_retry(&r, 10);
		good &= cc_retry_next(&r, CC_RETRY_THROTTLE, 100, &delay, &fresh) && !fresh &&
			delay >= 100 && delay <= 1000;
		worst = delay > worst ? delay : worst;
		good &= cc_retry_next(&r, CC_RETRY_THROTTLE, 3600000, &delay, &fresh) &&
			delay >= 5000 && delay <= 7000;
	}
	ok(good && worst > 800, "throttle: at least what is asked for, at most 5 s more; %u", worst);
	init_retry(&r, 100);
	while (cc_retry_next(&r, CC_RETRY_THROTTLE, 0, &delay, &fresh))
		good &= delay <= 20000;
	ok(good, "never more than 20 s");
}

int main(void)
{
	unsetenv("AWS_ACCESS_KEY_ID");
	test_file();
	test_xml();
	test_retry();
	httpd_start(&h);
	test_http();
	test_limits();
	test_manners();
	test_connect_timeout();
	test_creds();
	test_s3();
	httpd_stop(&h);
	return tap_done();
}
