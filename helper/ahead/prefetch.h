/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which chunks of a disk will be read next: streams of readers that go through the disk in order.  Pure
 * logic, without I/O, clock or memory of its own; it is told of the first touch of each chunk and says
 * what to fetch.
 *
 *	 read        given, not read yet      not looked at
 *	------|------------------------------|-------------
 *	     next                          ahead
 *
 * A stream is one after CC_STREAM_RUN chunks in a row, each read from its first byte: of reads that begin
 * further on, few go on into the next chunk.  Holes and chunks that are there already, whose reads nobody hears
 * of, do not break a row.  Its window, how many chunks that were given may be unread, starts small and
 * doubles each time that its reader has come to where it was doubled before; twice what the reader passed
 * over lately is taken off it.
 *
 * Most reads of a guest that starts are in no order, but near each other.  So a chunk between two that were read
 * lately is fetched, too.
 */
#ifndef CC_PREFETCH_H
#define CC_PREFETCH_H

#include <stdbool.h>
#include <stdint.h>

#define CC_STREAMS		8	/* of a disk at a time */
#define CC_STREAM_RUN		2
#define CC_STREAM_WINDOW_FIRST	2
#define CC_STREAM_WINDOW_MAX	256
#define CC_STREAM_SPAN		1024	/* ahead is never further from next */
#define CC_STREAM_LATELY	64	/* touches that are remembered */
#define CC_NO_CHUNK		UINT64_MAX

struct cc_stream {
	uint64_t next;			/* the chunk behind the last one that was read */
	uint64_t ahead;			/* chunks before it were given, or were there */
	uint64_t grow_at;		/* a read from there on doubles the window */
	uint64_t touched;		/* the disk's number of that touch; 0: not in use */
	uint32_t run;			/* chunks in a row, up to CC_STREAM_RUN */
	uint32_t window;
	uint32_t unread;		/* bits from next on */
	uint32_t passed;		/* bits before it */
	uint64_t given[CC_STREAM_SPAN / 64]; /* bit chunk % CC_STREAM_SPAN, of a few before next up to ahead */
};

struct cc_streams {
	struct cc_stream s[CC_STREAMS];
	uint64_t nr_chunks;		/* of the disk */
	uint64_t touches;
	uint32_t window_max;		/* 0: no prefetch */
	uint64_t lately[CC_STREAM_LATELY]; /* the last touches, a ring */
};

/* Need chunk not be fetched?  True for holes and for what is cached or on its way. */
typedef bool cc_stream_there_fn(void *arg, uint64_t chunk);

/* window_max is at most CC_STREAM_WINDOW_MAX. */
void cc_streams_init(struct cc_streams *ss, uint64_t nr_chunks, uint32_t window_max);
/*
 * chunk was read for the first time in a while; at_start: from its first byte.  The stream to ask for more, or NULL.
 */
struct cc_stream *cc_streams_touch(struct cc_streams *ss, uint64_t chunk, bool at_start, cc_stream_there_fn *there,
				   void *arg);
/* The next chunk to fetch for s, which counts as given from now on; CC_NO_CHUNK: enough for now. */
uint64_t cc_stream_next(struct cc_streams *ss, struct cc_stream *s, cc_stream_there_fn *there, void *arg);
/* Which of the two chunks beside chunk, that was just touched, to fetch as well; returns how many. */
unsigned int cc_streams_beside(const struct cc_streams *ss, uint64_t chunk, cc_stream_there_fn *there, void *arg,
			       uint64_t ret_chunks[2]);

#endif
