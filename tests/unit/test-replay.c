// SPDX-License-Identifier: GPL-2.0-or-later
/* Recordings of first touches, and replays of boot traces. */
#include <stdlib.h>
#include <string.h>
#include "clock.h"
#include "ahead/recording.h"
#include "ahead/replay.h"
#include "tap.h"

#define NR_CHUNKS 100000u

/* ---- recordings ---- */

static void test_recording(void)
{
	struct cc_recording r = { .nr = 0 };

	ok(!cc_recording_listens(&r, 7), "before the start nothing is listened to");
	cc_recording_touch(&r, 7, 5);
	ok(!r.nr && r.state == CC_RECORDING_NONE, "nor recorded");
	cc_recording_start(&r, NR_CHUNKS, 10 * CC_SECOND);
	ok(cc_recording_listens(&r, 7) && cc_recording_listens(&r, NR_CHUNKS - 1), "then every chunk is");
	cc_recording_touch(&r, 7, 10 * CC_SECOND);
	cc_recording_touch(&r, NR_CHUNKS - 1, 10 * CC_SECOND + 1500 * CC_MS);
	cc_recording_touch(&r, 7, 12 * CC_SECOND);
	cc_recording_touch(&r, 8, 13 * CC_SECOND);
	ok(r.nr == 3 && r.touches[0].chunk == 7 && r.touches[0].ms == 0 && r.touches[1].chunk == NR_CHUNKS - 1 &&
	   r.touches[1].ms == 1500 && r.touches[2].chunk == 8 && r.touches[2].ms == 3000,
	   "first touches, with their times");
	ok(!cc_recording_listens(&r, 7) && cc_recording_listens(&r, 9), "and each only once");
	cc_recording_touch(&r, 9, (11 + CC_RECORDING_SECONDS) * CC_SECOND);
	ok(r.state == CC_RECORDING_OVER && r.nr == 3 && !r.touched && !cc_recording_listens(&r, 9),
	   "after a while it is over, what was recorded stays");
	cc_recording_free(&r);
}

static void test_recording_full(void)
{
	struct cc_recording r = { .nr = 0 };

	cc_recording_start(&r, NR_CHUNKS, 0);
	for (uint32_t c = 0; c < NR_CHUNKS; c++)
		cc_recording_touch(&r, c, c);
	ok(r.state == CC_RECORDING_OVER && r.nr == CC_TRACE_CHUNKS_MAX && !r.touched, "no more than %d touches",
	   CC_TRACE_CHUNKS_MAX);
	cc_recording_free(&r);
}

/* ---- replays ---- */

static bool is_hole(void *arg, uint64_t chunk)
{
	return chunk == 50;
}

/* Chunks 0, 10, .. 990 in that order; 50 is a hole; each third was touched by half of the runs only. */
static void start(struct cc_replay *r)
{
	struct cc_trace_chunk chunks[100] = { { .chunk = 0 } };
	struct cc_trace t = { .runs = 2, .nr = 100, .chunks = chunks };

	for (uint32_t i = 0; i < 100; i++)
		chunks[i] = (struct cc_trace_chunk) { .chunk = i * 10, .runs = i % 3 ? 2 : 1 };
	cc_replay_init(r);
	if (cc_replay_start(r, &t, 1000, is_hole, NULL))
		abort();
}

static void test_order(void)
{
	struct cc_replay r;
	uint64_t chunk, last = 0, nr = 0;
	bool right = true;

	start(&r);
	ok(r.state == CC_REPLAY_ON && r.nr == 65, "holes and what half of the runs left out are not in it");
	right = cc_replay_touch(&r, 40) && !cc_replay_touch(&r, 30) && !cc_replay_touch(&r, 41);
	ok(right && r.matched == 1 && r.strayed == 2, "touches are in the trace, or not");
	for (right = true; cc_replay_next(&r, &chunk); nr++, last = chunk)
		right &= chunk % 30 && chunk != 50 && chunk != 40 && chunk > last;
	ok(right && nr == 64, "all others, in order, but for what was read already");
	ok(r.state == CC_REPLAY_GIVEN && !cc_replay_next(&r, &chunk), "then no more");
	ok(cc_replay_touch(&r, 70) && !cc_replay_touch(&r, 71), "but it still knows the trace");
	cc_replay_free(&r);
	ok(r.state == CC_REPLAY_NONE && !cc_replay_touch(&r, 80), "a replay that is none");
}

static void test_lead(void)
{
	struct cc_replay r;
	uint64_t chunk = 0;

	start(&r);
	while (chunk < 160)
		cc_replay_next(&r, &chunk);
	ok(r.lead == 10, "so far ahead as chunks were given (%u)", r.lead);
	cc_replay_pass(&r);
	ok(r.lead == 9, "but those that are there");
	cc_replay_next(&r, &chunk);
	cc_replay_put_back(&r);
	ok(r.lead == 9 && cc_replay_next(&r, &chunk) && chunk == 170, "or can't be fetched now");
	cc_replay_touch(&r, 80);
	ok(r.lead == 5, "the disk comes to where it reads, past what it left out (%u)", r.lead);
	cc_replay_touch(&r, 20);
	cc_replay_touch(&r, 160);
	cc_replay_touch(&r, 990);
	ok(r.lead == 5, "not by what is behind it, nor by what was not given");
	cc_replay_touch(&r, 170);
	ok(!r.lead, "it has caught up");
	cc_replay_free(&r);
}

static void test_leaving(void)
{
	struct cc_replay r;
	uint64_t chunk;

	start(&r);
	for (int i = 0; i < CC_REPLAY_LAST - 1; i++)
		cc_replay_touch(&r, i * 10 + 1);
	ok(r.state == CC_REPLAY_ON, "%d reads of other chunks are not long enough", CC_REPLAY_LAST - 1);
	cc_replay_touch(&r, 999);
	ok(r.state == CC_REPLAY_LEFT && !cc_replay_next(&r, &chunk) && !r.untouched, "one more: left, for good");
	cc_replay_free(&r);
	start(&r);
	for (int i = 0; i < 60; i++)
		cc_replay_touch(&r, i % 4 ? (unsigned int)i * 10 + 1 : (unsigned int)(i / 4 * 30 + 10));
	ok(r.state == CC_REPLAY_ON, "a quarter in the trace is enough (%u matched)", r.matched);
	cc_replay_free(&r);
	start(&r);
	for (int i = 0; i < 70; i++)
		cc_replay_touch(&r, i % 5 ? (unsigned int)i * 10 + 1 : (unsigned int)(i / 5 * 30 + 10));
	ok(r.state == CC_REPLAY_LEFT, "a fifth is not");
	cc_replay_free(&r);
}

/* Whoever has read it all may read on elsewhere. */
static void test_end(void)
{
	struct cc_replay r;
	uint32_t matched;

	start(&r);
	for (uint64_t c = 0; c < 1000; c += 10)
		if (c % 30 && c != 50)
			cc_replay_touch(&r, c);
	matched = r.matched;
	for (int i = 0; i < 100; i++)
		cc_replay_touch(&r, i * 10 + 1);
	ok(matched == r.nr && r.state != CC_REPLAY_LEFT, "the end of the trace is no reason to leave it");
	cc_replay_free(&r);
}

int main(void)
{
	test_recording();
	test_recording_full();
	test_order();
	test_lead();
	test_leaving();
	test_end();
	return tap_done();
}
