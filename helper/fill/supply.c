// SPDX-License-Identifier: GPL-2.0-or-later
/* What is kept of each source; see supply.h. */
#include "supply.h"

#include <string.h>

void cc_supplies_init(struct cc_supplies *all, struct cc_sources *sources)
{
	memset(all, 0, sizeof(*all));
	all->sources = sources;
	all->nr = sources->nr;
	for (unsigned int i = 0; i < all->nr; i++) {
		struct cc_supply *s = &all->s[i];

		s->source = &sources->s[i];
		s->next_retry = UINT64_MAX;
		s->allowed = CC_SUPPLY_ALLOWED_MAX;
		cc_list_init(&s->wanted);
		cc_list_init(&s->ahead);
		cc_list_init(&s->prefetch);
		cc_list_init(&s->by_hand);
		cc_list_init(&s->retry);
	}
}

struct cc_supply *cc_supply_of(struct cc_supplies *all, const struct cc_source *source)
{
	return &all->s[source - all->sources->s];
}
