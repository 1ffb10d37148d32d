// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Streams of sequential readers: what is fetched ahead for which reads, without a helper.
 */
#include <stdlib.h>
#include <string.h>

#include "ahead/prefetch.h"
#include "tap.h"

#define NR 4096u

static struct cc_streams ss;
static bool there[NR];			/* cached, on its way, or a hole */
static bool given[NR];
static unsigned int nr_given;

static bool is_there(void *arg, uint64_t chunk)
{
	return there[chunk];
}

static void begin(uint32_t window)
{
	memset(there, 0, sizeof(there));
	memset(given, 0, sizeof(given));
	nr_given = 0;
	cc_streams_init(&ss, NR, window);
}

/* A read that the helper hears of.  How many chunks were given for it. */
static unsigned int touch_at(uint64_t chunk, bool at_start)
{
	struct cc_stream *s = cc_streams_touch(&ss, chunk, at_start, is_there, NULL);
	unsigned int before = nr_given;
	uint64_t c;

	there[chunk] = true;
	while (s && (c = cc_stream_next(&ss, s, is_there, NULL)) != CC_NO_CHUNK) {
		if (c >= NR || there[c])
			abort();
		there[c] = true;
		given[c] = true;
		nr_given++;
	}
	return nr_given - before;
}

static unsigned int touch(uint64_t chunk)
{
	return touch_at(chunk, true);
}

static unsigned int run(uint64_t from, uint64_t to)
{
	unsigned int n = 0;

	for (uint64_t c = from; c < to; c++)
		n += touch(c);
	return n;
}

static unsigned int unread(uint64_t from, uint64_t to)
{
	unsigned int n = 0;

	for (uint64_t c = from; c < to; c++)
		n += given[c];
	return n;
}

static void test_window(void)
{
	begin(32);
	ok(!touch(0), "one chunk is no stream");
	ok(touch(1) == CC_STREAM_WINDOW_FIRST && given[2] && given[3], "the second one is");
	ok(!touch(1), "the same chunk again changes nothing");
	run(2, 4);
	ok(unread(4, NR) == 4, "the window doubles once it was read");
	run(4, 100);
	ok(unread(100, NR) == 32, "and stays at its limit");
	ok(unread(100, 132) == 32, "without gaps");
	run(100, NR);
	ok(nr_given == NR - 2, "to the last chunk and not beyond");
}

static void test_start(void)
{
	begin(32);
	touch_at(100, false);
	ok(!touch_at(101, false) && !touch_at(102, false), "chunks read from their middle on are no stream");
	ok(touch(103), "one that goes on from the first byte is");
	ok(touch_at(104, false) && touch_at(105, false) && unread(106, NR) == 4,
	   "of what it was given it does not matter where it was read");
}

static void test_off(void)
{
	begin(0);
	ok(!run(0, 100), "no window, no prefetch");
	begin(1);
	ok(run(0, 10) == 9 && unread(10, NR) == 1, "a window of one");
}

static void test_random(void)
{
	unsigned int n = 0;

	begin(32);
	for (uint32_t i = 0; i < 200; i++)
		n += touch((i * 1117) % NR);
	ok(!n, "scattered reads give nothing");
	begin(32);
	for (uint32_t c = 1000; c > 800; c--)
		n += touch(c);
	ok(!n, "nor does a reader that goes backwards");
}

static void test_streams(void)
{
	begin(16);
	for (uint64_t c = 0; c < 100; c++)
		for (uint64_t k = 0; k < CC_STREAMS; k++)
			touch(k * 500 + c);
	for (uint64_t k = 0; k < CC_STREAMS; k++)
		ok(unread(k * 500 + 100, k * 500 + 500) == 16, "one of eight readers at once");
	begin(16);
	for (uint64_t c = 0; c < 100; c++) {
		touch(c);
		for (uint64_t k = 0; k < 4; k++)
			touch(1000 + (c * 4 + k) * 1117 % 3000);
	}
	ok(unread(100, 132) == 16, "a reader among scattered reads");
}

static void test_gaps(void)
{
	begin(16);
	for (uint64_t c = 0; c < NR; c++)
		there[c] = c % 4 == 3;
	for (uint64_t c = 0; c < 60; c++)
		if (c % 4 != 3)
			touch(c);
	ok(unread(60, NR) == 16 && !given[63], "holes break no row and are not fetched");
	begin(16);
	for (uint64_t c = 40; c < 80; c++)
		there[c] = true;
	run(0, 40);
	ok(unread(80, 96) == 16, "what is there is passed over");
	touch(80);
	ok(unread(81, 97) == 16, "and so is it by the reader");
	begin(16);
	run(0, 1);
	ok(!touch(5), "what was not read breaks a row");
	begin(16);
	run(100, 103);
	ok(!touch(80) && touch(81) == CC_STREAM_WINDOW_FIRST, "a row that ends where another one began is its own");
}

/* Of marked chunks the news are given last one first. */
static void test_order(void)
{
	begin(16);
	run(0, 50);
	for (uint64_t c = 50; c < 98; c += 4)
		for (uint64_t k = 4; k-- > 0;)
			touch(c + k);
	ok(unread(98, NR) == 16, "news out of order");
	ok(ss.s[1].touched == 0, "begin no other stream");
}

/* A reader that leaves out three of four: what it passed over was fetched in vain. */
static void test_passed(void)
{
	begin(32);
	run(0, 50);
	ok(unread(50, NR) == 32, "a reader in order has its window");
	for (uint64_t c = 53; c < 70; c += 4)
		touch(c);
	nr_given = 0;
	touch(73);
	touch(77);
	ok(!nr_given, "one that leaves out most of it gets no more");
	for (uint64_t c = 78; c < 140; c++)
		touch(c);
	ok(unread(140, NR) == 32, "until it has gone on in order for a while");
}

static unsigned int beside(uint64_t chunk, uint64_t ret[2])
{
	cc_streams_touch(&ss, chunk, true, is_there, NULL);
	there[chunk] = true;
	return cc_streams_beside(&ss, chunk, is_there, NULL, ret);
}

static void test_beside(void)
{
	uint64_t c[2];

	begin(16);
	ok(!beside(1000, c) && !beside(2000, c) && !beside(1003, c), "reads beside each other say nothing of others");
	ok(beside(1002, c) == 1 && c[0] == 1001, "but of what is between them");
	ok(beside(998, c) == 1 && c[0] == 999, "be it behind the read or before it");
	ok(beside(996, c) == 1 && beside(994, c) == 1 && beside(2004, c) == 0 && beside(2002, c) == 2 &&
	   c[0] == 2003 && c[1] == 2001, "or both");
	there[993] = true;
	ok(!beside(992, c), "what is there needs no fetch");
	ok(!beside(0, c) && !beside(1, c) && !beside(NR - 1, c) && !beside(NR - 2, c), "nothing beyond the ends");
	for (uint64_t k = 0; k < CC_STREAM_LATELY; k++)
		touch(2500 + k * 20);
	ok(!beside(1005, c), "reads are forgotten");
	begin(0);
	ok(!beside(1000, c) && !beside(1002, c), "no window, no chunks beside");
}

int main(void)
{
	test_window();
	test_start();
	test_off();
	test_random();
	test_streams();
	test_gaps();
	test_order();
	test_passed();
	test_beside();
	return tap_done();
}
