// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Starting a program and waiting for its end; see child.h.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

extern char **environ;

/* Ended when we are. */
static struct ctl_cleanup killing;
static pid_t running_child;

static void kill_child(void *arg)
{
	kill(-running_child, SIGKILL);
	waitpid(running_child, NULL, 0);
}

static int set_child_files(posix_spawn_file_actions_t *actions, int in, int out, int err)
{
	int r = in >= 0 ? posix_spawn_file_actions_adddup2(actions, in, STDIN_FILENO) :
			  posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (!r && out >= 0)
		r = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
	if (!r && err >= 0)
		r = posix_spawn_file_actions_adddup2(actions, err, STDERR_FILENO);
	return r;
}

/* What we block or ignore is not for it. */
static int set_child_attributes(posix_spawnattr_t *attr)
{
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigemptyset(&all);
	sigaddset(&all, SIGPIPE);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGHUP);
	r = posix_spawnattr_setsigmask(attr, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault(attr, &all);
	if (!r)
		r = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
					     POSIX_SPAWN_SETSID);
	return r;
}

int ctl_child_start(char *const argv[], int in, int out, int err, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	r = set_child_files(&actions, in, out, err);
	if (!r)
		r = set_child_attributes(&attr);
	if (!r)
		r = posix_spawnp(ret_pid, argv[0], &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	if (r)
		return -r;
	running_child = *ret_pid;
	ctl_cleanup_add(&killing, kill_child, NULL);
	return 0;
}

int ctl_child_wait(pid_t pid)
{
	siginfo_t info;
	int status;

	/* It keeps its number until nobody is going to kill it by that. */
	while (waitid(P_PID, pid, &info, WEXITED | WNOWAIT))
		if (errno != EINTR)
			return -errno;
	ctl_cleanup_remove(&killing);
	return waitpid(pid, &status, 0) < 0 ? -errno : status;
}

void ctl_child_end(pid_t pid)
{
	ctl_cleanup_remove(&killing);
	kill_child(NULL);
}

const char *ctl_child_text(int status, char buf[CTL_CHILD_TEXT])
{
	if (status < 0)
		snprintf(buf, CTL_CHILD_TEXT, "%s", strerror(-status));
	else if (WIFSIGNALED(status))
		snprintf(buf, CTL_CHILD_TEXT, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(buf, CTL_CHILD_TEXT, "exit status %d", WEXITSTATUS(status));
	return buf;
}
