/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests that need a server: a temporary directory with a cc-httpd on it.  The program is
 * $CC_HTTPD, or cc-httpd in the directory above that of the test.
 */
#ifndef HTTPD_H
#define HTTPD_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct httpd {
	char dir[64];			/* root/ is served; log and script are beside it */
	pid_t pid;
	unsigned int port;		/* on each of 127.0.0.1 to 127.0.0.4 */
};

static inline void httpd_fatal(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline void nap_ms(unsigned int ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static inline void make_temp_dir(char dir[64])
{
	strcpy(dir, "/tmp/cc-unit-XXXXXX");
	if (!mkdtemp(dir))
		httpd_fatal("mkdtemp");
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void remove_tree(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void write_file(const char *dir, const char *name, const void *data, size_t size)
{
	char path[PATH_MAX], *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	for (slash = strchr(path + strlen(dir) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	f = fopen(path, "we");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f))
		httpd_fatal(path);
}

static inline void httpd_program(char path[PATH_MAX])
{
	const char *env = getenv("CC_HTTPD");
	ssize_t n;

	if (env) {
		snprintf(path, PATH_MAX, "%s", env);
		return;
	}
	n = readlink("/proc/self/exe", path, PATH_MAX - 16);
	if (n < 0)
		httpd_fatal("readlink");
	path[n] = '\0';
	*strrchr(path, '/') = '\0';
	strcpy(strrchr(path, '/'), "/cc-httpd");
}

/* Starts it on dir/root; it takes in so many bytes per second of each connection, 0: all there are. */
static inline void httpd_start_slow(struct httpd *h, const char *read_rate)
{
	char program[PATH_MAX], root[128], port[128], log[128];
	FILE *f = NULL;

	make_temp_dir(h->dir);
	snprintf(root, sizeof(root), "%s/root", h->dir);
	snprintf(port, sizeof(port), "%s/port", h->dir);
	snprintf(log, sizeof(log), "%s/log", h->dir);
	if (mkdir(root, 0755))
		httpd_fatal(root);
	httpd_program(program);
	h->pid = fork();
	if (h->pid < 0)
		httpd_fatal("fork");
	if (!h->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(program, program, "--root", root, "--port-file", port, "--log", log,
		      "--writable", "--read-rate", read_rate, "--address", "127.0.0.1", "--address", "127.0.0.2",
		      "--address", "127.0.0.3", "--address", "127.0.0.4", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && !f; i++) {
		nap_ms(10);
		f = fopen(port, "re");
	}
	if (!f || fscanf(f, "%u", &h->port) != 1)
		httpd_fatal(program);
	fclose(f);
}

static inline void httpd_start(struct httpd *h)
{
	httpd_start_slow(h, "0");
}

static inline void httpd_stop(struct httpd *h)
{
	int status;

	kill(h->pid, SIGTERM);
	if (waitpid(h->pid, &status, 0) != h->pid || !WIFEXITED(status) || WEXITSTATUS(status))
		httpd_fatal("cc-httpd did not end well");
	remove_tree(h->dir);
}

static inline void httpd_put(const struct httpd *h, const char *name, const void *data, size_t size)
{
	char root[128];

	snprintf(root, sizeof(root), "%s/root", h->dir);
	write_file(root, name, data, size);
}

/* The lines of the log with text in them, from its first one or the last httpd_mark() on. */
static long httpd_log_start;

static inline unsigned int httpd_count(const struct httpd *h, const char *text)
{
	char path[128], line[4096];
	unsigned int n = 0;
	FILE *f;

	nap_ms(20); /* a line is written after its answer */
	snprintf(path, sizeof(path), "%s/log", h->dir);
	f = fopen(path, "re");
	if (!f)
		httpd_fatal(path);
	fseek(f, httpd_log_start, SEEK_SET);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, text) && !strstr(line, "/.script");
	fclose(f);
	return n;
}

/* For a person who looks into a failure. */
static inline void httpd_show_log(const struct httpd *h)
{
	char path[128], line[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", h->dir);
	f = fopen(path, "re");
	if (!f)
		httpd_fatal(path);
	fseek(f, httpd_log_start, SEEK_SET);
	while (fgets(line, sizeof(line), f))
		printf("# log: %s", line);
	fclose(f);
}

static inline void httpd_mark(const struct httpd *h)
{
	struct stat st;
	char path[128];

	nap_ms(20);
	snprintf(path, sizeof(path), "%s/log", h->dir);
	httpd_log_start = stat(path, &st) ? 0 : st.st_size;
}

#endif
