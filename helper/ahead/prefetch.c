// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Streams of sequential readers; see prefetch.h.
 */
#include "prefetch.h"

#include <string.h>

#define BEHIND		32		/* news of chunks come out of order, by about so many */
#define GAP		64		/* a reader may pass so many chunks unheard */
#define ESTABLISHED	64		/* touches that a stream outlives others by */

static uint64_t bit(uint64_t chunk)
{
	return 1ULL << (chunk % 64);
}

static uint64_t *word(struct cc_stream *s, uint64_t chunk)
{
	return &s->given[chunk % CC_STREAM_SPAN / 64];
}

void cc_streams_init(struct cc_streams *ss, uint64_t nr_chunks, uint32_t window_max)
{
	memset(ss, 0, sizeof(*ss));
	ss->nr_chunks = nr_chunks;
	ss->window_max = window_max;
}

/* Nobody hears of reads of what is there, so that a reader may come out behind it. */
static bool reaches(const struct cc_stream *s, uint64_t chunk, cc_stream_there_fn *there, void *arg)
{
	if (chunk < s->ahead)
		return true;
	if (chunk - s->ahead > GAP)
		return false;
	for (uint64_t c = s->ahead; c < chunk; c++)
		if (!there(arg, c))
			return false;
	return true;
}

/* How far is chunk from where s expects its reader?  UINT64_MAX: it is none of its. */
static uint64_t distance(struct cc_stream *s, uint64_t chunk, cc_stream_there_fn *there, void *arg)
{
	if (!s->touched)
		return UINT64_MAX;
	if (chunk >= s->next)
		return reaches(s, chunk, there, arg) ? chunk - s->next : UINT64_MAX;
	/* Late news are of what was given; a chunk that was not may be the first one of another row. */
	return chunk + BEHIND >= s->next && *word(s, chunk) & bit(chunk) ? s->next - chunk : UINT64_MAX;
}

static struct cc_stream *find(struct cc_streams *ss, uint64_t chunk, cc_stream_there_fn *there, void *arg)
{
	struct cc_stream *nearest = NULL;
	uint64_t least = UINT64_MAX;

	for (struct cc_stream *s = ss->s; s < ss->s + CC_STREAMS; s++) {
		uint64_t d = distance(s, chunk, there, arg);

		if (d < least) {
			least = d;
			nearest = s;
		}
	}
	return nearest;
}

/* The one least lately touched goes; one that got somewhere stays a while longer than others. */
static struct cc_stream *replace(struct cc_streams *ss)
{
	struct cc_stream *victim = NULL;
	uint64_t lowest = UINT64_MAX;

	for (struct cc_stream *s = ss->s; s < ss->s + CC_STREAMS; s++) {
		uint64_t worth = s->touched + (s->run == CC_STREAM_RUN ? ESTABLISHED : 0);

		if (worth < lowest) {
			lowest = worth;
			victim = s;
		}
	}
	return victim;
}

static void begin(struct cc_streams *ss, uint64_t chunk)
{
	struct cc_stream *s = replace(ss);

	*s = (struct cc_stream) {
		.next = chunk + 1, .ahead = chunk + 1, .touched = ss->touches, .run = 1,
	};
}

/* Takes chunk's bit. */
static bool take(struct cc_stream *s, uint64_t chunk)
{
	uint64_t was = *word(s, chunk) & bit(chunk);

	*word(s, chunk) &= ~bit(chunk);
	return was;
}

/* The reader is at chunk: what was given before it is read but not heard of yet, or never will be. */
static void advance(struct cc_stream *s, uint64_t chunk)
{
	uint64_t from = s->next;

	s->next = chunk + 1;
	for (uint64_t c = from; c < s->next && c < s->ahead; c++) {
		if (!(*word(s, c) & bit(c)))
			continue;
		s->unread--;
		s->passed++;
	}
	for (uint64_t c = from < BEHIND ? 0 : from - BEHIND; c + BEHIND < s->next; c++)
		s->passed -= take(s, c);
	if (s->ahead < s->next)
		s->ahead = s->next;
}

static void grow(const struct cc_streams *ss, struct cc_stream *s, uint64_t chunk)
{
	if (!s->window)
		s->window = CC_STREAM_WINDOW_FIRST;
	else if (chunk >= s->grow_at)
		s->window *= 2;
	else
		return;
	if (s->window > ss->window_max)
		s->window = ss->window_max;
	s->grow_at = s->next + s->window - 1;
}

struct cc_stream *cc_streams_touch(struct cc_streams *ss, uint64_t chunk, bool at_start, cc_stream_there_fn *there,
				   void *arg)
{
	struct cc_stream *s;

	if (!ss->window_max)
		return NULL;
	ss->lately[ss->touches++ % CC_STREAM_LATELY] = chunk;
	s = find(ss, chunk, there, arg);
	if (!s) {
		begin(ss, chunk);
		return NULL;
	}
	s->touched = ss->touches;
	if (chunk >= s->next) {
		advance(s, chunk);
		if (s->run < CC_STREAM_RUN && at_start)
			s->run++;
		if (s->run == CC_STREAM_RUN)
			grow(ss, s, chunk);
	}
	s->passed -= take(s, chunk);
	return s->run == CC_STREAM_RUN ? s : NULL;
}

uint64_t cc_stream_next(struct cc_streams *ss, struct cc_stream *s, cc_stream_there_fn *there, void *arg)
{
	uint32_t window = s->window > 2 * s->passed ? s->window - 2 * s->passed : 1;
	uint64_t end = s->next + CC_STREAM_SPAN - BEHIND;

	if (end > ss->nr_chunks)
		end = ss->nr_chunks;
	while (s->unread < window && s->ahead < end) {
		uint64_t c = s->ahead++;

		if (there(arg, c))
			continue;
		*word(s, c) |= bit(c);
		s->unread++;
		return c;
	}
	return CC_NO_CHUNK;
}

static bool was_read_lately(const struct cc_streams *ss, uint64_t chunk)
{
	uint64_t nr = ss->touches < CC_STREAM_LATELY ? ss->touches : CC_STREAM_LATELY;

	for (uint64_t i = 0; i < nr; i++)
		if (ss->lately[i] == chunk)
			return true;
	return false;
}

unsigned int cc_streams_beside(const struct cc_streams *ss, uint64_t chunk, cc_stream_there_fn *there, void *arg,
			       uint64_t ret_chunks[2])
{
	const uint64_t beside[2] = { chunk + 1, chunk - 1 }, behind[2] = { chunk + 2, chunk - 2 };
	unsigned int n = 0;

	/* Before the first chunk there is none, and no disk has the one that it wraps to. */
	for (int i = 0; i < 2 && ss->window_max; i++)
		if (beside[i] < ss->nr_chunks && was_read_lately(ss, behind[i]) && !there(arg, beside[i]))
			ret_chunks[n++] = beside[i];
	return n;
}
