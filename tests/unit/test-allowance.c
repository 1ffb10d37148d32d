// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How much may be fetched ahead: what is never read stays a share of what is, whatever the order of things.
 */
#include "ahead/allowance.h"
#include "tap.h"

/* Gives what may be given; returns how many. */
static unsigned int give_all(struct cc_allowance *a)
{
	unsigned int n = 0;

	for (; cc_allowance_left(a) && n < 10000; n++)
		cc_allowance_give(a);
	return n;
}

static void touch(struct cc_allowance *a, unsigned int nr)
{
	while (nr--)
		cc_allowance_touch(a);
}

static void test_guesses(void)
{
	struct cc_allowance a = { 0 };

	ok(give_all(&a) == CC_ALLOWANCE_FREE, "a few chunks at first");
	touch(&a, CC_ALLOWANCE_SHARE - 1);
	ok(!cc_allowance_left(&a), "no more while nothing of it is read");
	touch(&a, 1);
	ok(give_all(&a) == 1, "one more for some chunks that were touched");
	cc_allowance_settle(&a);
	ok(give_all(&a) == 1, "and one for each that was read");
	touch(&a, 1000 - CC_ALLOWANCE_SHARE);
	give_all(&a);
	ok(a.unread <= CC_ALLOWANCE_FREE + 100, "in vain is at most a tenth, and those few");
	for (unsigned int i = 0; i < 100 * CC_ALLOWANCE_AGE; i++) {
		cc_allowance_touch(&a);
		give_all(&a);
	}
	ok(a.unread <= CC_ALLOWANCE_FREE + CC_ALLOWANCE_AGE / CC_ALLOWANCE_SHARE, "and does not add up for ever");
	for (unsigned int i = 0; i < 2 * CC_ALLOWANCE_AGE; i++)
		cc_allowance_settle(&a);
	ok(!a.unread, "more settled than is known of is none");
}

static void test_trace(void)
{
	struct cc_allowance a = { 0 };
	unsigned int nr = 0;

	ok(cc_allowance_for_trace(&a, 7, 20) && !cc_allowance_for_trace(&a, 8, 20), "a trace is not far ahead of its disk");
	ok(cc_allowance_for_trace(&a, 127, 16) && !cc_allowance_for_trace(&a, 128, 16), "by bytes at first");
	ok(cc_allowance_for_trace(&a, 0, 24) && !cc_allowance_for_trace(&a, 1, 24), "but by one chunk at least");
	touch(&a, CC_ALLOWANCE_LEAD_SHARE);
	ok(cc_allowance_for_trace(&a, 8, 20) && !cc_allowance_for_trace(&a, 9, 20), "farther when that has read more");
	for (; cc_allowance_for_trace(&a, 0, 20) && nr < 10000; nr++)
		cc_allowance_give(&a);
	ok(nr == 8 + CC_ALLOWANCE_LEAD_SHARE / CC_ALLOWANCE_ALL_SHARE, "nor given for ever to one that does not read it");
	ok(!cc_allowance_left(&a), "and then nothing is guessed either");
}

int main(void)
{
	test_guesses();
	test_trace();
	return tap_done();
}
