// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Commands, run here or in the spawner's process; see spawner.h.  The two talk by datagrams: a
 * request is the time and the command, a reply the outcome and what was printed.
 */
#include "spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <openssl/crypto.h>

#include "clock.h"

#define COMMAND_MAX	1024		/* with its NUL */
#define OUTPUT_MAX	(64 << 10)
#define GRACE_MS	5000		/* for the spawner's own work */

struct request {
	uint32_t number;
	uint32_t timeout_ms;
	char command[COMMAND_MAX];
};

struct reply {
	uint32_t number;		/* the request's: one that came too late is thrown away */
	int32_t error;			/* -errno of the spawner's own work */
	int32_t status;			/* of the command, as of waitpid() */
	uint32_t size;
	char out[OUTPUT_MAX];
};

/* ---- a child ---- */

static int set_attributes(posix_spawnattr_t *a)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	return posix_spawnattr_setsigmask(a, &none) || posix_spawnattr_setsigdefault(a, &all) ||
	       posix_spawnattr_setpgroup(a, 0) ||
	       posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					POSIX_SPAWN_SETPGROUP) ? -ENOMEM : 0;
}

static int set_files(posix_spawn_file_actions_t *f, int out)
{
	return posix_spawn_file_actions_addopen(f, STDIN_FILENO, "/dev/null", O_RDONLY, 0) ||
	       posix_spawn_file_actions_adddup2(f, out, STDOUT_FILENO) ||
	       posix_spawn_file_actions_addopen(f, STDERR_FILENO, "/dev/null", O_WRONLY, 0) ?
	       -ENOMEM : 0;
}

/* All other descriptors of this project are closed by the exec. */
static int start_child(const char *command, int out, pid_t *ret_pid)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)command, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int r;

	if (posix_spawn_file_actions_init(&files))
		return -ENOMEM;
	if (posix_spawnattr_init(&attributes)) {
		posix_spawn_file_actions_destroy(&files);
		return -ENOMEM;
	}
	r = set_attributes(&attributes);
	if (!r)
		r = set_files(&files, out);
	if (!r)
		r = -posix_spawn(ret_pid, "/bin/sh", &files, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return r;
}

/* Reads until the other end is closed, or -ETIMEDOUT, or -EFBIG. */
static int read_output(int fd, uint64_t deadline_ns, char *out, uint32_t *ret_size)
{
	uint32_t size = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = cc_now_ns();
		ssize_t n;

		if (now >= deadline_ns)
			return -ETIMEDOUT;
		n = poll(&p, 1, (deadline_ns - now) / CC_MS + 1);
		if (n <= 0)
			continue;
		n = read(fd, out + size, OUTPUT_MAX - size);
		if (n < 0)
			return -errno;
		size += n;
		if (!n) {
			*ret_size = size;
			return 0;
		}
		if (size == OUTPUT_MAX)
			return -EFBIG;
	}
}

/* What has closed its output may still take its time to exit. */
static int end_child(pid_t pid, uint64_t deadline_ns, int *ret_status)
{
	struct pollfd p = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	uint64_t now = cc_now_ns();
	int r = 0;

	if (p.fd < 0 || now >= deadline_ns || poll(&p, 1, (deadline_ns - now) / CC_MS + 1) <= 0) {
		kill(-pid, SIGKILL);
		r = -ETIMEDOUT;
	}
	if (p.fd >= 0)
		close(p.fd);
	while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
		;
	return r;
}

static void run_command(const struct request *q, struct reply *a)
{
	uint64_t deadline_ns = cc_now_ns() + q->timeout_ms * CC_MS;
	int fds[2], ended;
	pid_t pid;

	a->number = q->number;
	a->size = 0;
	a->status = 0;
	a->error = pipe2(fds, O_CLOEXEC) ? -errno : 0;
	if (a->error)
		return;
	a->error = start_child(q->command, fds[1], &pid);
	close(fds[1]);
	if (!a->error) {
		a->error = read_output(fds[0], deadline_ns, a->out, &a->size);
		ended = end_child(pid, a->error ? 0 : deadline_ns, &a->status);
		a->error = a->error ? a->error : ended;
	}
	close(fds[0]);
}

/* ---- the spawner ---- */

static struct {
	pthread_mutex_t lock;		/* one command at a time */
	int fd;				/* -1: there is no spawner */
} spawner = { PTHREAD_MUTEX_INITIALIZER, -1 };

static struct request request;
static struct reply reply;

static size_t reply_size(const struct reply *a)
{
	return offsetof(struct reply, out) + a->size;
}

/* The spawner's process, until the socket is closed at the other end. */
static void serve_commands(int fd)
{
	prctl(PR_SET_NAME, "chunkcached-run");
	while (recv(fd, &request, sizeof(request), 0) == sizeof(request)) {
		run_command(&request, &reply);
		if (send(fd, &reply, reply_size(&reply), MSG_NOSIGNAL) < 0)
			break;
		OPENSSL_cleanse(&reply, sizeof(reply));
	}
	_exit(EXIT_SUCCESS);
}

int cc_spawner_start(void)
{
	int fds[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds))
		return -errno;
	pid = fork();
	if (pid < 0) {
		r = -errno;
		close(fds[0]);
		close(fds[1]);
		return r;
	}
	if (!pid) {
		close(fds[0]);
		serve_commands(fds[1]);
	}
	close(fds[1]);
	spawner.fd = fds[0];
	return 0;
}

/* Called with the lock held. */
static int ask_spawner(void)
{
	const struct timeval limit = { .tv_sec = (request.timeout_ms + GRACE_MS) / 1000 };
	ssize_t n;

	setsockopt(spawner.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(spawner.fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		return -EPIPE;
	do {
		n = recv(spawner.fd, &reply, sizeof(reply), 0);
	} while (n >= (ssize_t)offsetof(struct reply, out) && reply.number != request.number);
	return n >= (ssize_t)offsetof(struct reply, out) && (size_t)n == reply_size(&reply) ? 0 : -EPIPE;
}

/* ---- what became of it ---- */

static int judge_reply(char *err, size_t errlen)
{
	int status = reply.status;

	if (reply.error == -ETIMEDOUT)
		snprintf(err, errlen, "credential_process: not done within %u s", request.timeout_ms / 1000);
	else if (reply.error)
		snprintf(err, errlen, "credential_process: %s", strerror(-reply.error));
	else if (WIFSIGNALED(status))
		snprintf(err, errlen, "credential_process: killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status))
		snprintf(err, errlen, "credential_process: it ended with status %d", WEXITSTATUS(status));
	else
		return 0;
	return reply.error ? reply.error : -EIO;
}

int cc_spawn(const char *command, unsigned int timeout_ms, char *out, size_t out_max,
	     size_t *ret_size, char *err, size_t errlen)
{
	int r;

	pthread_mutex_lock(&spawner.lock);
	request.number++;
	request.timeout_ms = timeout_ms;
	if (snprintf(request.command, COMMAND_MAX, "%s", command) >= COMMAND_MAX) {
		snprintf(err, errlen, "credential_process: expected at most %d characters", COMMAND_MAX - 1);
		r = -EINVAL;
	} else if (spawner.fd < 0) {
		run_command(&request, &reply);
		r = judge_reply(err, errlen);
	} else if (ask_spawner()) {
		snprintf(err, errlen, "credential_process: the process that starts it has ended; restart the helper");
		r = -EPIPE;
	} else {
		r = judge_reply(err, errlen);
	}
	if (!r && reply.size > out_max)
		r = -EFBIG;
	if (!r) {
		memcpy(out, reply.out, reply.size);
		*ret_size = reply.size;
	}
	OPENSSL_cleanse(&reply, sizeof(reply));
	pthread_mutex_unlock(&spawner.lock);
	return r;
}
