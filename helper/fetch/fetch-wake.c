// SPDX-License-Identifier: GPL-2.0-or-later
/* Wakes the fetch engine's network threads, of any thread's own accord. */
#include "fetch-impl.h"

#include <unistd.h>

void cc_fetch_wake(struct cc_fetch *f, unsigned int index)
{
	struct cc_fetch_waker *w = &f->wakers[index];
	const uint64_t one = 1;

	if (!atomic_exchange(&w->woken, true) && write(w->eventfd, &one, sizeof(one)) < 0)
		w->woken = false;
}

void cc_fetch_wake_idlest(struct cc_fetch *f)
{
	unsigned int best = 0;

	for (unsigned int i = 1; i < f->nr_net; i++)
		if (f->wakers[i].nr_used < f->wakers[best].nr_used)
			best = i;
	cc_fetch_wake(f, best);
}

void cc_fetch_alarm(struct cc_fetch *f, uint64_t due_ns)
{
	if (due_ns >= f->next_event_ns)
		return;
	f->next_event_ns = due_ns;
	if (due_ns < f->wakers[0].sleeps_until_ns)
		cc_fetch_wake(f, 0);
}
