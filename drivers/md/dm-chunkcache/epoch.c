// SPDX-License-Identifier: GPL-2.0-only
/* The two epochs of a pool's readers, see epoch.h. */
#include "epoch.h"

static struct cc_epoch __percpu *other_epoch(const struct cc_epochs *e)
{
	return e->both + (e->current_epoch == e->both);
}

/*
 * Pins of an epoch that nobody takes any more: they only become fewer, and so the sum, though
 * not taken at one time, is 0 only if none is left.
 */
static long nr_pins(const struct cc_epoch __percpu *e)
{
	unsigned int cpu;
	long n = 0;

	for_each_possible_cpu(cpu)
		n += READ_ONCE(per_cpu_ptr(e, cpu)->pins);
	/* Pairs with the barrier in cc_epoch_put(): the slots are written after this. */
	smp_mb();
	return n;
}

bool cc_epochs_undrained(const struct cc_epochs *e)
{
	return nr_pins(other_epoch(e));
}

void cc_epochs_switch(struct cc_epochs *e)
{
	/* Pairs with the acquire in cc_epoch_pin(). */
	smp_store_release(&e->current_epoch, other_epoch(e));
}

int cc_epochs_init(struct cc_epochs *e)
{
	e->both = __alloc_percpu(2 * sizeof(*e->both), 2 * sizeof(*e->both));
	e->current_epoch = e->both;
	return e->both ? 0 : -ENOMEM;
}

void cc_epochs_exit(struct cc_epochs *e)
{
	WARN_ON_ONCE(nr_pins(e->both) + nr_pins(e->both + 1));
	free_percpu(e->both);
}
