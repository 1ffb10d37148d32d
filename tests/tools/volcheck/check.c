// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Decides whether what a device holds is a state that the log allows.
 *
 * "Older than W" means: acknowledged before W was issued.  A write may not be missed if the promise says so: by a
 * flush, by its FUA, or since something that is there was issued after it had been acknowledged (what is there is
 * closed under that order, as after a power cut of a disk with a volatile cache).  A sector that such a write
 * covers must hold that write or one that isn't older.  So one number for each sector is enough: the latest issue
 * of a write that covers it and may not be missed.
 */
#include "volcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 2048u			/* sectors read at once */

/* What was found in a sector instead of the number of a write. */
enum {
	FOUND_BASE,			/* what was there before the run, and isn't zeros */
	FOUND_WRONG = UINT32_MAX - 2,
	FOUND_BLANK,			/* zeros, as before the run */
	FOUND_ZEROS,			/* zeros, where none were */
};

struct judge {
	const struct check_options *o;
	struct history h;
	uint32_t *found;		/* by sector */
	uint32_t *must;			/* write that covers it, may not be missed, and was issued last */
	uint32_t *zeros;		/* discard or write-zeroes that covers it and was acknowledged last */
	uint64_t flushed;		/* line at which the last flush that was acknowledged was issued */
	uint64_t newest;		/* line at which the newest operation that is there was issued */
	unsigned int wrong;
	uint64_t there;			/* sectors with a write of this run */
};

__attribute__((format(printf, 3, 4)))
static void report(struct judge *j, uint64_t sector, const char *format, ...)
{
	va_list args;

	if (j->wrong++ >= j->o->max_reports)
		return;
	printf("wrong: sector %" PRIu64 " (block %" PRIu64 "): ", sector, sector / 8);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static bool makes_zeros(const struct op *op)
{
	return op->kind == KIND_DISCARD || op->kind == KIND_ZEROES;
}

static const char *kind_name(const struct op *op)
{
	switch (op->kind) {
	case KIND_FUA:		return "FUA write";
	case KIND_DISCARD:	return "discard";
	case KIND_ZEROES:	return "write-zeroes";
	case KIND_FLUSH:	return "flush";
	default:		return "write";
	}
}

static bool covers(const struct op *op, uint64_t sector)
{
	return sector >= op->sector && sector - op->sector < op->count;
}

/* ---- what is there ---- */

static uint32_t find_stamp(struct judge *j, uint64_t sector, const struct stamp *s)
{
	const struct op *op;

	if (s->run != j->h.run) {
		report(j, sector, "write %" PRIu64 " of run %u, that was not there when this run began", s->op, s->run);
		return FOUND_WRONG;
	}
	if (s->sector != sector) {
		report(j, sector, "what write %" PRIu64 " put into sector %" PRIu64, s->op, s->sector);
		return FOUND_WRONG;
	}
	op = s->op && s->op < j->h.nr_ops ? &j->h.ops[s->op] : NULL;
	if (!op || !op->issued || makes_zeros(op) || op->kind == KIND_FLUSH || !covers(op, sector)) {
		report(j, sector, "write %" PRIu64 ", that the log does not have", s->op);
		return FOUND_WRONG;
	}
	return s->op;
}

static uint32_t find(struct judge *j, uint64_t sector, const void *data, const void *base)
{
	if (vc_is_zero(data))
		return !base || vc_is_zero(base) ? FOUND_BLANK : FOUND_ZEROS;
	if (base && !memcmp(data, base, SECTOR))
		return FOUND_BASE;
	if (vc_stamp_is_whole(data))
		return find_stamp(j, sector, data);
	report(j, sector, "bytes that no write put anywhere, or a torn sector");
	return FOUND_WRONG;
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0666);

	if (fd < 0)
		vc_die("%s: %s", path, strerror(errno));
	return fd;
}

/* The page cache may have what the device has lost. */
static int open_device(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	return fd >= 0 ? fd : open_or_die(path, O_RDONLY);
}

static void read_all(int fd, const char *path, void *buf, size_t size, uint64_t offset)
{
	ssize_t n;

	for (; size; size -= n, offset += n, buf = (char *)buf + n) {
		n = pread(fd, buf, size, offset);
		if (n <= 0)
			vc_die("%s: reading %zu bytes at %" PRIu64 ": %s", path, size, offset,
			       n ? strerror(errno) : "it ends there");
	}
}

static void read_device(struct judge *j)
{
	int fd = open_device(j->o->device), base = -1, save = -1;
	char *data, *old = NULL;
	uint64_t first, n, i;

	if (posix_memalign((void **)&data, 4096, BATCH * SECTOR))
		vc_die("no memory");
	if (j->o->base) {
		base = open_or_die(j->o->base, O_RDONLY);
		old = malloc(BATCH * SECTOR);
		if (!old)
			vc_die("no memory");
	}
	if (j->o->save)
		save = open_or_die(j->o->save, O_WRONLY | O_CREAT | O_TRUNC);
	for (first = 0; first < j->h.sectors; first += n) {
		n = j->h.sectors - first < BATCH ? j->h.sectors - first : BATCH;
		read_all(fd, j->o->device, data, n * SECTOR, first * SECTOR);
		if (old)
			read_all(base, j->o->base, old, n * SECTOR, first * SECTOR);
		for (i = 0; i < n; i++)
			j->found[first + i] = find(j, first + i, data + i * SECTOR, old ? old + i * SECTOR : NULL);
		if (save >= 0 && write(save, data, n * SECTOR) != (ssize_t)(n * SECTOR))
			vc_die("%s: cannot be written", j->o->save);
	}
	free(data);
	free(old);
}

/* ---- what may not be missed ---- */

static void note_zeros(struct judge *j)
{
	uint64_t n, s;

	for (n = 1; n < j->h.nr_ops; n++) {
		const struct op *op = &j->h.ops[n];

		if (!op->issued || !makes_zeros(op))
			continue;
		for (s = op->sector; s < op->sector + op->count; s++)
			if (!j->zeros[s] || op->acked > j->h.ops[j->zeros[s]].acked)
				j->zeros[s] = n;
	}
}

static void note_order(struct judge *j)
{
	uint64_t n, s;

	for (n = 1; n < j->h.nr_ops; n++) {
		const struct op *op = &j->h.ops[n];

		if (op->issued && op->kind == KIND_FLUSH && op->acked != NEVER && op->issued > j->flushed)
			j->flushed = op->issued;
	}
	for (s = 0; s < j->h.sectors; s++) {
		uint32_t found = j->found[s];

		if (found == FOUND_BASE || found >= FOUND_WRONG)
			continue;
		j->there++;
		if (j->h.ops[found].issued > j->newest)
			j->newest = j->h.ops[found].issued;
	}
}

static bool may_be_missed(const struct judge *j, const struct op *op)
{
	if (op->acked == NEVER)
		return true;
	if (op->acked < j->newest)
		return false;
	switch (j->o->promise) {
	case PROMISE_ALL:	return false;
	case PROMISE_FLUSHED:	return op->acked >= j->flushed && op->kind != KIND_FUA;
	default:		return true;
	}
}

static void note_musts(struct judge *j)
{
	uint64_t n, s;

	for (n = 1; n < j->h.nr_ops; n++) {
		const struct op *op = &j->h.ops[n];

		if (!op->issued || op->kind == KIND_FLUSH || may_be_missed(j, op))
			continue;
		for (s = op->sector; s < op->sector + op->count; s++)
			if (!j->must[s] || op->issued > j->h.ops[j->must[s]].issued)
				j->must[s] = n;
	}
}

/* ---- judgement ---- */

static const char *why(const struct judge *j, const struct op *op)
{
	static char text[128];

	if (op->acked < j->newest)
		snprintf(text, sizeof(text), "something that is there was issued after that, at line %" PRIu64, j->newest);
	else if (j->o->promise == PROMISE_ALL)
		snprintf(text, sizeof(text), "nothing may be missing");
	else if (op->acked < j->flushed)
		snprintf(text, sizeof(text), "a flush issued after that, at line %" PRIu64 ", was acknowledged", j->flushed);
	else
		snprintf(text, sizeof(text), "it had FUA");
	return text;
}

/* The line at which what the sector holds was acknowledged, at the latest. */
static uint64_t acked_at(const struct judge *j, uint64_t sector)
{
	uint32_t found = j->found[sector], zeros = j->zeros[sector];

	if (found == FOUND_ZEROS || found == FOUND_BLANK)
		return zeros ? j->h.ops[zeros].acked : 0;
	return found == FOUND_BASE ? 0 : j->h.ops[found].acked;
}

static void judge_sector(struct judge *j, uint64_t sector)
{
	uint32_t found = j->found[sector];
	const struct op *must = &j->h.ops[j->must[sector]];
	char held[64];

	if (found == FOUND_WRONG)
		return;
	if (found == FOUND_ZEROS && !j->zeros[sector])
		return report(j, sector, "zeros, and nothing made them");
	if (!j->must[sector] || acked_at(j, sector) >= must->issued)
		return;
	if (found == FOUND_BASE || (found == FOUND_BLANK && !j->zeros[sector]))
		snprintf(held, sizeof(held), "what was there before the run");
	else if (found >= FOUND_BLANK)
		snprintf(held, sizeof(held), "zeros of %s %u", kind_name(&j->h.ops[j->zeros[sector]]), j->zeros[sector]);
	else
		snprintf(held, sizeof(held), "%s %u (acknowledged at line %" PRIu64 ")",
			 kind_name(&j->h.ops[found]), found, j->h.ops[found].acked);
	report(j, sector, "%s; %s %u (issued at line %" PRIu64 ", acknowledged at %" PRIu64 ") is missing: %s", held,
	       kind_name(must), j->must[sector], must->issued, must->acked, why(j, must));
}

/* An acknowledged operation is missing if a sector of its holds what is older. */
static bool is_missing(const struct judge *j, const struct op *op)
{
	uint64_t s;

	for (s = op->sector; s < op->sector + op->count; s++)
		if (j->found[s] != FOUND_WRONG && acked_at(j, s) < op->issued)
			return true;
	return false;
}

static void judge_window(struct judge *j)
{
	uint64_t n, missing = 0, acked = 0, oldest = 0;

	for (n = 1; n < j->h.nr_ops; n++) {
		const struct op *op = &j->h.ops[n];

		if (!op->issued || op->kind == KIND_FLUSH || op->acked == NEVER)
			continue;
		acked++;
		if (!is_missing(j, op))
			continue;
		missing++;
		if (j->h.last_ms - op->acked_ms > oldest)
			oldest = j->h.last_ms - op->acked_ms;
	}
	printf("acknowledged %" PRIu64 ", missing %" PRIu64 ", oldest of them %" PRIu64 " ms before the end; sectors written %" PRIu64
	       "\n", acked, missing, oldest, j->there);
	if (j->o->window_ms >= 0 && oldest > (uint64_t)j->o->window_ms) {
		printf("wrong: more is missing than the last %" PRId64 " ms\n", j->o->window_ms);
		j->wrong++;
	}
}

static void *by_sector(const struct judge *j)
{
	void *p = calloc(j->h.sectors ? j->h.sectors : 1, sizeof(uint32_t));

	if (!p)
		vc_die("no memory for %" PRIu64 " sectors", j->h.sectors);
	return p;
}

int vc_check(const struct check_options *o)
{
	struct judge j = { .o = o };
	uint64_t s;

	vc_history_read(&j.h, o->log);
	j.found = by_sector(&j);
	j.must = by_sector(&j);
	j.zeros = by_sector(&j);
	read_device(&j);
	note_zeros(&j);
	note_order(&j);
	note_musts(&j);
	for (s = 0; s < j.h.sectors; s++)
		judge_sector(&j, s);
	judge_window(&j);
	if (j.wrong > o->max_reports)
		printf("wrong: %u more\n", j.wrong - o->max_reports);
	printf(j.wrong ? "not allowed\n" : "allowed\n");
	free(j.found);
	free(j.must);
	free(j.zeros);
	free(j.h.ops);
	return j.wrong ? 1 : 0;
}
