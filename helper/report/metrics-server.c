// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Metrics over HTTP; see metrics-server.h.  Owns listeners, clients and texts; what is in a text
 * is the caller's.
 *
 *	client	what is waited for		-> next
 *	READ	the request			WRITE
 *	WRITE	room to send the answer		LINGER
 *	LINGER	the client to close		gone: so that what it still sends does not make the
 *						kernel throw the answer away
 */
#include "metrics-server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "list.h"
#include "listen.h"
#include "log.h"

#define LISTEN_AGAIN_NS	(10 * CC_SECOND)
#define LINGER_NS	(2 * CC_SECOND)

/* One making of the metrics, kept by the server and by those it is sent to. */
struct body {
	unsigned int refs;
	char *text;
	size_t len;
};

struct listener {
	struct cc_watch watch;		/* fd -1: not open */
	struct cc_metrics_server *server;
	bool port;			/* of the loopback; else a path */
	struct cc_list clients;		/* the longest there first */
	unsigned int nr_clients;
};

enum client_state { CLIENT_READ, CLIENT_WRITE, CLIENT_LINGER };

struct client {
	struct cc_watch watch;
	struct listener *listener;
	struct cc_list node;
	enum client_state state;
	uint64_t deadline_ns;
	size_t in_len;
	char head[512];
	size_t head_len, pos;		/* pos: sent of head and body together */
	struct body *body;		/* NULL: none */
	char in[CC_METRICS_REQUEST_MAX];
};

struct cc_metrics_server {
	struct cc_loop *loop;
	char *path;
	struct sockaddr_storage address;
	socklen_t address_len;		/* 0: no port */
	cc_metrics_fn *fn;
	void *arg;
	struct listener listeners[2];	/* the path's, the port's */
	uint64_t listen_due_ns;		/* to try those that are not open */
	struct body *texts[CC_METRICS_NR_FORMATS];
	uint64_t made_ns[CC_METRICS_NR_FORMATS];
};

/* ---- texts ---- */

static void body_put(struct body *b)
{
	if (!b || --b->refs)
		return;
	free(b->text);
	free(b);
}

static struct body *body_make(struct cc_metrics_server *s, enum cc_metrics_format format)
{
	struct body *b = calloc(1, sizeof(*b));
	struct cc_text t;

	if (!b)
		return NULL;
	cc_text_begin(&t, format);
	s->fn(s->arg, &t);
	if (cc_text_end(&t, &b->text, &b->len)) {
		free(b);
		return NULL;
	}
	b->refs = 1;
	return b;
}

/* With a reference; NULL: no memory. */
static struct body *body_get(struct cc_metrics_server *s, enum cc_metrics_format format)
{
	uint64_t now = cc_now_ns();

	if (!s->texts[format] || now - s->made_ns[format] >= CC_METRICS_TEXT_NS) {
		body_put(s->texts[format]);
		s->texts[format] = body_make(s, format);
		s->made_ns[format] = now;
	}
	if (s->texts[format])
		s->texts[format]->refs++;
	return s->texts[format];
}

/* Nobody asks any more: megabytes need not be kept until the next scrape. */
static uint64_t drop_old_texts(struct cc_metrics_server *s, uint64_t now_ns)
{
	uint64_t due = UINT64_MAX;

	for (int i = 0; i < CC_METRICS_NR_FORMATS; i++) {
		if (!s->texts[i])
			continue;
		if (now_ns - s->made_ns[i] >= CC_METRICS_TEXT_NS) {
			body_put(s->texts[i]);
			s->texts[i] = NULL;
		} else if (s->made_ns[i] + CC_METRICS_TEXT_NS < due) {
			due = s->made_ns[i] + CC_METRICS_TEXT_NS;
		}
	}
	return due;
}

/* ---- requests ---- */

/* The request's headers end with an empty line; its length, or 0 if that has not come yet. */
static size_t request_length(const char *in, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (in[i] != '\n')
			continue;
		if (i + 1 < len && in[i + 1] == '\n')
			return i + 2;
		if (i + 2 < len && in[i + 1] == '\r' && in[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

/* OpenMetrics is for who asks for it, as with other exporters. */
static enum cc_metrics_format wanted_format(const char *headers)
{
	const char *line = headers;

	while ((line = strchr(line, '\n'))) {
		size_t len = strcspn(++line, "\r\n");
		char value[512];

		if (strncasecmp(line, "accept:", 7) || len >= sizeof(value))
			continue;
		memcpy(value, line, len);
		value[len] = 0;
		if (strcasestr(value, "application/openmetrics-text"))
			return CC_METRICS_OPENMETRICS;
	}
	return CC_METRICS_PROMETHEUS;
}

/* The status of a request line, and whether the answer has a body. */
static int judge(const char *line, bool *ret_head)
{
	char method[16], target[256], version[16];

	if (sscanf(line, "%15[A-Z] %255[!-~] %15[!-~]", method, target, version) != 3 ||
	    strncmp(version, "HTTP/1.", 7))
		return 400;
	*ret_head = !strcmp(method, "HEAD");
	if (!*ret_head && strcmp(method, "GET"))
		return 405;
	return !strcmp(target, "/metrics") || !strncmp(target, "/metrics?", 9) ? 200 : 404;
}

static const char *status_line(int status)
{
	switch (status) {
	case 200:
		return "200 OK";
	case 400:
		return "400 Bad Request";
	case 404:
		return "404 Not Found";
	case 405:
		return "405 Method Not Allowed\r\nAllow: GET, HEAD";
	case 431:
		return "431 Request Header Fields Too Large";
	}
	return "503 Service Unavailable";
}

static const char *content_type(const struct client *client, enum cc_metrics_format format)
{
	if (!client->body)
		return "text/plain";
	return format == CC_METRICS_OPENMETRICS ?
		"application/openmetrics-text; version=1.0.0; charset=utf-8" :
		"text/plain; version=0.0.4; charset=utf-8";
}

/* The answer; the body, if it has one, belongs to the client already. */
static void answer(struct client *client, int status, enum cc_metrics_format format, bool head_only)
{
	time_t now = time(NULL);
	struct tm tm;
	char date[40];

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	client->head_len = (size_t)snprintf(client->head, sizeof(client->head),
		"HTTP/1.1 %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\n", status_line(status), date, content_type(client, format),
		client->body ? client->body->len : 0);
	if (head_only) {
		body_put(client->body);
		client->body = NULL;
	}
	client->pos = 0;
	client->state = CLIENT_WRITE;
}

static void serve(struct client *client, size_t len)
{
	enum cc_metrics_format format;
	bool head_only = false;
	int status;

	client->in[len - 1] = 0;
	/* A NUL in it would hide the rest: no text, no request. */
	status = strlen(client->in) == len - 1 ? judge(client->in, &head_only) : 400;
	format = wanted_format(client->in);
	if (status == 200) {
		client->body = body_get(client->listener->server, format);
		status = client->body ? 200 : 503;
	}
	answer(client, status, format, head_only);
}

/* ---- clients ---- */

static void client_free(struct client *client)
{
	cc_loop_remove(client->listener->server->loop, &client->watch);
	close(client->watch.fd);
	cc_list_del(&client->node);
	client->listener->nr_clients--;
	body_put(client->body);
	free(client);
}

/* The bytes from pos on that lie in one piece. */
static size_t next_piece(const struct client *client, const char **ret_piece)
{
	size_t in_body = client->pos - client->head_len;

	if (client->pos < client->head_len) {
		*ret_piece = client->head + client->pos;
		return client->head_len - client->pos;
	}
	if (!client->body || in_body >= client->body->len)
		return 0;
	*ret_piece = client->body->text + in_body;
	return client->body->len - in_body;
}

/* All was sent: the client sees the end and may close. */
static bool linger(struct client *client)
{
	uint64_t until = cc_now_ns() + LINGER_NS;

	body_put(client->body);
	client->body = NULL;
	client->state = CLIENT_LINGER;
	if (until < client->deadline_ns)
		client->deadline_ns = until;
	return !shutdown(client->watch.fd, SHUT_WR) &&
	       !cc_loop_modify(client->listener->server->loop, &client->watch, EPOLLIN);
}

/* These three return false if the client is to go. */
static bool client_write(struct client *client)
{
	const char *piece;
	size_t len;
	ssize_t n;

	while ((len = next_piece(client, &piece))) {
		n = send(client->watch.fd, piece, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return !cc_loop_modify(client->listener->server->loop, &client->watch, EPOLLOUT);
		if (n < 0 && errno != EINTR)
			return false;
		client->pos += n < 0 ? 0 : (size_t)n;
	}
	return linger(client);
}

static bool client_read(struct client *client)
{
	ssize_t n = recv(client->watch.fd, client->in + client->in_len,
			 sizeof(client->in) - client->in_len, MSG_DONTWAIT);
	size_t len;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return false;
	client->in_len += (size_t)n;
	len = request_length(client->in, client->in_len);
	if (len)
		serve(client, len);
	else if (client->in_len == sizeof(client->in))
		answer(client, 431, CC_METRICS_PROMETHEUS, false);
	else
		return true;
	return client_write(client);
}

static bool client_discard(struct client *client)
{
	ssize_t n = recv(client->watch.fd, client->in, sizeof(client->in), MSG_DONTWAIT);

	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void on_client(struct cc_watch *w, uint32_t events)
{
	static bool (*const handlers[])(struct client *client) = {
		[CLIENT_READ] = client_read,
		[CLIENT_WRITE] = client_write,
		[CLIENT_LINGER] = client_discard,
	};
	struct client *client = cc_list_entry(w, struct client, watch);

	if (!handlers[client->state](client))
		client_free(client);
}

static void client_new(struct listener *l, int fd)
{
	struct client *client = malloc(sizeof(*client));

	if (!client) {
		close(fd);
		return;
	}
	memset(client, 0, offsetof(struct client, in));
	client->watch.fd = fd;
	client->watch.fn = on_client;
	client->listener = l;
	client->deadline_ns = cc_now_ns() + CC_METRICS_CLIENT_NS;
	if (cc_loop_add(l->server->loop, &client->watch, EPOLLIN)) {
		close(fd);
		free(client);
		return;
	}
	cc_list_init(&client->node);
	cc_list_add_tail(&l->clients, &client->node);
	l->nr_clients++;
}

/* Who has been there longest without a request, or lingers, makes room; who is being answered does not. */
static bool make_room(struct listener *l)
{
	cc_list_each(n, &l->clients) {
		struct client *client = cc_list_entry(n, struct client, node);

		if (client->state == CLIENT_WRITE)
			continue;
		client_free(client);
		return true;
	}
	return false;
}

static void listener_stop(struct listener *l)
{
	if (l->watch.fd < 0)
		return;
	cc_loop_remove(l->server->loop, &l->watch);
	/* In this order: who comes next may bind the path as soon as nobody answers there. */
	if (!l->port)
		unlink(l->server->path);
	close(l->watch.fd);
	l->watch.fd = -1;
}

static void on_listener(struct cc_watch *w, uint32_t events)
{
	struct listener *l = cc_list_entry(w, struct listener, watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		/* Out of descriptors: who waits would wake the loop again and again. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			listener_stop(l);
			l->server->listen_due_ns = cc_now_ns() + LISTEN_AGAIN_NS;
		}
		return;
	}
	if (l->nr_clients < CC_METRICS_CLIENTS_MAX || make_room(l))
		client_new(l, fd);
	else
		close(fd);
}

/* ---- the server ---- */

static int try_listen(struct listener *l)
{
	struct cc_metrics_server *s = l->server;
	pid_t owner;
	int fd = l->port ? cc_listen_address(&s->address, s->address_len, CC_METRICS_CLIENTS_MAX) :
			   cc_listen_path(s->path, CC_METRICS_CLIENTS_MAX, &owner), r;

	if (fd < 0)
		return fd;
	l->watch.fd = fd;
	l->watch.fn = on_listener;
	r = cc_loop_add(s->loop, &l->watch, EPOLLIN);
	if (!r)
		return 0;
	close(fd);
	l->watch.fd = -1;
	return r;
}

static void open_listeners(struct cc_metrics_server *s, uint64_t now_ns, int level)
{
	s->listen_due_ns = UINT64_MAX;
	for (int i = 0; i < 2; i++) {
		struct listener *l = &s->listeners[i];
		int r;

		if (l->watch.fd >= 0 || (l->port && !s->address_len))
			continue;
		r = try_listen(l);
		if (!r)
			continue;
		s->listen_due_ns = now_ns + LISTEN_AGAIN_NS;
		cc_log(level, "%s: no metrics there: %s", l->port ? "metrics_listen" : s->path,
		       strerror(-r));
	}
}

int cc_metrics_open(struct cc_loop *loop, const struct cc_metrics_config *c,
		    struct cc_metrics_server **ret_server)
{
	struct cc_metrics_server *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->path = strdup(c->path);
	if (!s->path) {
		free(s);
		return -ENOMEM;
	}
	s->loop = loop;
	s->fn = c->fn;
	s->arg = c->arg;
	if (c->listen && cc_parse_loopback(c->listen, &s->address, &s->address_len))
		cc_log(LOG_ERR, "metrics_listen: %s is no address of the loopback", c->listen);
	for (int i = 0; i < 2; i++) {
		s->listeners[i].watch.fd = -1;
		s->listeners[i].server = s;
		s->listeners[i].port = i;
		cc_list_init(&s->listeners[i].clients);
	}
	open_listeners(s, cc_now_ns(), LOG_WARNING);
	*ret_server = s;
	return 0;
}

static void listener_close(struct listener *l)
{
	while (!cc_list_empty(&l->clients))
		client_free(cc_list_entry(l->clients.next, struct client, node));
	listener_stop(l);
}

void cc_metrics_close(struct cc_metrics_server *s)
{
	if (!s)
		return;
	for (int i = 0; i < 2; i++)
		listener_close(&s->listeners[i]);
	for (int i = 0; i < CC_METRICS_NR_FORMATS; i++)
		body_put(s->texts[i]);
	free(s->path);
	free(s);
}

uint64_t cc_metrics_step(struct cc_metrics_server *s, uint64_t now_ns)
{
	uint64_t due = drop_old_texts(s, now_ns);

	if (now_ns >= s->listen_due_ns)
		open_listeners(s, now_ns, LOG_DEBUG);
	if (s->listen_due_ns < due)
		due = s->listen_due_ns;
	for (int i = 0; i < 2; i++) {
		cc_list_each_safe(n, &s->listeners[i].clients) {
			struct client *client = cc_list_entry(n, struct client, node);

			if (now_ns >= client->deadline_ns)
				client_free(client);
			else if (client->deadline_ns < due)
				due = client->deadline_ns;
		}
	}
	return due;
}
