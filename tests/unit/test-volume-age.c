// SPDX-License-Identifier: GPL-2.0-or-later
/* How old a volume's oldest write is said to be: never younger than it is, and young again after a commit. */
#include "tap.h"

#include "clock.h"
#include "volume/volume-age.h"

#define P(n) (1ULL << 63 | (uint64_t)(n) << 13)

static uint64_t at(unsigned int seconds)
{
	return (1000 + seconds) * CC_SECOND;
}

int main(void)
{
	struct cc_volume_age a = { 0 };

	cc_volume_age_read(&a, 0, false, at(0));
	ok(!a.dirty_ns, "nothing is dirty");
	cc_volume_age_read(&a, 0, true, at(10));
	ok(a.dirty_ns == at(9), "what is read of the journal may be a second old");
	cc_volume_age_read(&a, 0, true, at(20));
	ok(a.dirty_ns == at(9), "it grows older");

	cc_volume_age_asked(&a, at(21));
	cc_volume_age_asked(&a, at(22));
	cc_volume_age_read(&a, P(1), true, at(23));
	ok(a.cut_ns == at(21), "a cut is as old as the first wish for it");
	cc_volume_age_commit_begun(&a);
	cc_volume_age_asked(&a, at(23));
	cc_volume_age_read(&a, P(2), true, at(24));
	ok(a.dirty_ns == at(9), "a commit under way makes nothing younger");
	cc_volume_age_committed(&a, P(1) - (1 << 13));
	ok(a.dirty_ns == at(9), "nor does one of a part");
	cc_volume_age_committed(&a, P(1));
	ok(a.dirty_ns == at(21), "what is left is younger than the cut that the commit began with");
	cc_volume_age_commit_begun(&a);
	cc_volume_age_committed(&a, P(2));
	cc_volume_age_read(&a, P(2), false, at(25));
	ok(!a.dirty_ns, "all is in the store");

	cc_volume_age_commit_begun(&a);
	cc_volume_age_committed(&a, P(2));
	cc_volume_age_read(&a, P(2), true, at(9000));
	ok(a.dirty_ns == at(8999), "after a long rest it is not as old as the last cut");
	return tap_done();
}
