// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a monitor pays for reading many small files, each whole by one read:
 *	cc-files FILE...
 * Prints `open MS`, each opened, read and closed, and `kept MS`, all open and read again.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static char buf[4096];			/* the most that a file of sysfs has */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

static void read_file(int fd, const char *path)
{
	if (pread(fd, buf, sizeof(buf), 0) <= 0)
		die(path);
}

static double read_opened(char **paths, int n)
{
	double start = now_ms();

	for (int i = 0; i < n; i++) {
		int fd = open_file(paths[i]);

		read_file(fd, paths[i]);
		close(fd);
	}
	return now_ms() - start;
}

/* The first read of a file also makes its buffer: that is not what reading it again takes. */
static double read_kept(char **paths, int n)
{
	int *fds = calloc(n, sizeof(*fds));
	double start;

	if (!fds)
		die("calloc");
	for (int i = 0; i < n; i++) {
		fds[i] = open_file(paths[i]);
		read_file(fds[i], paths[i]);
	}
	start = now_ms();
	for (int i = 0; i < n; i++)
		read_file(fds[i], paths[i]);
	start = now_ms() - start;
	for (int i = 0; i < n; i++)
		close(fds[i]);
	free(fds);
	return start;
}

int main(int argc, char **argv)
{
	struct rlimit files = { .rlim_cur = argc + 16, .rlim_max = argc + 16 };

	if (argc < 2) {
		fputs("Usage: cc-files FILE...\n", stderr);
		return 2;
	}
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("setrlimit");
	read_opened(argv + 1, argc - 1);	/* dentries and inodes come to be */
	printf("open %.3f\n", read_opened(argv + 1, argc - 1));
	printf("kept %.3f\n", read_kept(argv + 1, argc - 1));
	return 0;
}
