/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cc-volcheck's parts share: the sector that says itself who wrote it, and the log that says what was
 * issued and acknowledged when.
 *
 * The log is text, one event a line, in the order of time: that a line stands before another is all that the
 * judgement builds on.  It has to lie outside the machine that may die.
 *
 *	run R SECTORS		first line: number of the run, sectors of the device
 *	i N KIND SECTOR COUNT MS	operation N is about to be issued
 *	a N ERRNO MS		it was acknowledged; 0: without an error
 *
 * An operation that has no `a' line may have happened, or not, or in part.
 */
#ifndef CC_TESTS_VOLCHECK_H
#define CC_TESTS_VOLCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECTOR		512
#define NEVER		UINT64_MAX

enum kind {
	KIND_WRITE = 'w',
	KIND_FUA = 'f',
	KIND_DISCARD = 'd',
	KIND_ZEROES = 'z',
	KIND_FLUSH = 's',
};

/* One sector of a write. */
struct stamp {
	uint8_t magic[8];
	uint32_t run, crc;		/* CRC-32C of the sector with this field zero */
	uint64_t op, sector;
	uint8_t filler[SECTOR - 32];	/* a function of the above */
};

/* One operation, as the log has it; issued and acked are numbers of lines, from 1. */
struct op {
	enum kind kind;
	uint64_t sector, count;
	uint64_t issued, acked;		/* 0: no such operation; NEVER */
	uint64_t issued_ms, acked_ms;
	bool failed;
};

struct history {
	uint32_t run;
	uint64_t sectors;
	struct op *ops;			/* by number; 0 is none */
	uint64_t nr_ops;		/* the highest number, plus 1 */
	uint64_t last_ms;
};

struct write_options {
	const char *device, *log, *mark;
	uint32_t run;
	unsigned int threads, flush_every, seed;
	uint64_t sectors, ops;		/* 0: all of the device; no limit */
	double seconds;
	bool parts, fua, discard;
};

enum promise {
	PROMISE_ALL,			/* all that was acknowledged is there */
	PROMISE_FLUSHED,		/* what was acknowledged before a flush was issued is there */
	PROMISE_PREFIX,			/* nothing is missing that was complete before something there was issued */
};

struct check_options {
	const char *device, *log, *base, *save;
	enum promise promise;
	int64_t window_ms;		/* -1: any */
	unsigned int max_reports;
};

void vc_stamp(struct stamp *s, uint32_t run, uint64_t op, uint64_t sector);
bool vc_stamp_is_whole(const struct stamp *s);
bool vc_is_zero(const void *sector);

/* Reads a log; says on stderr what is wrong with it and exits. A last line without its end is left out. */
void vc_history_read(struct history *h, const char *path);

/* Both return the program's status. */
int vc_write(const struct write_options *o);
int vc_check(const struct check_options *o);

void vc_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif
