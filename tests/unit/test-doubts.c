// SPDX-License-Identifier: GPL-2.0-or-later
/* What an error says of a place, and of which slot an error that says nothing tells after all. */
#include <errno.h>

#include "chunkcache/io-error.h"
#include "pool/doubts.h"
#include "tap.h"

static void test_errors(void)
{
	static const int path[] = { EOPNOTSUPP, ETIMEDOUT, ENOSPC, ENOLINK, EBADE, ENOMEM, EBUSY, EAGAIN,
				    EREMCHG, ENODEV, ETOOMANYREFS, EOVERFLOW, ETIME, EINVAL };
	unsigned int bad = 0;

	ok(cc_io_error(ENODATA) == CC_IO_MEDIUM && cc_io_error(EILSEQ) == CC_IO_MEDIUM &&
	   cc_io_error(EBADMSG) == CC_IO_MEDIUM, "medium, protection, other bytes: the place");
	ok(cc_io_error(EIO) == CC_IO_DOUBT && cc_io_error(EREMOTEIO) == CC_IO_DOUBT &&
	   cc_io_error(EXDEV) == CC_IO_DOUBT, "EIO, target, what nobody knows: doubt");
	for (unsigned int i = 0; i < sizeof(path) / sizeof(path[0]); i++)
		bad += cc_io_error(path[i]) != CC_IO_PATH;
	ok(!bad, "all others: the path");
}

static void good(struct cc_doubts *d, unsigned int n)
{
	while (n--)
		cc_doubts_good(d);
}

static void test_one_slot(void)
{
	struct cc_doubts d = { 0 };

	good(&d, 1000);
	ok(!cc_doubts_failed(&d, 0), "the first time");
	ok(!cc_doubts_failed(&d, 0), "and at once again: nobody else was tried");
	good(&d, 60);
	ok(cc_doubts_failed(&d, 0), "again, others work: it is bad");
	good(&d, 60);
	ok(!cc_doubts_failed(&d, 1), "another one for the first time");
}

/* Outages with some slots under way in each; between them slots are written in turn. */
static unsigned int outages(unsigned int slots, unsigned int in_flight, unsigned int between)
{
	struct cc_doubts d = { 0 };
	unsigned int bad = 0, slot = 0;

	for (unsigned int outage = 0; outage < 20; outage++) {
		for (unsigned int i = 0; i < in_flight; i++)
			bad += cc_doubts_failed(&d, slot++ % slots);
		good(&d, between);
		slot += between;
	}
	return bad;
}

static void test_many(void)
{
	struct cc_doubts d = { 0 };
	unsigned int bad = 0;

	ok(!outages(1000, 32, 1007), "outages cost no slot");
	ok(!outages(16, 8, 24), "nor one after the other, in a pool where it is always the same ones");
	for (unsigned int n = 0; n < 10; n++)
		for (uint32_t slot = 0; slot < 3 * CC_DOUBTS_MAX; slot++)
			bad += cc_doubts_failed(&d, slot);
	ok(!bad, "a device that takes no write any more");
	for (unsigned int turn = 0; turn < 2; turn++)
		for (uint32_t slot = 0; slot < 64; slot++)
			if (slot % 10)
				cc_doubts_good(&d);
			else
				bad += cc_doubts_failed(&d, slot);
	ok(bad == 7, "%u of 7 bad ones among 64", bad);
}

int main(void)
{
	test_errors();
	test_one_slot();
	test_many();
	return tap_done();
}
