// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Metrics: the text in both formats, and the server with right, malformed and hostile clients on
 * both of its sockets.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "listen.h"
#include "report/metrics-server.h"
#include "tap.h"

/* ---- the text ---- */

static const struct cc_metric reads = { "t_reads", "Reads.", CC_COUNTER };
static const struct cc_metric waits = { "t_wait_seconds", "Waits.", CC_HISTOGRAM };
static const struct cc_metric age = { "t_age_seconds", "Age.", CC_GAUGE };
static const struct cc_metric what = { "t", "What it is.", CC_INFO };

static char *made;

static const char *make(enum cc_metrics_format format, void (*write)(struct cc_text *t))
{
	struct cc_text t;
	size_t len;

	free(made);
	made = NULL;
	cc_text_begin(&t, format);
	write(&t);
	if (cc_text_end(&t, &made, &len))
		return "";
	made = realloc(made, len + 1);
	made[len] = 0;
	return made;
}

static void is(const char *got, const char *want, const char *name)
{
	if (!ok(!strcmp(got, want), "%s", name))
		note("got:\n%s", got);
}

static void write_some(struct cc_text *t)
{
	struct cc_buckets b = { .nr = 2, .bound_us = { 256, 1024 }, .count = { 1, 2, 3 }, .sum_us = 12345678 };
	struct cc_labels l;

	cc_labels_init(&l);
	cc_labels_add(&l, "disk", "vm1");
	cc_text_family(t, &reads);
	cc_text_sample(t, &l, NULL, UINT64_MAX, 0);
	cc_text_sample(t, &l, "result=\"hit\"", 0, 0);
	cc_text_family(t, &age);
	cc_text_sample(t, &l, NULL, 1500, 3);
	cc_text_family(t, &what);
	cc_text_sample(t, &l, NULL, 1, 0);
	cc_text_family(t, &waits);
	cc_text_histogram(t, &l, NULL, &b);
}

#define SAMPLES_BEFORE_WAITS					\
	"t_wait_seconds_bucket{disk=\"vm1\",le=\"0.000256\"} 1\n"	\
	"t_wait_seconds_bucket{disk=\"vm1\",le=\"0.001024\"} 3\n"	\
	"t_wait_seconds_bucket{disk=\"vm1\",le=\"+Inf\"} 6\n"	\
	"t_wait_seconds_sum{disk=\"vm1\"} 12.345678\n"		\
	"t_wait_seconds_count{disk=\"vm1\"} 6\n"

static void test_formats(void)
{
	is(make(CC_METRICS_PROMETHEUS, write_some),
	   "# HELP t_reads_total Reads.\n# TYPE t_reads_total counter\n"
	   "t_reads_total{disk=\"vm1\"} 18446744073709551615\n"
	   "t_reads_total{disk=\"vm1\",result=\"hit\"} 0\n"
	   "# HELP t_age_seconds Age.\n# TYPE t_age_seconds gauge\nt_age_seconds{disk=\"vm1\"} 1.5\n"
	   "# HELP t_info What it is.\n# TYPE t_info gauge\nt_info{disk=\"vm1\"} 1\n"
	   "# HELP t_wait_seconds Waits.\n# TYPE t_wait_seconds histogram\n" SAMPLES_BEFORE_WAITS,
	   "the older format");
	is(make(CC_METRICS_OPENMETRICS, write_some),
	   "# HELP t_reads Reads.\n# TYPE t_reads counter\n"
	   "t_reads_total{disk=\"vm1\"} 18446744073709551615\n"
	   "t_reads_total{disk=\"vm1\",result=\"hit\"} 0\n"
	   "# HELP t_age_seconds Age.\n# TYPE t_age_seconds gauge\n# UNIT t_age_seconds seconds\n"
	   "t_age_seconds{disk=\"vm1\"} 1.5\n"
	   "# HELP t What it is.\n# TYPE t info\nt_info{disk=\"vm1\"} 1\n"
	   "# HELP t_wait_seconds Waits.\n# TYPE t_wait_seconds histogram\n# UNIT t_wait_seconds seconds\n"
	   SAMPLES_BEFORE_WAITS "# EOF\n", "OpenMetrics");
}

static void write_numbers(struct cc_text *t)
{
	static const struct { uint64_t value; unsigned int decimals; } numbers[] = {
		{ 0, 0 }, { 0, 6 }, { 10, 1 }, { 5, 2 }, { 100, 0 }, { 1001, 3 }, { UINT64_MAX, 18 },
	};
	struct cc_labels l;

	cc_labels_init(&l);
	cc_text_family(t, &reads);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		cc_text_sample(t, &l, NULL, numbers[i].value, numbers[i].decimals);
}

static void test_numbers(void)
{
	const char *text = strstr(make(CC_METRICS_PROMETHEUS, write_numbers), "t_reads_total{");

	is(text ? text : "",
	   "t_reads_total{} 0\nt_reads_total{} 0\nt_reads_total{} 1\nt_reads_total{} 0.05\n"
	   "t_reads_total{} 100\nt_reads_total{} 1.001\nt_reads_total{} 18.446744073709551615\n", "numbers");
}

static void label(const char *value, const char *want, const char *name)
{
	struct cc_labels l;
	char text[sizeof(l.text) + 1];

	cc_labels_init(&l);
	cc_labels_add(&l, "d", value);
	memcpy(text, l.text, l.len);
	text[l.len] = 0;
	is(text, want, name);
}

static void test_labels(void)
{
	char value[4096], *quote;
	struct cc_labels l;

	label("vm1", "d=\"vm1\"", "a label");
	label("a\"b\\c", "d=\"a\\\"b\\\\c\"", "quote and backslash");
	label("a\nb\x01\x7f", "d=\"a\\\\x0ab\\\\x01\\\\x7f\"", "control characters");
	label("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "d=\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", "UTF-8");
	label("\xc3", "d=\"\\\\xc3\"", "UTF-8 that is cut off");
	label("\xc0\xaf\xff", "d=\"\\\\xc0\\\\xaf\\\\xff\"", "no UTF-8");
	label("\xed\xa0\x80", "d=\"\\\\xed\\\\xa0\\\\x80\"", "half of a surrogate pair");
	label("\xf4\x90\x80\x80", "d=\"\\\\xf4\\\\x90\\\\x80\\\\x80\"", "beyond Unicode");
	memset(value, '"', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	cc_labels_init(&l);
	cc_labels_add(&l, "pool", "p");
	cc_labels_add(&l, "disk", value);
	quote = l.text + l.len - 1;
	ok(l.len <= sizeof(l.text) && *quote == '"' && quote[-1] == '"' && quote[-2] == '\\',
	   "a value that does not fit ends with a whole character and a quote");
}

static void write_much(struct cc_text *t)
{
	struct cc_labels l;

	cc_labels_init(&l);
	cc_labels_add(&l, "pool", "cache0");
	cc_labels_add(&l, "disk", "a-disk-with-a-name-of-some-length");
	cc_text_family(t, &reads);
	for (int i = 0; i < 100000; i++)
		cc_text_sample(t, &l, "result=\"hit\"", (uint64_t)i * 1000003, 0);
}

static void test_speed(void)
{
	struct timespec a, b;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	make(CC_METRICS_PROMETHEUS, write_much);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	note("100000 samples took %ld us of CPU", (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000);
	ok(strlen(made) > 8000000, "a text of megabytes");
}

/* ---- addresses ---- */

static void test_addresses(void)
{
	static const char *const bad[] = {
		"", "9438", ":9438", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+1",
		"127.0.0.1:9438 ", "0.0.0.0:9438", "10.0.0.1:9438", "126.255.255.255:1", "128.0.0.1:1",
		"::1:9438", "[::1]", "[::]:9438", "[::ffff:10.0.0.1]:1", "[fe80::1]:9438", "localhost:9438",
		"127.0.0.1.example.org:80", "[127.0.0.1]:80", "127.1:80",
	};
	struct sockaddr_storage a;
	socklen_t len = 0;

	ok(!cc_parse_loopback("127.0.0.1:9438", &a, &len) && a.ss_family == AF_INET &&
	   ((struct sockaddr_in *)&a)->sin_port == htons(9438), "127.0.0.1:9438");
	ok(!cc_parse_loopback("127.255.0.9:1", &a, &len), "127.255.0.9:1");
	ok(!cc_parse_loopback("[::1]:65535", &a, &len) && a.ss_family == AF_INET6, "[::1]:65535");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(cc_parse_loopback(bad[i], &a, &len) == -EINVAL, "refused: \"%s\"", bad[i]);
}

/* ---- the server ---- */

#define BIG (12 << 20)			/* more than the buffers of two sockets take */

static char dir[] = "/tmp/test-metrics.XXXXXX";
static char path[64], address[32];
static struct cc_loop *loop;
static struct cc_metrics_server *server;
static volatile bool stop;
static volatile int texts;		/* made */

static void write_big(void *arg, struct cc_text *t)
{
	struct cc_labels l;

	cc_labels_init(&l);
	texts++;
	cc_text_family(t, &reads);
	while (t->len < BIG)
		cc_text_sample(t, &l, NULL, (uint64_t)texts, 0);
}

static uint64_t step(void *arg, uint64_t now_ns)
{
	uint64_t due = cc_metrics_step(server, now_ns), next = now_ns + 10 * CC_MS;

	if (stop)
		cc_loop_stop(loop);
	return due < next ? due : next;
}

static void *run_loop(void *arg)
{
	cc_loop_run(loop, step, NULL);
	return NULL;
}

static int dial(const char *to)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct sockaddr_storage a;
	struct timeval tv = { .tv_sec = 30 };
	socklen_t len = sizeof(sun);
	int fd;

	if (*to == '/') {
		memcpy(sun.sun_path, to, strlen(to) + 1);
		memcpy(&a, &sun, sizeof(sun));
	} else if (cc_parse_loopback(to, &a, &len)) {
		return -1;
	}
	fd = socket(a.ss_family, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (!connect(fd, (struct sockaddr *)&a, len))
		return fd;
	close(fd);
	return -1;
}

static char got[BIG + 65536];

/* Reads to the end; how much came. */
static size_t read_all(int fd)
{
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(got) - 1 && (n = recv(fd, got + len, sizeof(got) - 1 - len, 0)) > 0)
		len += (size_t)n;
	got[len] = 0;
	close(fd);
	return len;
}

static size_t ask(const char *to, const char *request)
{
	int fd = dial(to);

	(void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
	return read_all(fd);
}

/* One header's number, or -1. */
static long header(const char *name)
{
	const char *at = strstr(got, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static bool whole(size_t len)
{
	const char *body = strstr(got, "\r\n\r\n");

	return body && !strncmp(got, "HTTP/1.1 200 OK\r\n", 17) &&
	       (long)(got + len - body - 4) == header("Content-Length: ") && header("Content-Length: ") >= BIG;
}

#define GET "GET /metrics HTTP/1.1\r\nHost: x\r\n"

static void test_requests(const char *to, const char *name)
{
	size_t len = ask(to, GET "\r\n");

	ok(whole(len) && strstr(got, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
	   "%s: GET /metrics", name);
	len = ask(to, GET "Accept: text/plain;q=0.5,application/openmetrics-text;version=1.0.0\r\n\r\n");
	ok(whole(len) && strstr(got, "Content-Type: application/openmetrics-text; version=1.0.0;") &&
	   !strcmp(got + len - 6, "# EOF\n"), "%s: OpenMetrics, if it is asked for", name);
	len = ask(to, "GET /metrics HTTP/1.0\n\n");
	ok(whole(len), "%s: lines without CR, HTTP/1.0", name);
	len = ask(to, "GET /metrics?x=y HTTP/1.1\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n");
	ok(whole(len), "%s: a query, and more behind the request", name);
	len = ask(to, "HEAD /metrics HTTP/1.1\r\n\r\n");
	ok(len < 400 && header("Content-Length: ") >= BIG, "%s: HEAD", name);
}

static void test_refused(void)
{
	static char huge[CC_METRICS_REQUEST_MAX + 100];
	static const struct { const char *request, *status, *name; } bad[] = {
		{ "GET / HTTP/1.1\r\n\r\n", "404", "another path" },
		{ "GET /metricsx HTTP/1.1\r\n\r\n", "404", "a longer path" },
		{ "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405", "another method" },
		{ "GET /metrics\r\n\r\n", "400", "no version" },
		{ "GET /metrics FTP/1.1\r\n\r\n", "400", "another protocol" },
		{ "\r\n\r\n", "400", "an empty line" },
		{ "\x16\x03\x01 TLS\n\n", "400", "no HTTP" },
	};
	size_t len;
	int fd;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		len = ask(path, bad[i].request);
		ok(len > 12 && !strncmp(got + 9, bad[i].status, 3) && header("Content-Length: ") == 0,
		   "%s: %s", bad[i].name, bad[i].status);
	}
	fd = dial(path);
	(void)!send(fd, "GET /metrics HTTP/1.1\0\r\n\r\n", 26, MSG_NOSIGNAL);
	ok(read_all(fd) && !strncmp(got + 9, "400", 3), "a NUL in it: 400");
	memset(huge, 'x', sizeof(huge) - 1);
	ok(ask(address, huge) && !strncmp(got + 9, "431", 3), "a request without end: 431");
}

/* The text is made once for all who ask within a second. */
static void test_shared(void)
{
	int fds[CC_METRICS_CLIENTS_MAX], before, good = 0;
	uint64_t start;

	usleep(1100000);
	before = texts;
	start = cc_now_ns();
	for (int i = 0; i < CC_METRICS_CLIENTS_MAX; i++) {
		fds[i] = dial(address);
		(void)!send(fds[i], GET "\r\n", strlen(GET "\r\n"), MSG_NOSIGNAL);
	}
	for (int i = 0; i < CC_METRICS_CLIENTS_MAX; i++)
		good += whole(read_all(fds[i]));
	ok(good == CC_METRICS_CLIENTS_MAX, "as many as there may be are served");
	ok(texts - before <= 2 + (int)((cc_now_ns() - start) / CC_SECOND), "by %d texts", texts - before);
}

/* Those who say nothing make room, those who are being answered do not. */
static void test_idle(void)
{
	int fds[3 * CC_METRICS_CLIENTS_MAX], closed = 0;
	char c;

	for (int i = 0; i < 3 * CC_METRICS_CLIENTS_MAX; i++)
		fds[i] = dial(address);
	ok(whole(ask(address, GET "\r\n")), "a crowd of silent clients keeps nobody out");
	for (int i = 0; i < 3 * CC_METRICS_CLIENTS_MAX; i++)
		closed += recv(fds[i], &c, 1, MSG_DONTWAIT) == 0;
	ok(closed >= 2 * CC_METRICS_CLIENTS_MAX, "the first of them are gone");
	for (int i = 0; i < 3 * CC_METRICS_CLIENTS_MAX; i++)
		close(fds[i]);
}

static void test_slow(void)
{
	int fds[CC_METRICS_CLIENTS_MAX], fd, small = 65536;
	size_t len;

	for (int i = 0; i < CC_METRICS_CLIENTS_MAX; i++) {
		fds[i] = dial(address);
		setsockopt(fds[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		(void)!send(fds[i], GET "\r\n", strlen(GET "\r\n"), MSG_NOSIGNAL);
	}
	usleep(200000);
	fd = dial(address);
	(void)!send(fd, GET "\r\n", strlen(GET "\r\n"), MSG_NOSIGNAL);
	ok(!read_all(fd), "when all are being answered, one more is sent away");
	ok(whole(ask(path, GET "\r\n")), "the other socket has nothing to do with it");
	len = read_all(fds[0]);
	ok(whole(len), "one that reads late gets all of it");
	usleep(CC_METRICS_CLIENT_NS / 1000 + 500000);
	len = read_all(fds[1]);
	ok(len && !whole(len), "one that does not read in time is cut off");
	for (int i = 2; i < CC_METRICS_CLIENTS_MAX; i++)
		close(fds[i]);
	ok(whole(ask(address, GET "\r\n")), "and the place is free again");
}

static void test_reset(void)
{
	struct linger l = { .l_onoff = 1 };

	for (int i = 0; i < 50; i++) {
		int fd = dial(address);

		(void)!send(fd, GET "\r\n", i % 2 ? 10 : strlen(GET "\r\n"), MSG_NOSIGNAL);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
		close(fd);
	}
	ok(whole(ask(address, GET "\r\n")), "clients that reset their connections do no harm");
}

/* A port that nobody has. */
static void choose_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)!bind(fd, (struct sockaddr *)&in, len);
	getsockname(fd, (struct sockaddr *)&in, &len);
	close(fd);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(in.sin_port));
}

int main(void)
{
	struct cc_metrics_config c = { .path = path, .listen = address, .fn = write_big };
	struct cc_metrics_server *second = NULL;
	struct stat st;
	pthread_t thread;

	test_formats();
	test_numbers();
	test_labels();
	test_speed();
	test_addresses();

	if (!mkdtemp(dir) || cc_loop_open(&loop))
		return 1;
	snprintf(path, sizeof(path), "%s/p.metrics", dir);
	choose_port();
	ok(!cc_metrics_open(loop, &c, &server), "listens");
	pthread_create(&thread, NULL, run_loop, NULL);
	ok(!stat(path, &st) && (st.st_mode & 0777) == 0600, "only its owner can open the path");
	test_requests(path, "path");
	test_requests(address, "port");
	test_refused();
	test_shared();
	test_idle();
	test_reset();
	test_slow();
	stop = true;
	pthread_join(thread, NULL);
	ok(!cc_metrics_open(loop, &c, &second), "a second helper starts without its sockets");
	cc_metrics_close(second);
	ok(!access(path, F_OK), "and leaves those of the first alone");
	cc_metrics_close(server);
	ok(access(path, F_OK), "the path goes with the helper");
	cc_loop_close(loop);
	rmdir(dir);
	free(made);
	return tap_done();
}
