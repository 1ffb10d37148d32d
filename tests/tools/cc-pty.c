// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cc-pty [--size COLUMNSxROWS] [--key SECONDS:KEYS]... COMMAND [ARGUMENT]...
 *
 * Runs a command on a terminal of its own, presses keys at times since its start, and copies what
 * it shows to stdout; ends with its status.  For what programs do on a terminal only.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_KEYS 32

struct key {
	double at;
	const char *text;
};

static struct key keys[MAX_KEYS];
static unsigned int nr_keys;

static void die(const char *what)
{
	fprintf(stderr, "cc-pty: %s\n", what);
	exit(2);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void add_key(char *arg)
{
	char *text = strchr(arg, ':');

	if (!text || nr_keys == MAX_KEYS)
		die("--key: expected SECONDS:KEYS");
	*text = 0;
	keys[nr_keys++] = (struct key) { atof(arg), text + 1 };
}

/* The next key that is due, in milliseconds; -1: there is none. */
static int press(int fd, double start)
{
	static unsigned int next;
	double left;

	for (; next < nr_keys; next++) {
		left = keys[next].at - (now() - start);
		if (left > 0)
			return (int)(left * 1000) + 1;
		if (write(fd, keys[next].text, strlen(keys[next].text)) < 0)
			return -1;
	}
	return -1;
}

/* Until the command has closed its side. */
static void serve(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	double start = now();
	char buf[4096];
	ssize_t n;

	for (;;) {
		if (poll(&p, 1, press(fd, start)) <= 0)
			continue;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return;
		fwrite(buf, 1, (size_t)n, stdout);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "key", required_argument, NULL, 'k' },
		{ 0 }
	};
	struct winsize size = { .ws_col = 80, .ws_row = 24 };
	int c, fd, status;
	pid_t pid;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'k')
			add_key(optarg);
		else if (c != 's' || sscanf(optarg, "%hux%hu", &size.ws_col, &size.ws_row) != 2)
			die("usage: cc-pty [--size CxR] [--key SECONDS:KEYS]... COMMAND...");
	}
	if (optind == argc)
		die("expected a command");
	pid = forkpty(&fd, NULL, NULL, &size);
	if (pid < 0)
		die(strerror(errno));
	if (!pid) {
		execvp(argv[optind], argv + optind);
		_exit(127);
	}
	serve(fd);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
