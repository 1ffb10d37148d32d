/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cc-crash's parts share: the log of a dm-log-writes device, and the moment at which everything is taken to have
 * stopped.
 *
 * The log is in the order in which writes became durable: what a flush covers stands before it; FUA writes stand
 * where they ended; the others before the first flush that was issued after their end.
 */
#ifndef CC_TESTS_CRASH_H
#define CC_TESTS_CRASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR 512u

enum entry_kind {
	ENTRY_WRITE,			/* into the device's cache */
	ENTRY_DISCARD,			/* as that */
	ENTRY_FUA,
	ENTRY_FLUSH,
	ENTRY_MARK,
};

struct entry {
	enum entry_kind kind;
	uint64_t sector, count;
	const char *data;		/* text of a mark, with its end; NULL: zeros */
};

struct record {
	const char *path;
	int fd;
	char *log;
	uint64_t size, have;		/* bytes of the device; of log */
	struct entry *entries;
	uint64_t nr;
};

/*
 * The moment: at is a flush or FUA write under way, or of a record without any a write; all entries before it are over,
 * and none behind it has begun.
 */
struct cut {
	uint64_t at;
	uint64_t rng;
};

void record_read(struct record *r, const char *path);
/* One of those with as much likelihood as any other. */
struct cut cut_choose(const struct record *r, uint64_t seed);
uint32_t cut_random(struct cut *c, uint32_t n);

/* What the device may hold then: goes to target; start is what it held before the first entry. One line on stdout. */
void image_write(const struct record *r, struct cut *c, const char *start, const char *target);
/* Of the history: what had happened for certain, and what may have begun. */
void history_cut(const struct record *r, const struct cut *c, const char *from, const char *to);
/* What the store has then: hard links, in the new directory to. */
void store_cut(const struct record *r, struct cut *c, const char *from, const char *to);

void crash_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
