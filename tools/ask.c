// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One request to a helper, one answer; see ask.h.
 */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"

#define ANSWER_MAX (16 << 20)

uint64_t ctl_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

const char *ctl_string(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "-";
}

/* Where the pool's configuration says, if it has one that can be read. */
static int socket_path(const char *pool, char *path, size_t size)
{
	char file[256], err[256];
	struct cc_config *c = malloc(sizeof(*c));
	int n;

	snprintf(file, sizeof(file), CC_CONFIG_DIR "/%s.conf", pool);
	if (c && !access(file, R_OK) && !cc_config_load(file, c, err, sizeof(err))) {
		n = snprintf(path, size, "%s", c->control_socket);
		cc_config_free(c);
	} else {
		n = snprintf(path, size, CC_RUN_DIR "/%s.sock", pool);
	}
	free(c);
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

static int connect_helper(const char *pool, unsigned int seconds, pid_t *ret_pid)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = seconds };
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd, r = socket_path(pool, a.sun_path, sizeof(a.sun_path));

	if (r)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		r = -errno;
		close(fd);
		return r;
	}
	/* Of who has called listen(): known also when it does not run. */
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		*ret_pid = peer.pid;
	return fd;
}

/* One line, without its newline, malloc()ed. */
static int read_line(int fd, char **ret_line)
{
	size_t size = 0, room = 0;
	char *line = NULL, *grown;
	ssize_t n;

	do {
		if (size == room) {
			room = room ? room * 2 : 4096;
			grown = room > ANSWER_MAX ? NULL : realloc(line, room + 1);
			if (!grown) {
				free(line);
				return -ENOMEM;
			}
			line = grown;
		}
		n = recv(fd, line + size, room - size, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(line);
			return n ? -errno : -ECONNRESET;
		}
		size += n;
	} while (!size || line[size - 1] != '\n');
	line[size - 1] = 0;
	*ret_line = line;
	return 0;
}

static int exchange(int fd, const char *command, json_t *args, char **ret_line)
{
	json_t *request = args ? args : json_object();
	char *text;
	size_t n;
	int r = -ENOMEM;

	json_object_set_new(request, "v", json_integer(1));
	json_object_set_new(request, "cmd", json_string(command));
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!text)
		return r;
	n = strlen(text);
	text[n] = '\n';		/* instead of the NUL */
	r = send(fd, text, n + 1, MSG_NOSIGNAL) == (ssize_t)n + 1 ? 0 : -errno;
	free(text);
	return r ? r : read_line(fd, ret_line);
}

static json_t *ask_failed(struct ctl_asked *a, int r)
{
	switch (r) {
	case -ENOENT:
	case -ECONNREFUSED:
		a->result = CTL_ASK_ABSENT;
		strcpy(a->why, "not running");
		break;
	case -EAGAIN:
		a->result = CTL_ASK_SILENT;
		strcpy(a->why, "does not answer");
		break;
	default:
		a->result = CTL_ASK_TROUBLE;
		snprintf(a->why, sizeof(a->why), "%s", strerror(-r));
	}
	return NULL;
}

json_t *ctl_ask(const char *pool, const char *command, json_t *args, unsigned int seconds,
		struct ctl_asked *ret_asked)
{
	char *line = NULL;
	json_t *answer;
	int r, fd;

	memset(ret_asked, 0, sizeof(*ret_asked));
	fd = connect_helper(pool, seconds, &ret_asked->pid);
	if (fd < 0) {
		json_decref(args);
		return ask_failed(ret_asked, fd);
	}
	r = exchange(fd, command, args, &line);
	close(fd);
	if (r)
		return ask_failed(ret_asked, r);
	answer = json_loads(line, 0, NULL);
	free(line);
	if (!json_is_object(answer)) {
		ret_asked->result = CTL_ASK_TROUBLE;
		strcpy(ret_asked->why, "its answer is no JSON object");
	} else if (json_object_get(answer, "error")) {
		ret_asked->result = CTL_ASK_REFUSED;
		snprintf(ret_asked->why, sizeof(ret_asked->why), "%s", ctl_string(answer, "error"));
	}
	if (ret_asked->result) {
		json_decref(answer);
		return NULL;
	}
	return answer;
}
