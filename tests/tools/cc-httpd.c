// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A small HTTP/1.1 server for tests: serves a directory on loopback and misbehaves on request.
 * One thread, one poll loop.  See usage_text for options and the script's rules.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_RULES	64
#define MAX_CONNS	1024
#define HEAD_MAX	16384
#define BODY_MAX	(64 << 20)
#define SCRIPT_PATH	"/.script"

static const char usage_text[] =
"usage: cc-httpd --root DIR [options]\n"
"  --port N        listen on 127.0.0.1:N; default 0: any, see --port-file\n"
"  --port-file F   write the port there once connections are taken\n"
"  --log F         append a line per request: time method path status bytes\n"
"  --script F      rules, see below; SIGHUP reads them again\n"
"  --seed N        for prob=\n"
"  --writable      take PUT and DELETE\n"
"PUT " SCRIPT_PATH " with rules as its body replaces the rules.\n"
"A rule is a line of words; the first one that matches and is not used up counts:\n"
"  path=TEXT       the path has TEXT in it             method=NAME\n"
"  skip=N          not for the first N matches         count=N  for N matches only\n"
"  prob=P          with probability P, 0 to 1\n"
"  latency=MS      wait before answering               rate=N   body bytes per second\n"
"  status=N        answer so                           code=S3CODE, region=R  in an XML body\n"
"  retry-after=S   location=URL                        header=NAME:VALUE\n"
"  file=PATH       body of the answer\n"
"  fault=          reset (before an answer), reset-body, stall (no answer), stall-headers (answer\n"
"                  line only), stall-body, short-body (closes early), truncate, long-body,\n"
"                  wrong-length (Content-Length too large), no-length, chunked, gzip (says so),\n"
"                  wrong-bytes, wrong-range (206)\n";

enum fault {
	FAULT_NONE, FAULT_RESET, FAULT_RESET_BODY, FAULT_STALL, FAULT_STALL_HEADERS, FAULT_STALL_BODY,
	FAULT_SHORT_BODY, FAULT_TRUNCATE, FAULT_LONG_BODY, FAULT_WRONG_LENGTH, FAULT_NO_LENGTH,
	FAULT_CHUNKED, FAULT_GZIP, FAULT_WRONG_BYTES, FAULT_WRONG_RANGE,
};

static const char *const fault_names[] = {
	"none", "reset", "reset-body", "stall", "stall-headers", "stall-body", "short-body", "truncate",
	"long-body", "wrong-length", "no-length", "chunked", "gzip", "wrong-bytes", "wrong-range",
};

struct rule {
	char path[128], method[8], code[48], region[32], location[200], header[200], file[200];
	long skip, count;		/* count: left, -1 without end */
	double prob;
	long latency_ms, rate, status, retry_after;
	enum fault fault;
};

enum conn_state {
	CONN_READ,			/* a request is coming in */
	CONN_WAIT,			/* until wake_ms, then answer */
	CONN_WRITE,			/* out[done..size) goes out */
	CONN_STALL,			/* nothing more, ever */
};

struct conn {
	int fd;
	enum conn_state state;
	char *in;			/* HEAD_MAX + body */
	size_t in_size, in_room;
	size_t head_size, body_size;	/* of the request, once known */
	char method[8], path[2048];	/* as it came, decoded, with its query */
	char file[1024];		/* the path without it */
	long range_from, range_to;	/* -1: none */
	struct rule rule;		/* copy of the one that matched */
	uint64_t wake_ms;
	uint64_t write_start_ms;
	char *out;
	size_t out_size, out_head, done;
	int status;
	size_t log_bytes;
	bool close_after, reset_after, stall_after, keep_alive;
};

static struct rule rules[MAX_RULES];
static unsigned int nr_rules;
static struct conn *conns[MAX_CONNS];
static unsigned int nr_conns;
static const char *root, *script_file;
static int log_fd = -1;
static bool writable;
static volatile sig_atomic_t stop, reread;
static uint64_t random_state = 1;

static void die(const char *what)
{
	fprintf(stderr, "cc-httpd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

/* xorshift64*: the same seed gives the same faults everywhere. */
static double next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return ((random_state * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

/* ---- rules ---- */

static bool parse_fault(struct rule *r, const char *value)
{
	for (size_t i = 0; i < sizeof(fault_names) / sizeof(fault_names[0]); i++) {
		if (strcmp(fault_names[i], value))
			continue;
		r->fault = i;
		return true;
	}
	return false;
}

static bool parse_word(struct rule *r, const char *word)
{
	const struct { const char *name; char *text; size_t size; } texts[] = {
		{ "path", r->path, sizeof(r->path) },
		{ "method", r->method, sizeof(r->method) },
		{ "code", r->code, sizeof(r->code) },
		{ "region", r->region, sizeof(r->region) },
		{ "location", r->location, sizeof(r->location) },
		{ "header", r->header, sizeof(r->header) },
		{ "file", r->file, sizeof(r->file) },
	};
	const struct { const char *name; long *number; } numbers[] = {
		{ "skip", &r->skip }, { "count", &r->count }, { "latency", &r->latency_ms },
		{ "rate", &r->rate }, { "status", &r->status }, { "retry-after", &r->retry_after },
	};
	const char *value = strchr(word, '=');
	size_t len;

	if (!value)
		return false;
	len = value++ - word;
	if (len == 5 && !strncmp(word, "fault", 5))
		return parse_fault(r, value);
	if (len == 4 && !strncmp(word, "prob", 4))
		return sscanf(value, "%lf", &r->prob) == 1;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strlen(texts[i].name) == len && !strncmp(word, texts[i].name, len))
			return snprintf(texts[i].text, texts[i].size, "%s", value) < (int)texts[i].size;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strlen(numbers[i].name) == len && !strncmp(word, numbers[i].name, len))
			return sscanf(value, "%ld", numbers[i].number) == 1;
	return false;
}

/* Replaces all rules; text is changed.  On a mistake the old ones stay. */
static bool parse_rules(char *text)
{
	struct rule new_rules[MAX_RULES];
	unsigned int n = 0;
	char *line, *word, *save_line, *save_word;

	for (line = strtok_r(text, "\n", &save_line); line; line = strtok_r(NULL, "\n", &save_line)) {
		struct rule *r = &new_rules[n];

		word = strtok_r(line, " \t\r", &save_word);
		if (!word || *word == '#')
			continue;
		if (n == MAX_RULES)
			return false;
		*r = (struct rule){ .count = -1, .prob = 1, .retry_after = -1 };
		for (; word; word = strtok_r(NULL, " \t\r", &save_word)) {
			if (parse_word(r, word))
				continue;
			fprintf(stderr, "cc-httpd: rule: unknown word \"%s\"\n", word);
			return false;
		}
		n++;
	}
	memcpy(rules, new_rules, n * sizeof(rules[0]));
	nr_rules = n;
	return true;
}

static void read_script(void)
{
	char text[65536];
	ssize_t n;
	int fd;

	if (!script_file)
		return;
	fd = open(script_file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die(script_file);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		die(script_file);
	text[n] = '\0';
	if (!parse_rules(text))
		exit(2);
}

/* Leaves an empty rule in c->rule if none matches. */
static void match_rule(struct conn *c)
{
	memset(&c->rule, 0, sizeof(c->rule));
	c->rule.retry_after = -1;
	for (unsigned int i = 0; i < nr_rules; i++) {
		struct rule *r = &rules[i];

		if ((*r->path && !strstr(c->path, r->path)) ||
		    (*r->method && strcmp(r->method, c->method)) || !r->count)
			continue;
		if (r->skip > 0) {
			r->skip--;
			continue;
		}
		if (r->prob < 1 && next_random() >= r->prob)
			continue;
		if (r->count > 0)
			r->count--;
		c->rule = *r;
		return;
	}
}

/* ---- connections ---- */

static void log_request(const struct conn *c)
{
	struct timespec ts;
	char line[sizeof(c->path) + 100];
	int n;

	clock_gettime(CLOCK_REALTIME, &ts);
	n = snprintf(line, sizeof(line), "%lld.%03ld %s %s %d %zu\n", (long long)ts.tv_sec,
		     ts.tv_nsec / 1000000, c->method, c->path, c->status, c->log_bytes);
	if (log_fd >= 0 && write(log_fd, line, n) < 0)
		die("log");
}

static void close_conn(unsigned int i, bool reset)
{
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	struct conn *c = conns[i];

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(c->fd);
	free(c->in);
	free(c->out);
	free(c);
	conns[i] = conns[--nr_conns];
}

static void accept_conn(int listener)
{
	const int one = 1;
	struct conn *c;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	c = nr_conns < MAX_CONNS ? calloc(1, sizeof(*c)) : NULL;
	if (!c) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fd = fd;
	conns[nr_conns++] = c;
}

/* ---- answers ---- */

struct body {
	char *data;
	size_t size;
};

/* The file below base; returns 0 or an HTTP status. */
static int read_body(const char *base, const char *path, struct body *b)
{
	char name[PATH_MAX];
	struct stat st;
	size_t done = 0;
	int fd;

	if (strstr(path, "/../") || snprintf(name, sizeof(name), "%s%s", base, path) >= PATH_MAX)
		return 400;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? 403 : 404;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return 404;
	}
	b->data = malloc(st.st_size + 1);
	if (!b->data)
		die("memory");
	while (done < (size_t)st.st_size) {
		ssize_t n = read(fd, b->data + done, st.st_size - done);

		if (n <= 0)
			break;
		done += n;
	}
	close(fd);
	b->size = done;
	return 0;
}

static void error_body(struct conn *c, struct body *b)
{
	const struct rule *r = &c->rule;

	b->size = 0;
	if (!*r->code && !*r->region)
		return;
	if (asprintf(&b->data, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code>"
		     "<Message>told to &amp; did</Message>%s%s%s</Error>", r->code,
		     *r->region ? "<Region>" : "", r->region, *r->region ? "</Region>" : "") < 0)
		die("memory");
	b->size = strlen(b->data);
}

/* One chunk of everything, and the last one. */
static void make_chunked(struct body *b)
{
	char *data = malloc(b->size + 64);
	int n;

	if (!data)
		die("memory");
	n = sprintf(data, "%zx\r\n", b->size);
	memcpy(data + n, b->data, b->size);
	memcpy(data + n + b->size, "\r\n0\r\n\r\n", 7);
	free(b->data);
	b->data = data;
	b->size += n + 7;
}

static void lengthen(struct body *b)
{
	char *data = realloc(b->data, b->size + 1000);

	if (!data)
		die("memory");
	memset(data + b->size, 'x', 1000);
	b->data = data;
	b->size += 1000;
}

/* Changes the body, and what is done after it, as the fault wants; returns the length to tell. */
static long apply_fault(struct conn *c, struct body *b)
{
	switch (c->rule.fault) {
	case FAULT_TRUNCATE:
		b->size /= 2;
		return b->size;
	case FAULT_LONG_BODY:
		lengthen(b);
		return b->size;
	case FAULT_WRONG_BYTES:
		if (b->size)
			b->data[b->size / 2] ^= 1;
		return b->size;
	case FAULT_WRONG_LENGTH:
		c->close_after = true;
		return b->size + 10;
	case FAULT_NO_LENGTH:
		c->close_after = true;
		return -1;
	case FAULT_CHUNKED:
		make_chunked(b);
		return -2;
	case FAULT_SHORT_BODY:
	case FAULT_STALL_BODY:
	case FAULT_RESET_BODY: {
		size_t told = b->size;

		b->size /= 2;
		c->close_after = c->rule.fault == FAULT_SHORT_BODY;
		c->reset_after = c->rule.fault == FAULT_RESET_BODY;
		c->stall_after = c->rule.fault == FAULT_STALL_BODY;
		return told;
	}
	default:
		return b->size;
	}
}

static const char *status_text(int status)
{
	return status < 300 ? "OK" : status < 400 ? "Redirect" : status < 500 ? "Refused" : "Trouble";
}

static int append_headers(struct conn *c, char *h, size_t size, size_t total, long length)
{
	const struct rule *r = &c->rule;
	time_t now = time(NULL);
	char date[40], *p = h, *end = h + size;
	struct tm tm;

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	p += snprintf(p, end - p, "HTTP/1.1 %d %s\r\nDate: %s\r\nServer: cc-httpd\r\n", c->status,
		      status_text(c->status), date);
	if (length >= 0)
		p += snprintf(p, end - p, "Content-Length: %ld\r\n", length);
	else if (length == -2)
		p += snprintf(p, end - p, "Transfer-Encoding: chunked\r\n");
	if (r->retry_after >= 0)
		p += snprintf(p, end - p, "Retry-After: %ld\r\n", r->retry_after);
	if (*r->location)
		p += snprintf(p, end - p, "Location: %s\r\n", r->location);
	if (*r->header)
		p += snprintf(p, end - p, "%s\r\n", r->header);
	if (r->fault == FAULT_GZIP)
		p += snprintf(p, end - p, "Content-Encoding: gzip\r\n");
	if (c->status == 206)
		p += snprintf(p, end - p, "Content-Range: bytes %ld-%ld/%zu\r\n",
			      c->range_from < 0 ? 0 : c->range_from,
			      (c->range_from < 0 ? 0 : c->range_from) + length - 1, total);
	if (!c->keep_alive || c->close_after)
		p += snprintf(p, end - p, "Connection: close\r\n");
	p += snprintf(p, end - p, "\r\n");
	return p - h;
}

static void send_answer(struct conn *c, struct body *b, size_t total)
{
	char head[2048];
	long length = apply_fault(c, b);
	int n = append_headers(c, head, sizeof(head), total, length);

	if (!strcmp(c->method, "HEAD"))
		b->size = 0;
	c->out = malloc(n + b->size);
	if (!c->out)
		die("memory");
	memcpy(c->out, head, n);
	if (b->size)
		memcpy(c->out + n, b->data, b->size);
	c->out_head = n;
	c->out_size = n + b->size;
	c->done = 0;
	c->log_bytes = b->size;
	c->write_start_ms = now_ms();
	c->state = CONN_WRITE;
	if (c->rule.fault == FAULT_STALL_HEADERS) {
		c->out_size = (char *)memchr(c->out, '\n', n) + 1 - c->out;
		c->stall_after = true;
	}
}

static int store_file(struct conn *c)
{
	char name[PATH_MAX], tmp[PATH_MAX + 8], *slash;
	int fd;

	if (strstr(c->file, "/../") || snprintf(name, sizeof(name), "%s%s", root, c->file) >= PATH_MAX)
		return 400;
	for (slash = strchr(name + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(name, 0755);
		*slash = '/';
	}
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return 500;
	if (write(fd, c->in + c->head_size, c->body_size) != (ssize_t)c->body_size ||
	    rename(tmp, name)) {
		close(fd);
		return 500;
	}
	close(fd);
	return 200;
}

static int change(struct conn *c)
{
	char name[PATH_MAX];

	if (!strcmp(c->file, SCRIPT_PATH)) {
		c->in[c->head_size + c->body_size] = '\0';
		return parse_rules(c->in + c->head_size) ? 200 : 400;
	}
	if (!writable)
		return 405;
	if (!strcmp(c->method, "PUT"))
		return store_file(c);
	if (strstr(c->file, "/../") || snprintf(name, sizeof(name), "%s%s", root, c->file) >= PATH_MAX)
		return 400;
	return unlink(name) && errno != ENOENT ? 500 : 204;
}

/* Cuts the body down to the range that was asked for, if it was. */
static void cut_range(struct conn *c, struct body *b)
{
	long last = b->size - 1;

	if (c->rule.fault == FAULT_WRONG_RANGE) {
		c->status = 206;
		c->range_from = 0;
		b->size /= 2;
		return;
	}
	if (c->range_from < 0 || c->range_from > last)
		return;
	if (c->range_to >= 0 && c->range_to < last)
		last = c->range_to;
	b->size = last - c->range_from + 1;
	memmove(b->data, b->data + c->range_from, b->size);
	c->status = 206;
}

static void answer(struct conn *c)
{
	struct body b = { NULL, 0 };
	bool reads = !strcmp(c->method, "GET") || !strcmp(c->method, "HEAD");
	size_t total;

	c->status = c->rule.status;
	if (!c->status && !reads)
		c->status = change(c);
	if (*c->rule.file) {
		c->status = c->status ? c->status : 200;
		if (read_body("", c->rule.file, &b))
			die(c->rule.file);
	} else if (!c->status) {
		c->status = read_body(root, c->file, &b);
		if (!c->status)
			c->status = 200;
	} else if (c->status >= 300) {
		error_body(c, &b);
	} else if (reads) {
		read_body(root, c->file, &b);
	}
	total = b.size;
	if (c->status == 200 && reads)
		cut_range(c, &b);
	send_answer(c, &b, total);
	free(b.data);
}

/* ---- requests ---- */

static void decode_path(const char *from, size_t len, char *to, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < size - 1; i++) {
		unsigned int c;

		if (from[i] == '%' && i + 2 < len && sscanf(from + i + 1, "%2x", &c) == 1) {
			to[n++] = c;
			i += 2;
		} else {
			to[n++] = from[i];
		}
	}
	to[n] = '\0';
}

static const char *find_header(const struct conn *c, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = c->in; p && p < c->in + c->head_size; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncasecmp(p, name, n) && p[n] == ':')
			return p + n + 1 + strspn(p + n + 1, " ");
	}
	return NULL;
}

/* Takes a whole request out of c->in.  Returns 0: more is needed, 1: there it is, -1: nonsense. */
static int parse_request(struct conn *c)
{
	const char *path, *end, *value;
	char *stop_at;
	long length = 0;

	c->in[c->in_size] = '\0';
	stop_at = strstr(c->in, "\r\n\r\n");
	if (!stop_at)
		return c->in_size >= HEAD_MAX ? -1 : 0;
	c->head_size = stop_at + 4 - c->in;
	value = find_header(c, "Content-Length");
	if (value && (sscanf(value, "%ld", &length) != 1 || length < 0 || length > BODY_MAX))
		return -1;
	c->body_size = length;
	if (c->in_size < c->head_size + c->body_size)
		return 0;
	if (sscanf(c->in, "%7s", c->method) != 1)
		return -1;
	path = strchr(c->in, ' ');
	end = path ? strchr(path + 1, ' ') : NULL;
	if (!end || path[1] != '/')
		return -1;
	decode_path(path + 1, end - path - 1, c->path, sizeof(c->path));
	snprintf(c->file, sizeof(c->file), "%.*s", (int)strcspn(c->path, "?"), c->path);
	c->range_from = c->range_to = -1;
	value = find_header(c, "Range");
	if (value)
		sscanf(value, "bytes=%ld-%ld", &c->range_from, &c->range_to);
	value = find_header(c, "Connection");
	c->keep_alive = !value || strncasecmp(value, "close", 5);
	return 1;
}

/* Returns false: close. */
static bool begin(struct conn *c, bool *ret_reset)
{
	int r = parse_request(c);

	if (r <= 0)
		return !r;
	if (strcmp(c->file, SCRIPT_PATH))
		match_rule(c);
	else
		memset(&c->rule, 0, sizeof(c->rule));
	c->close_after = c->reset_after = c->stall_after = false;
	if (c->rule.fault == FAULT_RESET) {
		c->status = c->log_bytes = 0;
		log_request(c);
		*ret_reset = true;
		return false;
	}
	if (c->rule.fault == FAULT_STALL) {
		c->status = c->log_bytes = 0;
		log_request(c);
		c->state = CONN_STALL;
		return true;
	}
	c->wake_ms = now_ms() + c->rule.latency_ms;
	c->state = CONN_WAIT;
	if (!c->rule.latency_ms)
		answer(c);
	return true;
}

static bool on_readable(struct conn *c, bool *ret_reset)
{
	ssize_t n;

	if (c->in_room - c->in_size < 65536) {
		size_t room = c->in_room ? c->in_room * 2 : 131072;
		char *in = room <= 2 * (BODY_MAX + HEAD_MAX) ? realloc(c->in, room + 1) : NULL;

		if (!in)
			return false;
		c->in = in;
		c->in_room = room;
	}
	n = read(c->fd, c->in + c->in_size, c->in_room - c->in_size);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	c->in_size += n;
	return c->state == CONN_READ ? begin(c, ret_reset) : true;
}

/* How many bytes may go out now at the rule's rate. */
static size_t allowance(const struct conn *c)
{
	size_t left = c->out_size - c->done, allowed;

	if (!c->rule.rate)
		return left;
	allowed = c->out_head + (now_ms() - c->write_start_ms) * c->rule.rate / 1000;
	allowed = allowed > c->done ? allowed - c->done : 0;
	return allowed < left ? allowed : left;
}

/* Ready for the next request, which may have come already. */
static bool next_request(struct conn *c, bool *ret_reset)
{
	size_t used = c->head_size + c->body_size;

	free(c->out);
	c->out = NULL;
	memmove(c->in, c->in + used, c->in_size - used);
	c->in_size -= used;
	c->state = CONN_READ;
	return !c->in_size || begin(c, ret_reset);
}

static bool on_writable(struct conn *c, bool *ret_reset)
{
	size_t size = allowance(c);
	ssize_t n = size ? send(c->fd, c->out + c->done, size, MSG_NOSIGNAL) : 0;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	c->done += n;
	if (c->done < c->out_size)
		return true;
	log_request(c);
	*ret_reset = c->reset_after;
	if (c->stall_after) {
		c->state = CONN_STALL;
		return true;
	}
	if (c->close_after || c->reset_after || !c->keep_alive)
		return false;
	return next_request(c, ret_reset);
}

/* ---- the loop ---- */

static short events_of(const struct conn *c)
{
	switch (c->state) {
	case CONN_WRITE:
		return c->rule.rate && !allowance(c) ? 0 : POLLOUT;
	case CONN_WAIT:
		return POLLRDHUP;
	default:
		return POLLIN;
	}
}

static int poll_timeout(void)
{
	uint64_t now = now_ms(), next = now + 1000;

	for (unsigned int i = 0; i < nr_conns; i++) {
		const struct conn *c = conns[i];

		if (c->state == CONN_WAIT && c->wake_ms < next)
			next = c->wake_ms < now ? now : c->wake_ms;
		if (c->state == CONN_WRITE && c->rule.rate && now + 2 < next)
			next = now + 2;
	}
	return next - now;
}

static void serve_conn(unsigned int i, short events)
{
	struct conn *c = conns[i];
	bool alive = true, reset = false;

	if (c->state == CONN_WAIT && events & (POLLERR | POLLHUP | POLLRDHUP)) {
		/* Who asked has left: the request is logged now, not when its delay is over. */
		c->status = c->log_bytes = 0;
		log_request(c);
		alive = false;
	} else if (events & (POLLERR | POLLHUP | POLLNVAL)) {
		alive = false;
	} else if (c->state == CONN_WAIT && now_ms() >= c->wake_ms) {
		answer(c);
	} else if (c->state == CONN_WRITE && (events & POLLOUT)) {
		alive = on_writable(c, &reset);
	} else if (events & POLLIN) {
		alive = on_readable(c, &reset);
	}
	if (!alive)
		close_conn(i, reset);
}

static void serve(int listener)
{
	static struct pollfd fds[MAX_CONNS + 1];

	while (!stop) {
		unsigned int n = nr_conns;

		if (reread) {
			reread = 0;
			read_script();
		}
		fds[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
		for (unsigned int i = 0; i < n; i++)
			fds[i + 1] = (struct pollfd){ .fd = conns[i]->fd, .events = events_of(conns[i]) };
		if (poll(fds, n + 1, poll_timeout()) < 0 && errno != EINTR)
			die("poll");
		/* Backwards, as closing one puts the last in its place. */
		for (unsigned int i = n; i--; )
			serve_conn(i, fds[i + 1].revents);
		if (fds[0].revents & POLLIN)
			accept_conn(listener);
	}
}

/* ---- start ---- */

static void on_signal(int number)
{
	if (number == SIGHUP)
		reread = 1;
	else
		stop = 1;
}

static int listen_on(unsigned int port, const char *port_file)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char tmp[PATH_MAX];
	FILE *f;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 512) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		die("listen");
	if (!port_file)
		return fd;
	/* Renamed, so that a reader who waits for the file never sees it empty. */
	snprintf(tmp, sizeof(tmp), "%s.tmp", port_file);
	f = fopen(tmp, "we");
	if (!f || fprintf(f, "%u\n", ntohs(addr.sin_port)) < 0 || fclose(f) || rename(tmp, port_file))
		die(port_file);
	return fd;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "root", required_argument, NULL, 'r' }, { "port", required_argument, NULL, 'p' },
		{ "port-file", required_argument, NULL, 'P' }, { "log", required_argument, NULL, 'l' },
		{ "script", required_argument, NULL, 's' }, { "seed", required_argument, NULL, 'S' },
		{ "writable", no_argument, NULL, 'w' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const struct sigaction act = { .sa_handler = on_signal };
	const char *port_file = NULL, *log_file = NULL;
	unsigned int port = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'r':
			root = optarg;
			break;
		case 'p':
			port = atoi(optarg);
			break;
		case 'P':
			port_file = optarg;
			break;
		case 'l':
			log_file = optarg;
			break;
		case 's':
			script_file = optarg;
			break;
		case 'S':
			random_state = strtoull(optarg, NULL, 10) * 2 + 1;
			break;
		case 'w':
			writable = true;
			break;
		default:
			fputs(usage_text, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (!root || optind < argc) {
		fputs(usage_text, stderr);
		return 2;
	}
	if (log_file) {
		log_fd = open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (log_fd < 0)
			die(log_file);
	}
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	read_script();
	serve(listen_on(port, port_file));
	while (nr_conns)
		close_conn(0, false);
	return 0;
}
