// SPDX-License-Identifier: GPL-2.0-or-later
/* Log lines as the journal gets them. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	return tap_done();
}
