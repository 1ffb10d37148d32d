// SPDX-License-Identifier: GPL-2.0-or-later
/* Log lines as the journal gets them. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "log.h"
#include "tap.h"

static char text[4096];
static int pipe_fds[2], real_stderr;

/* What cc_log() wrote since the last call. */
static const char *logged(void)
{
	ssize_t n = read(pipe_fds[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* All that is read from the pipe until nothing comes for 300 ms. */
static size_t drain(char *to, size_t size)
{
	struct pollfd pfd = { .fd = pipe_fds[0], .events = POLLIN };
	size_t len = 0;

	while (len < size - 1 && poll(&pfd, 1, 300) > 0) {
		ssize_t n = read(pipe_fds[0], to + len, size - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	to[len] = 0;
	return len;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void on_alarm(int sig)
{
	static const char hangs[] = "not ok - it hangs\n";

	(void)sig;
	(void)!write(STDOUT_FILENO, hangs, sizeof(hangs) - 1);
	_exit(1);
}

/* Nobody reads: the pipe and the queue are full, and whoever logs goes on. */
static void test_stuck(void)
{
	static char all[1 << 20];
	unsigned int lost = 0, last = 0, n;
	uint64_t start = now_ms();
	char *line, *save = NULL;
	bool order = true;

	signal(SIGALRM, on_alarm);
	alarm(60);
	fcntl(pipe_fds[1], F_SETFL, 0);
	fcntl(pipe_fds[1], F_SETPIPE_SZ, 4096);
	ok(!cc_log_start(), "a thread writes");
	for (n = 1; n <= 2000; n++)
		cc_log(LOG_WARNING, "line %u %0100d", n, 0);
	ok(now_ms() - start < 5000, "2000 lines that nobody reads are logged in %u ms", (unsigned int)(now_ms() - start));
	start = now_ms();
	drain(all, sizeof(all));
	cc_log(LOG_WARNING, "line 2001");
	drain(all + strlen(all), sizeof(all) - strlen(all));
	for (line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "<4>%u messages lost", &n) == 1) {
			lost += n;
			last += n;
		} else if (sscanf(line, "<4>line %u", &n) == 1) {
			order &= n == ++last;
		}
	}
	ok(order && last == 2001 && lost > 1000 && lost <= 2000 - CC_LOG_QUEUE,
	   "then those that had a place come, and how many had none: %u", lost);
	cc_log(LOG_WARNING, "the last one");
	cc_log_stop();
	drain(all, sizeof(all));
	ok(!strcmp(all, "<4>the last one\n"), "a stop waits for what is queued");
	cc_log_start();
	for (n = 1; n <= 200; n++)
		cc_log(LOG_WARNING, "line %u %0100d", n, 0);
	start = now_ms();
	cc_log_stop();
	ok(now_ms() - start > 500 && now_ms() - start < 10000, "but not for ever");
	drain(all, sizeof(all));
}

int main(void)
{
	char longer[2000];
	size_t len;

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK))
		return 1;
	real_stderr = dup(STDERR_FILENO);
	dup2(pipe_fds[1], STDERR_FILENO);
	cc_log(LOG_ERR, "disk %s: %d", "vm1", 5);
	ok(!strcmp(logged(), "<3>disk vm1: 5\n"), "an error with its priority");
	cc_log(LOG_DEBUG, "detail");
	ok(!*logged(), "debug is off at first");
	cc_log_level(LOG_DEBUG);
	cc_log(LOG_DEBUG, "detail");
	ok(!strcmp(logged(), "<7>detail\n"), "and on when told");
	cc_log_level(LOG_WARNING);
	cc_log(LOG_INFO, "news");
	ok(!*logged(), "a lower level drops more");
	cc_log(LOG_WARNING, "a\nb\r\033c");
	ok(!strcmp(logged(), "<4>a?b??c\n"), "nothing in a line starts another");
	cc_log(LOG_WARNING, "%s", "\xc2\x9b" "2J \x9b" "2J \xff ö");
	ok(!strcmp(logged(), "<4>??2J ?2J ? ö\n"), "nor is it obeyed by a terminal");
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	cc_log(LOG_WARNING, "%s", longer);
	len = strlen(logged());
	ok(len == 1023 && text[len - 1] == '\n', "a long line is cut and ends: %zu", len);
	test_stuck();
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return tap_done();
}
