// SPDX-License-Identifier: GPL-2.0-or-later
/* Many things at once; see parallel.h. */
#include "parallel.h"

#include "thread.h"

struct crowd {
	unsigned int nr, next;		/* next: atomic */
	void (*fn)(void *arg, unsigned int i);
	void *arg;
};

static void *run_some(void *arg)
{
	struct crowd *c = arg;
	unsigned int i;

	while ((i = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED)) < c->nr)
		c->fn(c->arg, i);
	return NULL;
}

void cc_parallel(unsigned int nr, unsigned int threads, void (*fn)(void *arg, unsigned int i), void *arg)
{
	struct crowd c = { .nr = nr, .fn = fn, .arg = arg };
	pthread_t others[CC_PARALLEL_MAX];
	unsigned int nr_others = 0;

	/* Without memory for a thread it takes longer, no more. */
	while (nr_others + 1 < threads && nr_others + 1 < nr && nr_others < CC_PARALLEL_MAX &&
	       !cc_thread_start(run_some, &c, false, &others[nr_others]))
		nr_others++;
	run_some(&c);
	for (unsigned int i = 0; i < nr_others; i++)
		pthread_join(others[i], NULL);
}
