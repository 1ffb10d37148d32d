// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The replacement policy by itself: each slot is in one list and leaves once, shares keep what
 * they were promised and no more, ghosts are counted right, a resize loses nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "../../drivers/md/dm-chunkcache/policy.h"
#include "tap.h"

#define NR	3000
#define MANY	(1u << 18)
#define SHARES	4

static struct {
	struct cc_policy policy;
	struct cc_link link[MANY];
	u8 hit[MANY], list[MANY], entered[MANY];
	u32 key[MANY];
	u16 share[MANY], ghosts[MANY + CC_GHOST_WAYS];
	struct cc_share shares[SHARES + 1];
	bool valid[MANY];
	u32 nr_valid;
} w;

static struct cc_link *op_link(void *ctx, u32 n) { return &w.link[n]; }
static u8 *op_hit(void *ctx, u32 n) { return &w.hit[n]; }
static u8 *op_list(void *ctx, u32 n) { return &w.list[n]; }
static u8 *op_entered(void *ctx, u32 n) { return &w.entered[n]; }
static u32 *op_key(void *ctx, u32 n) { return &w.key[n]; }
static u16 *op_ghosts(void *ctx, u32 set) { return &w.ghosts[set * CC_GHOST_WAYS]; }
static u16 *op_share(void *ctx, u32 n) { return &w.share[n]; }
static struct cc_share *op_find_share(void *ctx, u16 id) { return &w.shares[id]; }

static const struct cc_policy_ops ops = {
	.link = op_link, .hit = op_hit, .list = op_list, .entered = op_entered, .key = op_key, .ghosts = op_ghosts,
	.share = op_share, .find_share = op_find_share,
};

static void start(u32 nr)
{
	memset(&w, 0, sizeof(w));
	cc_policy_init(&w.policy, &ops, NULL, nr);
	for (unsigned int i = 1; i <= SHARES; i++)
		cc_share_init(&w.shares[i]);
	srand(1);
}

static void fill(u32 n, u64 key, bool prefetched, u16 share)
{
	w.share[n] = 0;
	w.valid[n] = true;
	w.nr_valid++;
	cc_policy_charge(&w.policy, n, share);
	cc_policy_insert(&w.policy, n, key, prefetched);
}

/* A victim, however many have to be spared first. */
static u32 evict(void)
{
	bool again;
	u32 n;

	do {
		n = cc_policy_evict(&w.policy, &again);
	} while (n == CC_NIL && again);
	if (n != CC_NIL) {
		w.nr_valid -= w.valid[n];
		w.valid[n] = false;
	}
	return n;
}

static u32 listed(void)
{
	const struct cc_policy *p = &w.policy;
	u32 n = p->fresh.nr + p->small.nr + p->main.nr + p->ahead.nr;

	for (unsigned int i = 1; i <= SHARES; i++)
		n += w.shares[i].parked.nr;
	return n;
}

static u32 charged(u16 share)
{
	u32 n = 0;

	for (u32 i = 0; i < NR; i++)
		n += w.valid[i] && w.share[i] == share;
	return n;
}

static bool ghosts_add_up(u32 nr)
{
	u32 count[2] = { 0, 0 };

	for (u32 i = 0; i < nr; i++)
		if (w.ghosts[i])
			count[w.ghosts[i] & 1]++;
	return count[0] == w.policy.nr_ghosts[0] && count[1] == w.policy.nr_ghosts[1];
}

/* Anything that a pool may do, for a while; what must hold does after each step. */
static void test_anything(u32 nr, const u32 promised[SHARES])
{
	u32 wrong = 0, broken = 0, twice = 0;

	start(nr);
	for (unsigned int i = 0; i < SHARES; i++)
		cc_policy_promise(&w.policy, &w.shares[i + 1], promised[i]);
	for (u32 step = 0; step < 200000; step++) {
		u32 n = (u32)rand() % nr, had[SHARES + 1];
		u16 share = (u16)(rand() % (SHARES + 1));

		for (u16 i = 1; i <= SHARES; i++)
			had[i] = w.shares[i].used;
		if (w.valid[n] && rand() % 8) {
			w.hit[n] = 1;
			cc_policy_charge(&w.policy, n, share);
		} else if (w.valid[n] && rand() % 4) {
			cc_policy_remove(&w.policy, n);
			w.valid[n] = false;
			w.nr_valid--;
			continue;
		} else if (w.valid[n]) {
			cc_policy_uncharge(&w.policy, n, share);
			continue;
		} else if (rand() % 64 && w.nr_valid > nr * 7 / 8) {
			n = evict();
			twice += n != CC_NIL && w.valid[n];
			for (u16 i = 1; i <= SHARES; i++)
				broken += w.shares[i].used < had[i] && had[i] <= promised[i - 1];
		} else {
			fill(n, (u64)rand() % (2 * nr), !(rand() % 8), share);
		}
		wrong += listed() != w.nr_valid;
	}
	for (u16 i = 1; i <= SHARES; i++)
		wrong += charged(i) != w.shares[i].used;
	ok(!wrong && !twice, "%u slots: each is in one list, and charged once", nr);
	ok(!broken, "%u slots: no promise is broken", nr);
	ok(ghosts_add_up(nr), "%u slots: ghosts are counted right", nr);
	while (evict() != CC_NIL)
		;
	for (u16 i = 1; i <= SHARES; i++)
		wrong += w.shares[i].used > promised[i - 1] || w.shares[i].used != w.shares[i].parked.nr;
	ok(!wrong, "%u slots: in the end only what was promised is left", nr);
	for (u32 n = 0; n < nr; n++)
		for (u16 i = 1; w.valid[n] && i <= SHARES; i++)
			cc_policy_uncharge(&w.policy, n, i);
	while (evict() != CC_NIL)
		;
	ok(!w.nr_valid && !listed(), "%u slots: and nothing without promises", nr);
}

/* 2,700 slots of a share stand before the 300 that can go: found in bounded steps, once. */
static void test_spared(void)
{
	u32 searches = 0, n;
	bool again;

	start(NR);
	cc_policy_promise(&w.policy, &w.shares[1], 2700);
	for (u32 i = 0; i < NR; i++)
		fill(i, i, false, i < 2700);
	do {
		n = cc_policy_evict(&w.policy, &again);
		searches++;
	} while (n == CC_NIL && again);
	ok(n >= 2700 && n != CC_NIL && searches > 1 && searches < 5,
	   "spared: found slot %u, in %u searches", n, searches);
	ok(w.shares[1].parked.nr == 2700, "spared: %u are parked", w.shares[1].parked.nr);
	while (cc_policy_promise(&w.policy, &w.shares[1], 100))
		;
	ok(w.shares[1].parked.nr == 100, "spared: a smaller promise sets the others free");
	fill(n, 5000, false, 1);
	ok(w.shares[1].parked.nr == 99, "spared: one more that can go lets the oldest go");
}

/* What a share that is used beyond its promise keeps is not what it read first. */
static void test_share_follows(void)
{
	u32 old = 0;

	start(NR);
	cc_policy_promise(&w.policy, &w.shares[1], 50);
	for (u32 i = 0; i < 50; i++)
		fill(i, i, false, 1);
	for (u32 i = 50; i < NR; i++)
		fill(i, i, false, 0);
	for (u64 key = NR; key < 3 * NR; key++)
		fill(evict(), key, false, key % 4 == 0);
	for (u32 i = 0; i < 50; i++)
		old += w.share[i] == 1 && w.valid[i];
	ok(old < 25, "share: %u of the first 50 are left", old);
	ok(w.shares[1].used >= 50, "share: it has %u", w.shares[1].used);
}

static void test_prefetched(void)
{
	start(100);
	for (u32 i = 0; i < 100; i++)
		fill(i, i, i >= 90, 0);
	w.hit[95] = 1;
	for (u32 i = 0; i < 9; i++) {
		u32 n = evict();

		if (n < 90 || n == 95)
			ok(false, "prefetched: %u went", n);
	}
	ok(w.valid[95] && !w.policy.ahead.nr, "prefetched and not read goes first");
	ok(evict() < 90, "prefetched and read is like all others");
}

/* Slot 0 is hit until so many fills were; then the fills until it goes.  Main is hardly favoured. */
static u32 life_after_hits(u32 fills, u64 *key)
{
	u32 lived = 0, n;

	start(NR);
	w.policy.favour = 5u << 18;
	for (*key = 0; *key < NR; ++*key)
		fill((u32)*key, *key, false, 0);
	w.hit[0] = 1;
	while ((n = evict()) && lived < 100 * NR) {
		fill(n, (*key)++, false, 0);
		w.hit[0] = *key < NR + fills;
		lived += !w.hit[0];
	}
	return lived;
}

static void test_merits(void)
{
	u64 key;
	u32 one = life_after_hits(NR / 2, &key), many = life_after_hits(6 * NR, &key);

	ok(one > NR / 4 && many > one + NR && many < one + 4 * NR,
	   "merits: who was hit for long stays %u fills more, else %u", many, one);
}

/* Among the ghosts: is main where a chunk begins that comes back? */
static bool goes_to_main(u32 slot, u64 key)
{
	u32 was = w.policy.main.nr;

	fill(slot, key, false, 0);
	return w.policy.main.nr > was;
}

static void test_loop(void)
{
	u32 in_main = 0;
	u64 key;

	life_after_hits(NR / 2, &key);
	/* Small dropped the chunk that was filled a turnover ago. */
	key -= NR + NR / 50;
	ok(!goes_to_main(0, 0), "loop: what main dropped starts over");
	for (u32 i = 0; i < 3; i++)
		in_main += goes_to_main(evict(), key - i);
	ok(!in_main, "loop: of three that small dropped then, %u go to main", in_main);
	for (u32 i = 3; i < 6; i++)
		in_main += goes_to_main(evict(), key - i);
	ok(in_main == 3, "loop: of the next three %u do", in_main);
}

/*
 * One reads chunks that are never read again but by another who comes behind: how many of the last turnover
 * of those that the second one reads are not there?
 */
static u32 missed_behind(u32 behind)
{
	static u32 slot_of[64 * NR];	/* plus 1; 0: not there */
	static u32 holds[NR];
	u32 filled = 0, missed = 0;

	memset(slot_of, 0, sizeof(slot_of));
	start(NR);
	for (u32 i = 0; i < 2 * 64 * NR; i++) {
		u32 key = i % 2 ? i / 2 - behind : i / 2, n;

		if (i % 2 && i / 2 < behind)
			continue;
		if (slot_of[key]) {
			w.hit[slot_of[key] - 1] = 1;
			continue;
		}
		missed += i % 2 && i / 2 >= 63 * NR;
		n = filled < NR ? filled++ : evict();
		slot_of[holds[n]] = 0;
		holds[n] = key;
		slot_of[key] = n + 1;
		fill(n, key, false, 0);
	}
	return missed;
}

static void test_followed(void)
{
	for (u32 tenths = 2; tenths <= 6; tenths += 2) {
		u32 missed = missed_behind(NR / 10 * tenths);

		ok(missed < NR / 10, "followed: %u0 %% of the cache behind, %u of %u are missed", tenths, missed, NR);
	}
}

static void test_starved(void)
{
	u64 key;

	life_after_hits(NR / 2, &key);
	w.policy.favour = 1u << 17;
	fill(0, 0, false, 0);
	ok(w.policy.favour > 1u << 20, "starved: main is favoured again when a chunk of its comes back");
}

static void test_resize(void)
{
	u32 lost = 0;

	start(NR / 4);
	for (u32 i = 0; i < NR / 4; i++)
		fill(i, i, false, 0);
	cc_policy_resize(&w.policy, NR);
	for (u32 i = NR / 4; i < NR; i++)
		fill(i, i, false, 0);
	for (u64 key = 0; key < 5 * NR; key++)
		fill(evict(), key % 4500, false, 0);
	cc_policy_resize(&w.policy, NR / 10);
	for (u32 i = 0; i < NR - NR / 10; i++)
		lost += evict() == CC_NIL;
	for (u64 key = 0; key < 5 * NR; key++)
		fill(evict(), key % 450, false, 0);
	ok(!lost && listed() == NR / 10, "resize: %u slots", listed());
}

/* So many slots that their number and that of either kind of ghosts multiply to more than 32 bits. */
static void test_large_resize(void)
{
	const u32 *ghosts = w.policy.nr_ghosts;
	u32 was[2], fresh;

	start(MANY);
	for (u32 i = 0; i < MANY; i++)
		fill(i, i, false, 0);
	for (u64 key = MANY; key < 3 * MANY; key++) {
		fill(evict(), key, false, 0);
		for (unsigned int hits = 0; hits < 4; hits++)
			w.hit[(u32)rand() % MANY] = 1;
	}
	memcpy(was, ghosts, sizeof(was));
	cc_policy_resize(&w.policy, MANY / 2);
	for (unsigned int by = 0; by < 2; by++)
		ok((u64)was[by] * (MANY / 2) > UINT32_MAX && ghosts[by] == was[by] / 2,
		   "large resize: %u ghosts of %u are left", ghosts[by], was[by]);
	fresh = w.policy.fresh.nr;
	fill(evict(), 3 * MANY, false, 0);
	ok(fresh > MANY / 100 && fresh - w.policy.fresh.nr < 16, "large resize: one fill moved %u fresh ones",
	   fresh - w.policy.fresh.nr);
	for (u32 i = 1; i < MANY; i++)
		fill(evict(), 3 * MANY + i, false, 0);
	ok(w.policy.fresh.nr <= MANY / 2 / 50 + 1, "large resize: %u fresh ones in the end", w.policy.fresh.nr);
}

int main(void)
{
	static const u32 none[SHARES], some[SHARES] = { 3, 40, 0, 200 }, tiny[SHARES] = { 1 };

	test_anything(NR, none);
	test_anything(NR, some);
	test_anything(20, tiny);
	test_anything(2, none);
	test_spared();
	test_share_follows();
	test_prefetched();
	test_merits();
	test_loop();
	test_followed();
	test_starved();
	test_resize();
	test_large_resize();
	return tap_done();
}
