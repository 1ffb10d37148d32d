// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The control socket; see control.h.  Owns listener and clients; what commands mean is the caller's.
 */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "json-text.h"
#include "list.h"
#include "listen.h"
#include "log.h"

#define LISTEN_AGAIN_NS	(1 * CC_SECOND)

struct client {
	struct cc_watch watch;
	struct cc_control *control;
	struct cc_list node;
	char *in;			/* CC_CONTROL_LINE_MAX bytes */
	size_t in_len;
	char *out;			/* reply under way, NULL: none */
	size_t out_len, out_pos;
	bool ended;			/* sends no more: goes with the last reply */
};

struct cc_control {
	struct cc_watch watch;
	struct cc_loop *loop;
	char *path;
	cc_control_fn *fn;
	void *arg;
	struct cc_list clients;
	unsigned int nr_clients;
	int spare;			/* a descriptor to give up when there are no others */
	uint64_t listen_due_ns;		/* to try again, if it does not listen */
	int error;			/* why it does not, as told */
};

static void free_control_client(struct client *client)
{
	cc_loop_remove(client->control->loop, &client->watch);
	close(client->watch.fd);
	cc_list_del(&client->node);
	client->control->nr_clients--;
	free(client->in);
	free(client->out);
	free(client);
}

/* ---- replies ---- */

static char *reply_text(json_t *reply)
{
	char *text = json_dumps(reply, JSON_COMPACT), *line;

	json_decref(reply);
	if (!text)
		return NULL;
	line = realloc(text, strlen(text) + 2);
	if (!line) {
		free(text);
		return NULL;
	}
	strcat(line, "\n");
	return line;
}

static json_t *error_reply(const char *err)
{
	/* It may quote what was sent. */
	return json_pack("{s:i, s:o}", "v", CC_CONTROL_VERSION, "error", cc_json_text(err));
}

static json_t *serve_command(struct cc_control *c, const char *line, size_t len)
{
	json_error_t je;
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &je), *reply;
	const char *cmd;
	char err[256] = "out of memory";

	if (!request) {
		snprintf(err, sizeof(err), "not a JSON object: %s", je.text);
		return error_reply(err);
	}
	cmd = json_string_value(json_object_get(request, "cmd"));
	if (json_integer_value(json_object_get(request, "v")) != CC_CONTROL_VERSION) {
		reply = error_reply("v: expected 1");
	} else if (!cmd) {
		reply = error_reply("cmd: expected a string");
	} else {
		reply = c->fn(c->arg, cmd, request, err, sizeof(err));
		if (reply)
			json_object_set_new(reply, "v", json_integer(CC_CONTROL_VERSION));
		else
			reply = error_reply(err);
	}
	json_decref(request);
	return reply;
}

/* Send what the socket takes now.  False: the client is gone. */
static bool flush_out(struct client *client)
{
	while (client->out && client->out_pos < client->out_len) {
		ssize_t n = send(client->watch.fd, client->out + client->out_pos, client->out_len - client->out_pos,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN &&
			       !cc_loop_modify(client->control->loop, &client->watch, EPOLLOUT);
		client->out_pos += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	return true;
}

static bool answer_request(struct client *client, json_t *reply)
{
	client->out = reply ? reply_text(reply) : NULL;
	if (!client->out)
		return false;
	client->out_len = strlen(client->out);
	client->out_pos = 0;
	return flush_out(client);
}

/* Answer whole lines, one reply at a time.  False: the client is to go. */
static bool take_lines(struct client *client)
{
	while (!client->out) {
		char *end = memchr(client->in, '\n', client->in_len);
		size_t len;

		if (!end)
			break;
		len = (size_t)(end - client->in) + 1;
		if (!answer_request(client, serve_command(client->control, client->in, len - 1)))
			return false;
		client->in_len -= len;
		memmove(client->in, client->in + len, client->in_len);
	}
	if (!client->out && client->in_len == CC_CONTROL_LINE_MAX) {
		answer_request(client, error_reply("line is longer than 65536 bytes"));
		return false;
	}
	return true;
}

/* A line without its end is one, too.  False: nothing is left to be sent. */
static bool client_ended(struct client *client)
{
	size_t len = client->in_len;

	client->ended = true;
	client->in_len = 0;
	return len && answer_request(client, serve_command(client->control, client->in, len)) && client->out;
}

static bool read_control_client(struct client *client)
{
	ssize_t n = recv(client->watch.fd, client->in + client->in_len,
			 CC_CONTROL_LINE_MAX - client->in_len, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (!n)
		return client_ended(client);
	client->in_len += (size_t)n;
	return take_lines(client);
}

static void on_control_client(struct cc_watch *w, uint32_t events)
{
	struct client *client = cc_list_entry(w, struct client, watch);
	bool alive = true;

	if (client->out) {
		alive = !(events & (EPOLLERR | EPOLLHUP)) && flush_out(client);
		/* While a reply was under way nothing was read. */
		if (alive && !client->out)
			alive = take_lines(client);
		if (alive && !client->out)
			alive = !client->ended && !cc_loop_modify(client->control->loop, w, EPOLLIN);
	} else {
		alive = read_control_client(client);
	}
	if (!alive)
		free_control_client(client);
}

/* ---- clients ---- */

static void refuse(int fd)
{
	static const char text[] = "{\"v\":1,\"error\":\"too many clients\"}\n";

	(void)!send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static struct client *new_control_client(struct cc_control *c, int fd)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		return NULL;
	client->in = malloc(CC_CONTROL_LINE_MAX);
	client->control = c;
	client->watch.fd = fd;
	client->watch.fn = on_control_client;
	if (!client->in || cc_loop_add(c->loop, &client->watch, EPOLLIN)) {
		free(client->in);
		free(client);
		return NULL;
	}
	cc_list_init(&client->node);
	cc_list_add_tail(&c->clients, &client->node);
	c->nr_clients++;
	return client;
}

static int spare_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Out of descriptors: a client that is left waiting would wake the loop again and again. */
static void turn_away(struct cc_control *c)
{
	int fd;

	if (c->spare >= 0)
		close(c->spare);
	fd = accept4(c->watch.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0)
		refuse(fd);
	c->spare = spare_open();
}

static void on_control_listener(struct cc_watch *w, uint32_t events)
{
	struct cc_control *c = cc_list_entry(w, struct cc_control, watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		turn_away(c);
		return;
	}
	if (fd < 0)
		return;
	if (c->nr_clients >= CC_CONTROL_CLIENTS_MAX)
		refuse(fd);
	else if (!new_control_client(c, fd))
		close(fd);
}

/* ---- the socket ---- */

static int open_listener(struct cc_control *c, pid_t *ret_owner)
{
	int r = cc_listen_path(c->path, CC_CONTROL_CLIENTS_MAX, ret_owner);

	if (r < 0)
		return r;
	c->watch.fd = r;
	c->watch.fn = on_control_listener;
	r = cc_loop_add(c->loop, &c->watch, EPOLLIN);
	if (!r)
		return 0;
	unlink(c->path);
	close(c->watch.fd);
	c->watch.fd = -1;
	return r;
}

/* Reads do not wait for who wants to look at the helper: it goes on without, and tries again. */
static void listen_later(struct cc_control *c, uint64_t now_ns, int error)
{
	if (error != c->error)
		cc_log(LOG_WARNING, "%s: no control socket there yet: %s", c->path, strerror(-error));
	c->error = error;
	c->listen_due_ns = now_ns + LISTEN_AGAIN_NS;
}

int cc_control_open(struct cc_loop *loop, const char *path, cc_control_fn *fn, void *arg,
		    struct cc_control **ret_control, char *err, size_t errlen)
{
	struct cc_control *c = calloc(1, sizeof(*c));
	pid_t owner = 0;
	int r = -ENOMEM;

	if (!c)
		goto err_out;
	c->path = strdup(path);
	if (!c->path)
		goto err_free;
	c->loop = loop;
	c->fn = fn;
	c->arg = arg;
	c->watch.fd = -1;
	c->listen_due_ns = UINT64_MAX;
	cc_list_init(&c->clients);
	r = open_listener(c, &owner);
	if (r == -EADDRINUSE || r == -ENOTSOCK || r == -ENAMETOOLONG)
		goto err_path;
	if (r)
		listen_later(c, cc_now_ns(), r);
	c->spare = spare_open();
	*ret_control = c;
	return 0;
err_path:
	free(c->path);
err_free:
	free(c);
err_out:
	if (r == -EADDRINUSE)
		snprintf(err, errlen, "%s: another helper of this pool answers there (pid %d)", path, (int)owner);
	else
		snprintf(err, errlen, "%s: %s", path, strerror(-r));
	return r;
}

uint64_t cc_control_step(struct cc_control *c, uint64_t now_ns)
{
	pid_t owner;
	int r;

	if (now_ns < c->listen_due_ns)
		return c->listen_due_ns;
	r = open_listener(c, &owner);
	if (r) {
		listen_later(c, now_ns, r);
		return c->listen_due_ns;
	}
	cc_log(LOG_INFO, "%s: the control socket is there", c->path);
	c->listen_due_ns = UINT64_MAX;
	return UINT64_MAX;
}

void cc_control_close(struct cc_control *c)
{
	if (!c)
		return;
	while (!cc_list_empty(&c->clients))
		free_control_client(cc_list_entry(c->clients.next, struct client, node));
	if (c->watch.fd >= 0) {
		cc_loop_remove(c->loop, &c->watch);
		/* In this order: who comes next may bind the path as soon as nobody answers there. */
		unlink(c->path);
		close(c->watch.fd);
	}
	if (c->spare >= 0)
		close(c->spare);
	free(c->path);
	free(c);
}
