// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An HTTP/1.1 server for tests: serves a directory on loopback addresses, misbehaves on request,
 * and takes its time like an object store (httpd/rule.h, httpd/model.h).  One thread, one epoll loop.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "httpd/list.h"
#include "httpd/rule.h"

#define MAX_ADDRESSES	16
#define MAX_CONNS	2048
#define HEAD_MAX	16384
#define BODY_MAX	(64 << 20)
#define SCRIPT_PATH	"/.script"
#define STATS_PATH	"/.stats"
#define SLOW_HEADERS_MS	50
#define READ_STEP	4096		/* of --read-rate */

static const char usage_text[] =
"usage: cc-httpd --root DIR [options]\n"
"  --address A     listen on A, a 127.x.x.x; repeatable; default 127.0.0.1\n"
"  --port N        and port N; default 0: any, see --port-file\n"
"  --port-file F   write the port there once connections are taken\n"
"  --log F         append a line per request: time method path status bytes address\n"
"  --script F      rules, see below; SIGHUP reads them again\n"
"  --seed N        for prob= and model=\n"
"  --writable      take PUT and DELETE, and list as S3 does (ListObjectsV2, path style)\n"
"  --read-rate N   take in N bytes per second of each connection\n"
"PUT " SCRIPT_PATH " with rules as its body replaces the rules.  GET " STATS_PATH " gives lines NAME N:\n"
"gets (of anything else), seconds (those by model= that were second legs), given-up (by the\n"
"client, before the first byte), bytes (of bodies sent), connections.\n";

enum conn_state {
	CONN_READ,			/* a request is coming in */
	CONN_WAIT,			/* until its timer, then answer */
	CONN_WRITE,			/* out[done..size) goes out, then file_left bytes of file_fd */
	CONN_STALL,			/* nothing more, ever */
};

struct conn {
	int fd;
	unsigned int index;		/* in conns */
	enum conn_state state;
	uint32_t events;		/* that epoll looks for */
	char address[16];		/* that it came to */
	char *in;			/* HEAD_MAX + body */
	size_t in_size, in_room;
	size_t head_size, body_size;	/* of the request, once known */
	char method[8], path[2048];	/* as it came, decoded, with its query */
	char file[1024];		/* the path without it */
	long range_from, range_to;	/* -1: none */
	struct rule rule;		/* copy of the one that matched */
	bool modelled;			/* object is to be given to model_end() */
	uint32_t object;
	uint64_t latency_us;		/* until the first byte */
	double rate;			/* bytes of the body per second, 0: all at once */
	uint64_t write_start_us;
	char *out;
	size_t out_size, out_head, done;
	int file_fd;			/* -1: none */
	off_t file_pos;
	size_t file_left;
	size_t sent;			/* of both */
	size_t loop_from;		/* out is sent again from there, for ever; 0: it is not */
	int status;
	size_t log_bytes;
	bool in_request;		/* it has begun and is not logged yet */
	bool close_after, reset_after, stall_after, keep_alive;
};

static struct conn *conns[MAX_CONNS];
static uint64_t wake_us[MAX_CONNS];	/* of conns: when a timer ends its state, 0: never */
static unsigned int nr_conns;
static struct { uint64_t gets, seconds, given_up, bytes, connections; } stats;
static const char *root, *script_file;
static int log_fd = -1, epoll_fd = -1;
static bool writable;
static long read_rate;
static uint64_t seed;
static volatile sig_atomic_t stop, reread;

static void die(const char *what)
{
	fprintf(stderr, "cc-httpd: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static uint64_t now_ms(void)
{
	return now_us() / 1000;
}

/* ---- rules ---- */

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
	if (!rules_parse(text, now_ms()))
		exit(2);
}

/* ---- connections ---- */

static void log_request(const struct conn *c)
{
	struct timespec ts;
	char line[sizeof(c->path) + 120];
	int n;

	clock_gettime(CLOCK_REALTIME, &ts);
	n = snprintf(line, sizeof(line), "%lld.%03ld %s %s %d %zu %s\n", (long long)ts.tv_sec,
		     ts.tv_nsec / 1000000, c->method, c->path, c->status, c->log_bytes, c->address);
	if (log_fd >= 0 && write(log_fd, line, n) < 0)
		die("log");
}

/* The request was answered, never will be, or who asked has left. */
static void end_request(struct conn *c)
{
	if (!c->in_request)
		return;
	c->in_request = false;
	if (c->modelled)
		model_end(c->object);
	c->modelled = false;
	stats.bytes += c->log_bytes;
	log_request(c);
}

static void drop_answer(struct conn *c)
{
	free(c->out);
	c->out = NULL;
	if (c->file_fd >= 0)
		close(c->file_fd);
	c->file_fd = -1;
	c->file_left = 0;
}

static void close_conn(struct conn *c, bool reset)
{
	const struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	unsigned int last = --nr_conns;

	end_request(c);
	drop_answer(c);
	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(c->fd);
	conns[c->index] = conns[last];
	conns[c->index]->index = c->index;
	wake_us[c->index] = wake_us[last];
	free(c->in);
	free(c);
}

/* Data is looked for while an answer waits, too: who asks has nothing to say then but that it leaves. */
static void look_for(struct conn *c, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (c->events == events)
		return;
	if (epoll_ctl(epoll_fd, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e))
		die("epoll_ctl");
	c->events = events;
}

static bool accept_conn(int listener)
{
	const int one = 1;
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);
	struct conn *c;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return false;
	c = nr_conns < MAX_CONNS ? calloc(1, sizeof(*c)) : NULL;
	if (!c || getsockname(fd, (struct sockaddr *)&addr, &len)) {
		free(c);
		close(fd);
		return true;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	inet_ntop(AF_INET, &addr.sin_addr, c->address, sizeof(c->address));
	c->fd = fd;
	c->file_fd = -1;
	c->index = nr_conns++;
	conns[c->index] = c;
	wake_us[c->index] = 0;
	stats.connections++;
	look_for(c, EPOLLIN | EPOLLRDHUP);
	return true;
}

/* ---- answers ---- */

struct body {
	char *data;			/* NULL: at pos of fd */
	size_t size;
	int fd;				/* -1: none */
	off_t pos;
};

/* The file below base; returns 0 or an HTTP status. */
static int open_body(const char *base, const char *path, struct body *b)
{
	char name[PATH_MAX];
	struct stat st;
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
	*b = (struct body){ .size = st.st_size, .fd = fd };
	return 0;
}

/* Takes it into memory, where faults may change it. */
static void load_body(struct body *b)
{
	size_t done = 0;

	if (b->data || b->fd < 0)
		return;
	b->data = malloc(b->size + 1);
	if (!b->data)
		die("memory");
	while (done < b->size) {
		ssize_t n = pread(b->fd, b->data + done, b->size - done, b->pos + done);

		if (n <= 0)
			break;
		done += n;
	}
	b->size = done;
	close(b->fd);
	b->fd = -1;
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

/* One chunk of everything, and the last one; then the trailer, lines that have their ends. */
static void make_chunked(struct body *b, const char *trailer)
{
	char *data = malloc(b->size + 64 + strlen(trailer));
	int n;

	if (!data)
		die("memory");
	n = sprintf(data, "%zx\r\n", b->size);
	memcpy(data + n, b->data, b->size);
	n += sprintf(data + n + b->size, "\r\n0\r\n%s\r\n", trailer);
	free(b->data);
	b->data = data;
	b->size += n;
}

static int range_line(const struct conn *c, long length, size_t total, char *line, size_t size)
{
	long from = c->range_from < 0 ? 0 : c->range_from;

	return snprintf(line, size, "Content-Range: bytes %ld-%ld/%zu\r\n", from, from + length - 1, total);
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
static long apply_fault(struct conn *c, struct body *b, size_t total)
{
	char line[100] = "";
	size_t told = b->size;
	size_t at = c->rule.at >= 0 && (size_t)c->rule.at < told ? (size_t)c->rule.at : told / 2;

	switch (c->rule.fault) {
	case FAULT_TRUNCATE:
		b->size = at;
		return b->size;
	case FAULT_LONG_BODY:
		lengthen(b);
		return b->size;
	case FAULT_WRONG_BYTES:
		if (b->size)
			b->data[at] ^= 1;
		return b->size;
	case FAULT_WRONG_LENGTH:
		c->close_after = true;
		return b->size + 10;
	case FAULT_NO_LENGTH:
		c->close_after = true;
		return -1;
	case FAULT_LATE_RANGE:
		if (c->status == 206)
			range_line(c, told, total, line, sizeof(line));
		/* fallthrough */
	case FAULT_CHUNKED:
	case FAULT_ENDLESS_TRAILERS:
		make_chunked(b, line);
		return -2;
	case FAULT_SHORT_BODY:
	case FAULT_STALL_BODY:
	case FAULT_RESET_BODY:
		b->size = at;
		c->close_after = c->rule.fault == FAULT_SHORT_BODY;
		c->reset_after = c->rule.fault == FAULT_RESET_BODY;
		c->stall_after = c->rule.fault == FAULT_STALL_BODY;
		return told;
	default:
		return told;
	}
}

/* Turns what is to be sent into what never ends. */
static void add_endless(struct conn *c)
{
	const char *line = c->rule.fault == FAULT_ENDLESS_INTERIM ?
			   "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n" :
			   "X-Much: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
	size_t len = strlen(line), lines = 500, keep = c->out_size;

	switch (c->rule.fault) {
	case FAULT_ENDLESS_HEADERS:
		keep = (char *)memchr(c->out, '\n', c->out_size) + 1 - c->out;
		break;
	case FAULT_ENDLESS_INTERIM:
		keep = 0;
		break;
	case FAULT_ENDLESS_TRAILERS:
		keep -= 2;	/* the empty line */
		break;
	default:
		return;
	}
	c->out_size = keep + lines * len;
	c->out = realloc(c->out, c->out_size);
	if (!c->out)
		die("memory");
	for (size_t i = 0; i < lines; i++)
		memcpy(c->out + keep + i * len, line, len);
	c->loop_from = c->out_size - lines * len / 2;	/* not 0 */
}

static const char *status_text(int status)
{
	return status < 300 ? "OK" : status < 400 ? "Redirect" : status < 500 ? "Refused" : "Trouble";
}

static int strip_returns(char *text, const char *end)
{
	char *to = text;

	for (const char *from = text; from < end; from++)
		if (*from != '\r')
			*to++ = *from;
	return to - text;
}

/* As S3 makes them. */
static int etag_line(const struct conn *c, char *line, size_t size)
{
	unsigned char md5[16];
	size_t n = 0;

	if (!EVP_Q_digest(NULL, "MD5", NULL, c->in + c->head_size, c->body_size, md5, &n))
		return 0;
	n = snprintf(line, size, "ETag: \"");
	for (size_t i = 0; i < sizeof(md5); i++)
		n += snprintf(line + n, size - n, "%02x", md5[i]);
	return n + snprintf(line + n, size - n, "\"\r\n");
}

static int append_headers(struct conn *c, char *h, size_t size, size_t total, long length)
{
	const struct rule *r = &c->rule;
	time_t now = time(NULL) + r->date;
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
	if (c->status == 200 && !strcmp(c->method, "PUT") && strncasecmp(r->header, "ETag:", 5))
		p += etag_line(c, p, end - p);
	if (r->fault == FAULT_GZIP)
		p += snprintf(p, end - p, "Content-Encoding: gzip\r\n");
	if (c->status == 206 && r->fault != FAULT_LATE_RANGE)
		p += range_line(c, length, total, p, end - p);
	if (!c->keep_alive || c->close_after)
		p += snprintf(p, end - p, "Connection: close\r\n");
	p += snprintf(p, end - p, "\r\n");
	return r->fault == FAULT_BARE_NEWLINES ? strip_returns(h, p) : p - h;
}

static bool changes_body(enum fault fault)
{
	return fault != FAULT_NONE && fault != FAULT_GZIP && fault != FAULT_SLOW_HEADERS &&
	       fault != FAULT_STALL_HEADERS && fault != FAULT_IGNORE_RANGE &&
	       fault != FAULT_BARE_NEWLINES && fault != FAULT_ENDLESS_HEADERS &&
	       fault != FAULT_ENDLESS_INTERIM;
}

/* Takes the body over. */
static void send_answer(struct conn *c, struct body *b, size_t total)
{
	char head[2048] = "";
	long length;
	int n;

	if (changes_body(c->rule.fault))
		load_body(b);
	length = apply_fault(c, b, total);
	n = append_headers(c, head, sizeof(head), total, length);
	if (!strcmp(c->method, "HEAD"))
		b->size = 0;
	c->file_fd = b->fd;
	c->file_pos = b->pos;
	c->file_left = b->fd >= 0 ? b->size : 0;
	c->out_head = n;
	c->out_size = n + (b->data ? b->size : 0);
	c->out = malloc(c->out_size);
	if (!c->out)
		die("memory");
	memcpy(c->out, head, n);
	if (b->data)
		memcpy(c->out + n, b->data, b->size);
	free(b->data);
	c->done = c->sent = c->loop_from = 0;
	add_endless(c);
	c->write_start_us = now_us();
	c->state = CONN_WRITE;
	if (c->rule.fault == FAULT_STALL_HEADERS) {
		c->out_size = (char *)memchr(c->out, '\n', n) + 1 - c->out;
		c->file_left = 0;
		c->stall_after = true;
	}
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

static int store_file(struct conn *c)
{
	char name[PATH_MAX], tmp[PATH_MAX + 8], *slash;
	const char *condition;
	int fd;

	if (strstr(c->file, "/../") || snprintf(name, sizeof(name), "%s%s", root, c->file) >= PATH_MAX)
		return 400;
	condition = find_header(c, "If-None-Match");
	if (condition && *condition == '*' && !c->rule.blind && !access(name, F_OK))
		return 412;
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
		return rules_parse(c->in + c->head_size, now_ms()) ? 200 : 400;
	}
	if (!writable)
		return 405;
	if (!strcmp(c->method, "PUT"))
		return store_file(c);
	if (strstr(c->file, "/../") || snprintf(name, sizeof(name), "%s%s", root, c->file) >= PATH_MAX)
		return 400;
	return unlink(name) && errno != ENOENT ? 500 : 204;
}

static void stats_body(struct body *b)
{
	int n = asprintf(&b->data, "gets %llu\nseconds %llu\ngiven-up %llu\nbytes %llu\nconnections %llu\n",
			 (unsigned long long)stats.gets, (unsigned long long)stats.seconds,
			 (unsigned long long)stats.given_up, (unsigned long long)stats.bytes,
			 (unsigned long long)stats.connections);

	if (n < 0)
		die("memory");
	b->size = n;
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
	if (c->range_from < 0 || c->range_from > last || c->rule.fault == FAULT_IGNORE_RANGE)
		return;
	if (c->range_to >= 0 && c->range_to < last)
		last = c->range_to;
	b->size = last - c->range_from + 1;
	b->pos = c->range_from;
	if (b->data)
		memmove(b->data, b->data + c->range_from, b->size);
	c->status = 206;
}

/* What the rules have not decided already. */
static void find_body(struct conn *c, struct body *b, bool reads)
{
	if (*c->rule.file) {
		c->status = c->status ? c->status : 200;
		if (open_body("", c->rule.file, b))
			die(c->rule.file);
	} else if (!strcmp(c->file, STATS_PATH)) {
		c->status = 200;
		stats_body(b);
	} else if (!c->status && writable && list_is_asked(c->path)) {
		c->status = 200;
		b->data = list_objects(root, c->path, &b->size);
		if (!b->data)
			die("list");
	} else if (!c->status) {
		c->status = open_body(root, c->file, b);
		if (!c->status)
			c->status = 200;
	} else if (c->status >= 300 || *c->rule.code) {
		error_body(c, b);
	} else if (reads) {
		open_body(root, c->file, b);
	}
}

static void answer(struct conn *c)
{
	bool reads = !strcmp(c->method, "GET") || !strcmp(c->method, "HEAD");
	struct body b = { .fd = -1 };
	size_t total;

	c->status = c->rule.status;
	if (!c->status && !reads)
		c->status = change(c);
	find_body(c, &b, reads);
	total = b.size;
	if (c->status == 200 && reads)
		cut_range(c, &b);
	send_answer(c, &b, total);
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

/* A store's latency in the place of the rule's. */
static void draw_latency(struct conn *c)
{
	struct model_draw d;

	if (c->rule.model.kind == MODEL_NONE || strcmp(c->method, "GET"))
		return;
	d = model_begin(&c->rule.model, seed, c->path, &c->object);
	c->modelled = true;
	c->latency_us = d.first_byte_ms * 1000;
	c->rate = d.rate;
	stats.seconds += d.second;
}

/* It gets no answer at all. */
static void leave_unanswered(struct conn *c)
{
	c->status = 0;
	c->state = CONN_STALL;
	end_request(c);
}

/* Returns false: close. */
static bool begin(struct conn *c, bool *ret_reset)
{
	int r = parse_request(c);

	if (r <= 0)
		return !r;
	c->rule = (struct rule){ .retry_after = -1, .at = -1 };
	if (strcmp(c->file, SCRIPT_PATH) && strcmp(c->file, STATS_PATH)) {
		c->rule = rules_match(c->method, c->path, c->in, c->address, now_ms());
		stats.gets += !strcmp(c->method, "GET");
	}
	if (c->rule.done && strcmp(c->method, "GET") && strcmp(c->method, "HEAD"))
		change(c);
	c->close_after = c->reset_after = c->stall_after = false;
	c->in_request = true;
	c->status = c->log_bytes = 0;
	c->latency_us = c->rule.latency_ms * 1000;
	c->rate = c->rule.rate;
	draw_latency(c);
	*ret_reset = c->rule.fault == FAULT_RESET;
	if (*ret_reset)
		return false;
	if (c->rule.fault == FAULT_STALL) {
		leave_unanswered(c);
		return true;
	}
	c->state = CONN_WAIT;
	wake_us[c->index] = now_us() + c->latency_us;
	return true;
}

static bool on_readable(struct conn *c, bool *ret_reset)
{
	ssize_t n;

	if (c->in_room - c->in_size < 16384) {
		size_t room = c->in_room ? c->in_room * 2 : 2 * HEAD_MAX;
		char *in = room <= 2 * (BODY_MAX + HEAD_MAX) ? realloc(c->in, room + 1) : NULL;

		if (!in)
			return false;
		c->in = in;
		c->in_room = room;
	}
	n = read(c->fd, c->in + c->in_size, read_rate ? READ_STEP : c->in_room - c->in_size);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n && read_rate) {
		wake_us[c->index] = now_us() + n * 1000000ULL / read_rate;
		look_for(c, EPOLLRDHUP);
	}
	if (!n)
		return false;
	c->in_size += n;
	return begin(c, ret_reset);
}

/* ---- writing ---- */

static size_t left_to_write(const struct conn *c)
{
	return c->out_size - c->done + c->file_left;
}

/*
 * How many bytes may go out now at the rule's rate; if it is none, when there are some: not one by
 * one, but what the rate gives in 5 ms, at most 64 KiB.
 */
static size_t allowance(const struct conn *c, uint64_t *ret_due_us)
{
	size_t left = left_to_write(c), step = c->rate / 200 + 1, gone = c->sent, allowed;
	uint64_t age = now_us() - c->write_start_us;

	if (c->rule.fault == FAULT_SLOW_HEADERS && gone < c->out_head) {
		*ret_due_us = c->write_start_us + (gone + 1) * SLOW_HEADERS_MS * 1000ULL;
		return age >= gone * SLOW_HEADERS_MS * 1000ULL ? 1 : 0;
	}
	if (c->rate <= 0)
		return left;
	allowed = c->out_head + age * c->rate / 1e6;
	allowed = allowed > gone ? allowed - gone : 0;
	step = step > 65536 ? 65536 : step;
	step = step > left ? left : step;
	*ret_due_us = c->write_start_us + (gone + step - c->out_head) * 1e6 / c->rate + 1;
	if (gone >= c->out_head && allowed < step)
		return 0;
	return allowed < left ? allowed : left;
}

static void count_written(struct conn *c, size_t n)
{
	if (c->done < c->out_size)
		c->done += n;
	else
		c->file_left -= n;
	c->sent += n;
	c->log_bytes = c->sent > c->out_head ? c->sent - c->out_head : 0;
}

static ssize_t write_some(struct conn *c, size_t size)
{
	size_t head = c->out_size - c->done;

	if (!head)
		return sendfile(c->fd, c->file_fd, &c->file_pos, size);
	if (size < head)
		head = size;
	return send(c->fd, c->out + c->done, head, MSG_NOSIGNAL | (size > head ? MSG_MORE : 0));
}

/* Ready for the next request, which may have come already. */
static bool next_request(struct conn *c, bool *ret_reset)
{
	size_t used = c->head_size + c->body_size;

	drop_answer(c);
	memmove(c->in, c->in + used, c->in_size - used);
	c->in_size -= used;
	c->state = CONN_READ;
	return !c->in_size || begin(c, ret_reset);
}

/* All is out.  Returns false: close. */
static bool answered(struct conn *c, bool *ret_reset)
{
	end_request(c);
	*ret_reset = c->reset_after;
	if (c->stall_after) {
		c->state = CONN_STALL;
		return true;
	}
	if (c->close_after || c->reset_after || !c->keep_alive)
		return false;
	return next_request(c, ret_reset);
}

/* Writes what may go; leaves a time, or the socket to wait for. */
static bool go_on_writing(struct conn *c, bool *ret_reset)
{
	wake_us[c->index] = 0;
	while (left_to_write(c)) {
		uint64_t due = 0;
		size_t size = allowance(c, &due);
		ssize_t n = size ? write_some(c, size) : 0;

		if (!size) {
			wake_us[c->index] = due;
			look_for(c, EPOLLIN | EPOLLRDHUP);
			return true;
		}
		if (n < 0 && errno == EAGAIN) {
			look_for(c, EPOLLOUT | EPOLLRDHUP);
			return true;
		}
		if (n <= 0)
			return false;
		count_written(c, n);
		if (c->loop_from && c->done == c->out_size) {
			c->done = c->loop_from;
			wake_us[c->index] = now_us();	/* others shall have their turn */
			return true;
		}
	}
	look_for(c, EPOLLIN | EPOLLRDHUP);
	return answered(c, ret_reset);
}

/* ---- the loop ---- */

static void serve_conn(struct conn *c, uint32_t events)
{
	bool alive = true, reset = false;

	if (c->state == CONN_READ && events & EPOLLIN) {
		alive = on_readable(c, &reset);
	} else if (events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) {
		/* Who asked has left: the request is logged now, not when its delay is over. */
		stats.given_up += c->state == CONN_WAIT;
		alive = false;
	} else if (events & EPOLLIN) {
		/* The next request, too early: it waits in the socket. */
		look_for(c, EPOLLRDHUP);
	} else if (c->state == CONN_WRITE && events & EPOLLOUT) {
		alive = go_on_writing(c, &reset);
	}
	if (!alive)
		close_conn(c, reset);
}

static void wake_conn(struct conn *c)
{
	bool reset = false;

	wake_us[c->index] = 0;
	if (c->state == CONN_READ)
		look_for(c, EPOLLIN | EPOLLRDHUP);
	if (c->state == CONN_WAIT)
		answer(c);
	if (c->state == CONN_WRITE && !go_on_writing(c, &reset))
		close_conn(c, reset);
}

/* Those whose time has come; returns when the next one's does. */
static uint64_t run_timers(void)
{
	uint64_t now = now_us(), next = now + 1000000;

	/* Backwards, as closing one puts the last in its place. */
	for (unsigned int i = nr_conns; i--; )
		if (wake_us[i] && wake_us[i] <= now)
			wake_conn(conns[i]);
	for (unsigned int i = 0; i < nr_conns; i++)
		if (wake_us[i] && wake_us[i] < next)
			next = wake_us[i];
	return next;
}

static void serve(const int *listeners, unsigned int nr)
{
	struct epoll_event events[256];

	while (!stop) {
		uint64_t next = run_timers(), now = now_us();
		const struct timespec ts = { .tv_nsec = next > now ? (next - now) * 1000 : 0 };
		const struct timespec second = { .tv_sec = 1 };
		int n;

		if (reread) {
			reread = 0;
			read_script();
		}
		n = epoll_pwait2(epoll_fd, events, 256, next > now + 999999 ? &second : &ts, NULL);
		if (n < 0 && errno != EINTR)
			die("epoll_pwait2");
		for (int i = 0; i < n; i++)
			if (events[i].data.ptr)
				serve_conn(events[i].data.ptr, events[i].events);
		for (unsigned int i = 0; n > 0 && i < nr; i++)
			while (accept_conn(listeners[i]))
				;
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

/* Port 0 is any; *port is the one that was taken. */
static int listen_on(const char *address, unsigned int *port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(*port) };
	struct epoll_event e = { .events = EPOLLIN };
	socklen_t len = sizeof(addr);
	const int one = 1, small = 4 * READ_STEP;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (inet_pton(AF_INET, address, &addr.sin_addr) != 1 || ntohl(addr.sin_addr.s_addr) >> 24 != 127) {
		errno = EINVAL;
		die(address);
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (read_rate)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 512) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) ||
	    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e))
		die(address);
	*port = ntohs(addr.sin_port);
	return fd;
}

/* Renamed, so that a reader who waits for the file never sees it empty. */
static void write_port(const char *file, unsigned int port)
{
	char tmp[PATH_MAX];
	FILE *f;

	snprintf(tmp, sizeof(tmp), "%s.tmp", file);
	f = fopen(tmp, "we");
	if (!f || fprintf(f, "%u\n", port) < 0 || fclose(f) || rename(tmp, file))
		die(file);
}

static void run(const char *const *addresses, unsigned int nr, unsigned int port, const char *port_file)
{
	int listeners[MAX_ADDRESSES];

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		die("epoll");
	for (unsigned int i = 0; i < nr; i++)
		listeners[i] = listen_on(addresses[i], &port);
	if (port_file)
		write_port(port_file, port);
	serve(listeners, nr);
	while (nr_conns)
		close_conn(conns[0], false);
}

static int usage(int status)
{
	fprintf(status ? stderr : stdout, "%s%s", usage_text, rule_usage);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "address", required_argument, NULL, 'a' },
		{ "root", required_argument, NULL, 'r' }, { "port", required_argument, NULL, 'p' },
		{ "port-file", required_argument, NULL, 'P' }, { "log", required_argument, NULL, 'l' },
		{ "script", required_argument, NULL, 's' }, { "seed", required_argument, NULL, 'S' },
		{ "read-rate", required_argument, NULL, 'R' }, { "writable", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const struct sigaction act = { .sa_handler = on_signal };
	const char *addresses[MAX_ADDRESSES] = { "127.0.0.1" };
	const char *port_file = NULL, *log_file = NULL;
	unsigned int port = 0, nr_addresses = 0;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'a':
			if (nr_addresses == MAX_ADDRESSES) {
				fprintf(stderr, "cc-httpd: --address: expected at most %d\n", MAX_ADDRESSES);
				return 2;
			}
			addresses[nr_addresses++] = optarg;
			break;
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
			seed = strtoull(optarg, NULL, 10);
			rules_seed(seed);
			break;
		case 'R':
			read_rate = atol(optarg);
			break;
		case 'w':
			writable = true;
			break;
		default:
			return usage(option == 'h' ? 0 : 2);
		}
	}
	if (!root || optind < argc)
		return usage(2);
	if (log_file) {
		log_fd = open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (log_fd < 0)
			die(log_file);
	}
	signal(SIGPIPE, SIG_IGN); /* who has read enough may close */
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	read_script();
	run(addresses, nr_addresses ? nr_addresses : 1, port, port_file);
	return 0;
}
