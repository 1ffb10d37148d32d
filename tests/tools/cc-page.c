// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A page of a pool's journal, as the kernel might have written it, or nobody would:
 *	cc-page PATH NUMBER VERSION PREV TAIL [TYPE:VOLUME:BLOCK:COUNT:PLACE]...
 * writes it into its place.  TYPE is a name of enum cc_journal_type in lower case; PLACE a number, or TERM.COUNT.BLOCK
 * for the guest's data there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "superblock.h"
#include "volume/journal-page.h"
#include "volume/place.h"

static const char *const types[] = {
	"none", "volume", "open", "write", "zero", "relocate", "cut", "committed", "forget",
};

static void die(const char *what)
{
	fprintf(stderr, "cc-page: %s\n", what);
	exit(1);
}

static uint8_t parse_type(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i], name))
			return (uint8_t)i;
	die("no such type");
	return 0;
}

static uint64_t parse_place(const char *s)
{
	unsigned int term, count, block;

	if (sscanf(s, "%u.%u.%u", &term, &count, &block) == 3)
		return cc_place(cc_log_number(term, count), block);
	return strtoull(s, NULL, 0);
}

static struct chunkcache_record parse_record(const char *s)
{
	char type[16], place[64];
	unsigned long long block;
	unsigned int volume, count;

	if (sscanf(s, "%15[a-z]:%u:%lli:%u:%63s", type, &volume, (long long *)&block, &count, place) != 5)
		die("expected TYPE:VOLUME:BLOCK:COUNT:PLACE");
	return (struct chunkcache_record) { .type = parse_type(type), .volume = (uint16_t)volume, .count = count,
					    .block = block, .place = parse_place(place) };
}

int main(int argc, char **argv)
{
	struct chunkcache_record records[CC_JOURNAL_RECORDS];
	struct cc_journal_head h = { .instance = 1 };
	uint8_t page[CC_JOURNAL_PAGE];
	struct cc_pool_geometry g;
	char err[200];
	off_t at;
	int fd;

	if (argc < 6 || argc - 6 > CC_JOURNAL_RECORDS)
		die("usage: cc-page PATH NUMBER VERSION PREV TAIL [RECORD]...");
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || cc_superblock_read(fd, &g, err, sizeof(err)) || !g.journal_size)
		die("no pool with a journal there");
	h.number = strtoull(argv[2], NULL, 0);
	h.version = (uint32_t)strtoul(argv[3], NULL, 0);
	h.prev = strtoull(argv[4], NULL, 0);
	h.tail = strtoull(argv[5], NULL, 0);
	for (int i = 6; i < argc; i++)
		records[h.count++] = parse_record(argv[i]);
	cc_journal_page_encode(&h, g.uuid, records, page);
	at = (off_t)(g.journal_offset + h.number % (g.journal_size / CC_JOURNAL_POSITION) * CC_JOURNAL_POSITION +
		     h.version % 2 * CC_JOURNAL_PAGE);
	if (pwrite(fd, page, sizeof(page), at) != sizeof(page) || fsync(fd))
		die("write");
	return 0;
}
