// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a pool's journal says, read as the helper reads it after a crash:
 *	cc-journal PATH [places]
 * One line "newest N highest N first N records N", then one for each page that counts, the oldest first:
 * "page N version V prev P tail T records C"; with places, for each place that holds a page of the
 * pool, in the order of the device: "place K page N version V records C".  Status 1: it can't be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "superblock.h"
#include "volume/journal-ring.h"

struct journal {
	int fd;
	struct cc_pool_geometry geometry;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "cc-journal: %s: %s\n", what, why);
	exit(1);
}

static int read_area(void *arg, void *buf, size_t len, uint64_t offset)
{
	const struct journal *j = arg;
	ssize_t n = pread(j->fd, buf, len, j->geometry.journal_offset + offset);

	return n < 0 ? -errno : (size_t)n < len ? -EIO : 0;
}

static void *page_buffer(void)
{
	static void *buf;

	if (!buf && posix_memalign(&buf, CC_JOURNAL_PAGE, CC_JOURNAL_PAGE))
		die("memory", "none for a page");
	return buf;
}

static void print_places(struct journal *j)
{
	struct cc_journal_head h;
	uint64_t i;

	for (i = 0; i < j->geometry.journal_size / CC_JOURNAL_PAGE; i++)
		if (!read_area(j, page_buffer(), CC_JOURNAL_PAGE, i * CC_JOURNAL_PAGE) &&
		    !cc_journal_page_check(page_buffer(), j->geometry.uuid, &h))
			printf("place %" PRIu64 " page %" PRIu64 " version %u records %u\n", i, h.number,
			       h.version, h.count);
}

/* Records of all pages, which are walked for that twice. */
static uint64_t count_records(struct cc_journal_ring *ring, bool print)
{
	struct cc_journal_head h;
	const void *page;
	uint64_t n = 0;
	int r;

	while ((r = cc_journal_ring_next(ring, &h, &page)) > 0) {
		n += h.count;
		if (print)
			printf("page %" PRIu64 " version %u prev %" PRIu64 " tail %" PRIu64 " records %u\n",
			       h.number, h.version, h.prev, h.tail, h.count);
	}
	if (r)
		die("pages", cc_journal_ring_why(ring));
	return n;
}

static void print_pages(struct journal *j)
{
	struct cc_journal_found found;
	struct cc_journal_ring *ring;
	uint64_t records;

	if (cc_journal_ring_open(j->geometry.uuid, j->geometry.journal_size, read_area, j, &ring))
		die("ring", "no memory");
	if (cc_journal_ring_scan(ring, &found) || (found.newest && cc_journal_ring_walk(ring, found.newest, 0, true)))
		die("ring", cc_journal_ring_why(ring));
	records = found.newest ? count_records(ring, false) : 0;
	printf("newest %" PRIu64 " highest %" PRIu64 " first %" PRIu64 " records %" PRIu64 "\n", found.newest,
	       found.highest, found.newest ? cc_journal_ring_first(ring) : 0, records);
	cc_journal_ring_rewind(ring);
	if (found.newest)
		count_records(ring, true);
	cc_journal_ring_close(ring);
}

int main(int argc, char **argv)
{
	struct journal j;
	char err[256];

	if (argc < 2) {
		fprintf(stderr, "usage: cc-journal PATH [places]\n");
		return 2;
	}
	j.fd = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (j.fd < 0)
		die(argv[1], strerror(errno));
	if (cc_superblock_read(j.fd, &j.geometry, err, sizeof(err)))
		die(argv[1], err);
	if (!j.geometry.journal_size)
		die(argv[1], "no journal");
	if (argc > 2)
		print_places(&j);
	else
		print_pages(&j);
	return 0;
}
