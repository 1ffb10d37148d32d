// SPDX-License-Identifier: GPL-2.0-or-later
/* The sector's stamp and the log of cc-volcheck. */
#include "volcheck.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32c.h"

static const uint8_t magic[8] = "ccvolchk";

static void fill(struct stamp *s)
{
	uint64_t x = s->op * 0x9e3779b97f4a7c15ULL ^ s->sector << 20 ^ s->run;
	size_t i;

	for (i = 0; i < sizeof(s->filler); i += 8) {
		x = (x ^ x >> 27) * 0x94d049bb133111ebULL + 1;
		memcpy(s->filler + i, &x, 8);
	}
}

void vc_stamp(struct stamp *s, uint32_t run, uint64_t op, uint64_t sector)
{
	memcpy(s->magic, magic, sizeof(magic));
	s->run = run;
	s->crc = 0;
	s->op = op;
	s->sector = sector;
	fill(s);
	s->crc = cc_crc32c(s, sizeof(*s));
}

bool vc_stamp_is_whole(const struct stamp *s)
{
	struct stamp copy = *s;

	copy.crc = 0;
	return !memcmp(s->magic, magic, sizeof(magic)) && s->crc == cc_crc32c(&copy, sizeof(copy));
}

bool vc_is_zero(const void *sector)
{
	static const uint8_t zeros[SECTOR];

	return !memcmp(sector, zeros, SECTOR);
}

static struct op *op_at(struct history *h, uint64_t n)
{
	static uint64_t room;

	if (n >= room) {
		uint64_t more = room ? room : 1024;

		while (more <= n)
			more *= 2;
		h->ops = realloc(h->ops, more * sizeof(*h->ops));
		if (!h->ops)
			vc_die("no memory for %" PRIu64 " operations", more);
		memset(h->ops + room, 0, (more - room) * sizeof(*h->ops));
		room = more;
	}
	if (n >= h->nr_ops)
		h->nr_ops = n + 1;
	return &h->ops[n];
}

static bool read_issue(struct history *h, const char *line, uint64_t nr)
{
	uint64_t n, sector, count, ms;
	struct op *op;
	char kind;

	if (sscanf(line, "i %" SCNu64 " %c %" SCNu64 " %" SCNu64 " %" SCNu64, &n, &kind, &sector, &count, &ms) != 5)
		return false;
	if (!n || n >> 32 || !strchr("wfdzs", kind) || count > h->sectors || sector > h->sectors - count)
		return false;
	op = op_at(h, n);
	if (op->issued)
		return false;
	*op = (struct op){
		.kind = kind, .sector = sector, .count = count,
		.issued = nr, .acked = NEVER, .issued_ms = ms,
	};
	h->last_ms = ms;
	return true;
}

static bool read_ack(struct history *h, const char *line, uint64_t nr)
{
	uint64_t n, ms;
	struct op *op;
	int error;

	if (sscanf(line, "a %" SCNu64 " %d %" SCNu64, &n, &error, &ms) != 3 || n >= h->nr_ops)
		return false;
	op = &h->ops[n];
	if (!op->issued || op->acked != NEVER || op->failed)
		return false;
	op->failed = error;
	op->acked_ms = ms;
	if (!error)
		op->acked = nr;
	h->last_ms = ms;
	return true;
}

void vc_history_read(struct history *h, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[256];
	uint64_t nr = 0;
	bool right;

	if (!f)
		vc_die("%s: cannot be opened", path);
	*h = (struct history){ 0 };
	op_at(h, 0);
	while (fgets(line, sizeof(line), f) && strchr(line, '\n')) {
		if (!nr++)
			right = sscanf(line, "run %" SCNu32 " %" SCNu64, &h->run, &h->sectors) == 2 && h->run;
		else if (line[0] == 'i')
			right = read_issue(h, line, nr);
		else
			right = read_ack(h, line, nr);
		if (!right)
			vc_die("%s: line %" PRIu64 " makes no sense: %s", path, nr, line);
	}
	if (!nr)
		vc_die("%s: no first line", path);
	fclose(f);
}
