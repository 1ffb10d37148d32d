// SPDX-License-Identifier: GPL-2.0-or-later
/* What the module ships, driven as slot.c drives it. */
#include <stdlib.h>

#include "policy-sim.h"
#include "../../drivers/md/dm-chunkcache/policy.h"

struct sim {
	const struct trace *trace;
	struct cc_policy policy;
	struct cc_link *link;		/* these by slot */
	uint8_t *hit, *list, *entered;
	uint32_t *key;
	uint32_t *holds;		/* chunk */
	uint16_t *ghosts;
	uint32_t *slot_of;		/* by chunk: slot, CC_NIL if it has none */
	uint32_t slots, used;
};

static struct cc_link *op_link(void *ctx, u32 n)
{
	return &((struct sim *)ctx)->link[n];
}

static u8 *op_hit(void *ctx, u32 n)
{
	return &((struct sim *)ctx)->hit[n];
}

static u8 *op_list(void *ctx, u32 n)
{
	return &((struct sim *)ctx)->list[n];
}

static u8 *op_entered(void *ctx, u32 n)
{
	return &((struct sim *)ctx)->entered[n];
}

static u32 *op_key(void *ctx, u32 n)
{
	return &((struct sim *)ctx)->key[n];
}

static u16 *op_ghosts(void *ctx, u32 set)
{
	return &((struct sim *)ctx)->ghosts[(size_t)set * CC_GHOST_WAYS];
}

/* Nothing is charged to anybody. */
static u16 *op_share(void *ctx, u32 n)
{
	static u16 none;

	return &none;
}

static const struct cc_policy_ops policy_ops = {
	.link = op_link,
	.hit = op_hit,
	.list = op_list,
	.entered = op_entered,
	.key = op_key,
	.ghosts = op_ghosts,
	.share = op_share,
};

static void *open_sim(const struct trace *t, uint32_t slots)
{
	struct sim *s = sim_alloc(1, sizeof(*s));

	s->trace = t;
	s->slots = slots;
	s->link = sim_alloc(slots, sizeof(*s->link));
	s->hit = sim_alloc(slots, sizeof(*s->hit));
	s->list = sim_alloc(slots, sizeof(*s->list));
	s->entered = sim_alloc(slots, sizeof(*s->entered));
	s->key = sim_alloc(slots, sizeof(*s->key));
	s->holds = sim_alloc(slots, sizeof(*s->holds));
	s->ghosts = sim_alloc((size_t)slots + CC_GHOST_WAYS, sizeof(*s->ghosts));
	s->slot_of = sim_alloc(t->nr_chunks, sizeof(*s->slot_of));
	for (uint32_t i = 0; i < t->nr_chunks; i++)
		s->slot_of[i] = CC_NIL;
	cc_policy_init(&s->policy, &policy_ops, s, slots);
	return s;
}

static bool request(void *sim, uint32_t chunk)
{
	struct sim *s = sim;
	uint32_t n = s->slot_of[chunk];
	bool again;

	if (n != CC_NIL) {
		s->hit[n] = 1;
		return true;
	}
	if (s->used < s->slots) {
		n = s->used++;
	} else {
		n = cc_policy_evict(&s->policy, &again);
		s->slot_of[s->holds[n]] = CC_NIL;
	}
	s->holds[n] = chunk;
	s->slot_of[chunk] = n;
	cc_policy_insert(&s->policy, n, s->trace->number[chunk], false);
	return false;
}

static void close_sim(void *sim)
{
	struct sim *s = sim;

	free(s->link);
	free(s->hit);
	free(s->list);
	free(s->entered);
	free(s->key);
	free(s->holds);
	free(s->ghosts);
	free(s->slot_of);
	free(s);
}

const struct sim_ops sim_default = { "default", open_sim, request, close_sim };
