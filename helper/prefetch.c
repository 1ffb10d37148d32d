// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Streams of sequential readers; see prefetch.h.
 */
#include <string.h>

#include "prefetch.h"

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
	ss->allowed = window_max;
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

static struct cc_stream *find(struct cc_streams *ss, uint64_t chunk, cc_stream_there_fn *there, void *arg)
{
	for (struct cc_stream *s = ss->s; s < ss->s + CC_STREAMS; s++)
		if (s->touched && chunk + BEHIND >= s->next && (chunk < s->next || reaches(s, chunk, there, arg)))
			return s;
	return NULL;
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

/* The reader is at chunk: what was given before it is read, or never will be. */
static void advance(struct cc_stream *s, uint64_t chunk)
{
	uint64_t end = chunk < s->ahead ? chunk + 1 : s->ahead;

	for (uint64_t c = s->next; c < end; c++) {
		if (!(*word(s, c) & bit(c)))
			continue;
		*word(s, c) &= ~bit(c);
		s->unread--;
	}
	s->next = chunk + 1;
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

struct cc_stream *cc_streams_touch(struct cc_streams *ss, uint64_t chunk, cc_stream_there_fn *there, void *arg)
{
	struct cc_stream *s;

	if (!ss->window_max)
		return NULL;
	ss->touches++;
	s = find(ss, chunk, there, arg);
	if (!s) {
		begin(ss, chunk);
		return NULL;
	}
	s->touched = ss->touches;
	if (chunk >= s->next) {
		advance(s, chunk);
		if (s->run < CC_STREAM_RUN)
			s->run++;
		if (s->run == CC_STREAM_RUN)
			grow(ss, s, chunk);
	}
	return s->run == CC_STREAM_RUN ? s : NULL;
}

uint64_t cc_stream_next(struct cc_streams *ss, struct cc_stream *s, cc_stream_there_fn *there, void *arg)
{
	uint32_t window = s->window < ss->allowed ? s->window : ss->allowed;

	while (s->unread < window && s->ahead < ss->nr_chunks && s->ahead - s->next < CC_STREAM_SPAN) {
		uint64_t c = s->ahead++;

		if (there(arg, c))
			continue;
		*word(s, c) |= bit(c);
		s->unread++;
		return c;
	}
	return CC_NO_CHUNK;
}

void cc_streams_used(struct cc_streams *ss)
{
	if (ss->allowed < ss->window_max)
		ss->allowed++;
}

void cc_streams_died(struct cc_streams *ss)
{
	ss->allowed -= ss->allowed > 4 ? ss->allowed / 4 : ss->allowed > 1;
}
