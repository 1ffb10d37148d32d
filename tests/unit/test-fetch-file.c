// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file:// stores that hang, as a network's file system does whose server has gone: open() or pread() of what
 * lies in one directory does not return until it is told to.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "fetch-jobs.h"

#define READS	4		/* of one store at a time */
#define MANY	(3 * READS)

static struct cc_store_config well_config, hung_config;
static struct cc_store *well, *hung;
static struct job jobs[MANY], other;

/* ---- what hangs ---- */

enum hang { NOWHERE, IN_OPEN, IN_PREAD };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t released = PTHREAD_COND_INITIALIZER;
static enum hang hang;
static int nr_hanging;

static void hang_in(enum hang where, const char *path)
{
	if (!strstr(path, "/hung/"))
		return;
	pthread_mutex_lock(&lock);
	nr_hanging++;
	while (hang == where)
		pthread_cond_wait(&released, &lock);
	nr_hanging--;
	pthread_mutex_unlock(&lock);
}

int open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, int);
	va_end(ap);
	hang_in(IN_OPEN, path);
	return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

ssize_t pread(int fd, void *buf, size_t size, off_t offset)
{
	char link[64], path[512];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	hang_in(IN_PREAD, path);
	return syscall(SYS_pread64, fd, buf, size, offset);
}

static void set_hang(enum hang where)
{
	pthread_mutex_lock(&lock);
	hang = where;
	pthread_cond_broadcast(&released);
	pthread_mutex_unlock(&lock);
}

static int hanging(void)
{
	int n;

	pthread_mutex_lock(&lock);
	n = nr_hanging;
	pthread_mutex_unlock(&lock);
	return n;
}

/* Those that are to hang do; more would be there by then. */
static bool hang_at_last(int wanted)
{
	for (int i = 0; i < 1000 && hanging() < wanted; i++)
		nap_ms(5);
	nap_ms(50);
	return hanging() == wanted;
}

/* ---- tests ---- */

static void submit_hung(struct cc_fetch *f, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		prepare(&jobs[i], hung, i, i % 2);
		cc_fetch_submit(f, &jobs[i].req, CC_FETCH_DEMAND);
	}
}

static bool can_read(struct cc_fetch *f, struct cc_store *s)
{
	prepare(&other, s, NR - 1, 0);
	cc_fetch_submit(f, &other.req, CC_FETCH_DEMAND);
	return wait_one(f, 5000) == &other && !other.req.result && is_right(&other);
}

/* So many requests end within ms, all with this result and these words. */
static bool end_with(struct cc_fetch *f, unsigned int nr, int ms, enum cc_store_result result,
		     const char *words)
{
	uint64_t until = cc_now_ns() + ms * MS;
	bool good = true;

	for (; nr; nr--) {
		uint64_t now = cc_now_ns();
		struct job *j = now < until ? wait_one(f, (until - now) / MS + 1) : NULL;

		if (!j)
			return false;
		if (j->req.result != result || !strstr(j->req.error, words)) {
			note("%s: %s", cc_store_result_name(j->req.result), j->req.error);
			good = false;
		}
	}
	return good;
}

static void test_others(struct cc_fetch *f, enum hang where, const char *name)
{
	set_hang(where);
	submit_hung(f, MANY);
	ok(hang_at_last(READS), "%s: %d reads hang", name, READS);
	ok(can_read(f, well), "another store is read meanwhile");
	set_hang(NOWHERE);
	ok(end_with(f, MANY, 10000, CC_STORE_OK, ""), "and this one, when it is back");
}

static void test_cancel(struct cc_fetch *f)
{
	bool same = true;

	set_hang(IN_PREAD);
	submit_hung(f, MANY);
	ok(hang_at_last(READS), "%d reads hang", READS);
	for (unsigned int i = 0; i < MANY; i++)
		cc_fetch_cancel(f, &jobs[i].req);
	ok(end_with(f, MANY, 1000, CC_STORE_CANCELLED, "cancelled"), "cancelled: all end at once");
	for (unsigned int i = 0; i < MANY; i++)
		memset(jobs[i].buf, 0x5a, CHUNK);
	ok(can_read(f, well), "another store is read after that");
	set_hang(NOWHERE);
	ok(hang_at_last(0) && can_read(f, hung), "this one, too, when it is back");
	for (unsigned int i = 0; i < MANY; i++)
		for (unsigned int n = 0; n < CHUNK; n++)
			same = same && jobs[i].buf[n] == 0x5a;
	ok(same, "nothing was written to buffers that were given back");
}

static void test_deadline(struct cc_fetch *f)
{
	hung_config.total_timeout_ms = 300;
	set_hang(IN_OPEN);
	submit_hung(f, READS);
	ok(end_with(f, READS, 3000, CC_STORE_TIMEOUT, "a read has not returned in time"),
	   "a read that hangs: its request ends in time");
	submit_hung(f, READS);
	ok(end_with(f, READS, 3000, CC_STORE_TIMEOUT, "reads that began before do not return"),
	   "with as many hanging as may, none is begun, and the line says so");
	ok(hanging() == READS, "no more threads were lost to it");
	hung_config.total_timeout_ms = 60000;
	set_hang(NOWHERE);
	ok(hang_at_last(0) && can_read(f, hung), "it is read when it is back");
}

/* The engine is left behind, and its threads find it when they come back. */
static struct cc_fetch *left;

static void test_close(void)
{
	uint64_t start;

	left = open_fetch(1, 1, 8);
	set_hang(IN_PREAD);
	submit_hung(left, MANY);
	ok(hang_at_last(READS), "%d reads hang", READS);
	start = cc_now_ns();
	ok(!cc_fetch_close(left), "closed with reads that hang: says that it has to stay");
	ok(cc_now_ns() - start < 5000 * MS, "and does not wait for them");
	set_hang(NOWHERE);
	ok(hang_at_last(0), "what returns later hurts nobody");
}

int main(void)
{
	char well_url[128], hung_url[128], command[300];
	struct cc_fetch *f;

	httpd_start(&h);
	make_chunks();
	snprintf(command, sizeof(command), "cp -r %s/root %s/hung", h.dir, h.dir);
	if (system(command))
		httpd_fatal("cp");
	snprintf(well_url, sizeof(well_url), "file://%s/root", h.dir);
	snprintf(hung_url, sizeof(hung_url), "file://%s/hung", h.dir);
	well = open_store(&well_config, well_url);
	hung = open_store(&hung_config, hung_url);
	f = open_fetch(1, 1, 16);
	test_others(f, IN_OPEN, "open");
	test_others(f, IN_PREAD, "pread");
	test_cancel(f);
	test_deadline(f);
	ok(cc_fetch_close(f), "closed");
	test_close();
	cc_store_close(well);
	cc_store_close(hung);
	httpd_stop(&h);
	return tap_done();
}
