// SPDX-License-Identifier: GPL-2.0-or-later
/* Defaults of settings, and their end. */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

void cc_store_config_init(struct cc_store_config *c)
{
	*c = (struct cc_store_config){
		.connections = 32,
		.connect_timeout_ms = 3000,
		.first_byte_timeout_ms = 5000,
		.stall_timeout_ms = 5000,
		.attempt_timeout_ms = 30000,
		.total_timeout_ms = 60000,
		.attempts = 3,
		.backoff_ms = 50,
		.backoff_max_ms = 20000,
		.patience_ms = 900000,
		.commit_interval_ms = 1000,
		.negative_ttl_ms = 3000,
		.hedge_quantile = 980,
		.hedge_budget = 20,
		.hedge_min_ms = 20,
		.hedge_max_ms = 2000,
		.stall_hedge_ms = 250,
		.cache_copies = 1,
	};
}

void cc_store_config_free(struct cc_store_config *c)
{
	free(c->name);
	free(c->url);
	free(c->domain);
	free(c->endpoint);
	free(c->region);
	free(c->credentials);
	free(c->credentials_file);
	free(c->profile);
	free(c->sse);
	free(c->sse_kms_key_id);
	free(c->storage_class);
	free(c->ca_file);
	free(c->replicas);
	free(c->caches);
	free(c->cachey_bucket);
	memset(c, 0, sizeof(*c));
}
