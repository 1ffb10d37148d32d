// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An import that stood still for so long that its lease has lapsed goes no further: what it found in the store
 * may be gone.  The machine's sleep is a clock of our own.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../tools/import-pass.h"
#include "chunkcache/format.h"
#include "tap.h"

#define CHUNKS 64

static int64_t slept;			/* seconds */
static unsigned int sleeps_at;		/* this chunk is read when the machine goes to sleep */

/* In place of libc's. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ts);

	if (clock == CLOCK_BOOTTIME)
		ts->tv_sec += slept;
	return r;
}

ssize_t pread(int fd, void *buf, size_t size, off_t offset)
{
	if (sleeps_at && offset == (off_t)sleeps_at << CC_CHUNK_SHIFT_MIN)
		slept += CC_LEASE_LIFE;
	return syscall(SYS_pread64, fd, buf, size, offset);
}

static void write_image(const char *path)
{
	static char chunk[1 << CC_CHUNK_SHIFT_MIN];
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	for (int i = 0; i < CHUNKS; i++) {
		memset(chunk, i + 1, sizeof(chunk));
		if (write(fd, chunk, sizeof(chunk)) != sizeof(chunk))
			exit(1);
	}
	close(fd);
}

static int count(void *arg, const char *name, uint64_t size, int64_t mtime)
{
	++*(unsigned int *)arg;
	return 0;
}

static unsigned int nr_chunks(struct cc_store *s)
{
	unsigned int n = 0;
	char err[200];

	return cc_store_list(s, "chunks/", count, &n, err, sizeof(err)) ? 9999 : n;
}

/* An import of one thread that sleeps at that chunk, or not at all, if 0. */
static int import(struct cc_store *s, const char *image, unsigned int at)
{
	struct cc_lease lease = CC_LEASE_INIT;
	struct ctl_pass p = CTL_PASS_INIT;
	char err[200];
	int r;

	if (cc_lease_take(s, CC_LEASE_IMPORT, NULL, &lease, err, sizeof(err)))
		return -1;
	p.store = s;
	p.lease = &lease;
	p.chunk_shift = CC_CHUNK_SHIFT_MIN;
	p.jobs = 1;
	p.source.path = image;
	p.source.fd = open(image, O_RDONLY);
	p.source.size = (uint64_t)CHUNKS << CC_CHUNK_SHIFT_MIN;
	fstat(p.source.fd, &p.source.state);
	ctl_pass_size(&p);
	sleeps_at = at;
	r = ctl_pass_run(&p, true);
	sleeps_at = 0;
	if (r && !strstr(p.error, "stood still for so long"))
		r = -1;
	ctl_pass_free(&p);
	cc_lease_drop(&lease);
	return r;
}

int main(void)
{
	char dir[] = "/tmp/test-import-pass.XXXXXX", url[64], image[64], err[200], rm[64];
	struct cc_store_config c;
	struct cc_store *s;

	if (!mkdtemp(dir))
		return 1;
	snprintf(url, sizeof(url), "file://%s", dir);
	snprintf(image, sizeof(image), "%s/image", dir);
	snprintf(rm, sizeof(rm), "rm -r %s", dir);
	write_image(image);
	cc_store_config_init(&c);
	c.url = url;
	if (cc_store_open(&c, &s, err, sizeof(err)))
		return 1;
	ok(import(s, image, 10) == 1, "a lease that lapses at chunk 10 ends the import");
	ok(nr_chunks(s) == 10, "there and then: %u chunks were uploaded", nr_chunks(s));
	ok(!import(s, image, 0) && nr_chunks(s) == CHUNKS, "the next one uploads the rest");
	cc_store_close(s);
	(void)!system(rm);
	return tap_done();
}
