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
static unsigned int touch(uint64_t chunk)
{
	struct cc_stream *s = cc_streams_touch(&ss, chunk, is_there, NULL);
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
	ok(!touch(0) && !touch(1), "two chunks are no stream");
	ok(touch(2) == CC_STREAM_WINDOW_FIRST && given[3] && given[6], "the third one is");
	ok(!touch(2), "the same chunk again changes nothing");
	run(3, 7);
	ok(unread(7, NR) == 8, "the window doubles once it was read");
	run(7, 100);
	ok(unread(100, NR) == 32, "and stays at its limit");
	ok(unread(100, 132) == 32, "without gaps");
	run(100, NR);
	ok(nr_given == NR - 3, "to the last chunk and not beyond");
}

static void test_off(void)
{
	begin(0);
	ok(!run(0, 100), "no window, no prefetch");
	begin(1);
	ok(run(0, 10) == 8 && unread(10, NR) == 1, "a window of one");
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
	run(0, 2);
	ok(!touch(5), "what was not read breaks a row");
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
	cc_streams_touch(&ss, chunk, is_there, NULL);
	there[chunk] = true;
	return cc_streams_beside(&ss, chunk, is_there, NULL, ret);
}

static void test_beside(void)
{
	uint64_t c[2];

	begin(16);
	ok(!beside(1000, c) && !beside(2000, c), "reads far from each other say nothing of chunks beside");
	ok(beside(1003, c) == 2 && c[0] == 1004 && c[1] == 1002, "the second read of a cluster does");
	there[1001] = true;
	ok(beside(1000, c) == 1 && c[0] == 999, "what is there needs no fetch");
	ok(beside(0, c) == 0 && beside(2, c) == 2 && beside(0, c) == 1 && c[0] == 1, "nothing before the first chunk");
	ok(beside(NR - 1, c) == 0 && beside(NR - 3, c) == 2 && beside(NR - 1, c) == 1 && c[0] == NR - 2,
	   "nor behind the last one");
	for (uint64_t k = 0; k < CC_STREAM_LATELY; k++)
		touch(1500 + k * 20);
	ok(!beside(1005, c), "a cluster is forgotten");
	begin(0);
	ok(!beside(1000, c) && !beside(1001, c), "no window, no chunks beside");
}

static void test_deaths(void)
{
	begin(32);
	run(0, 100);
	for (int i = 0; i < 100; i++)
		cc_streams_died(&ss);
	ok(!run(100, 131) && unread(131, NR) == 1, "chunks that died unread shrink the window");
	touch(131);
	ok(unread(132, NR) == 1, "to one, not to none");
	for (int i = 0; i < 100; i++)
		cc_streams_used(&ss);
	touch(132);
	ok(unread(133, NR) == 32, "which grows again by being of use");
}

int main(void)
{
	test_window();
	test_off();
	test_random();
	test_streams();
	test_gaps();
	test_order();
	test_passed();
	test_beside();
	test_deaths();
	return tap_done();
}
