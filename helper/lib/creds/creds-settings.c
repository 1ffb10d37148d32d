// SPDX-License-Identifier: GPL-2.0-or-later
/* Settings of S3 stores from the environment and the profile. */
#include "creds-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One that may say it, and its name for messages. */
struct says {
	const char *value;		/* NULL or "": it does not */
	const char *who;
};

#define BY_VARIABLE(name) { cc_creds_env(name), name }

/* The first word of nr; *field stays if it is set. */
static int take_first(char **field, const char **from, const struct says *says, size_t nr)
{
	for (size_t i = 0; !*field && i < nr; i++) {
		if (!says[i].value || !*says[i].value)
			continue;
		*field = strdup(says[i].value);
		if (!*field)
			return -ENOMEM;
		*from = says[i].who;
	}
	return 0;
}

static bool endpoints_are_ignored(void)
{
	const char *value = cc_creds_env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");

	return value && !strcasecmp(value, "true");
}

static int take_settings(struct cc_store_config *c, const struct cc_profile_settings *profile)
{
	const struct says regions[] = {
		BY_VARIABLE("AWS_REGION"), BY_VARIABLE("AWS_DEFAULT_REGION"),
		{ profile->region, "region of the profile" },
	};
	const struct says endpoints[] = {
		BY_VARIABLE("AWS_ENDPOINT_URL_S3"), BY_VARIABLE("AWS_ENDPOINT_URL"),
		{ profile->endpoint, "endpoint_url of the profile" },
	};
	const struct says bundles[] = {
		BY_VARIABLE("AWS_CA_BUNDLE"), { profile->ca_bundle, "ca_bundle of the profile" },
	};

	if (take_first(&c->region, &c->region_from, regions, sizeof(regions) / sizeof(regions[0])) ||
	    take_first(&c->ca_file, &c->ca_from, bundles, sizeof(bundles) / sizeof(bundles[0])))
		return -ENOMEM;
	if (endpoints_are_ignored())
		return 0;
	return take_first(&c->endpoint, &c->endpoint_from, endpoints, sizeof(endpoints) / sizeof(endpoints[0]));
}

int cc_creds_settings(struct cc_store_config *c, char *err, size_t errlen)
{
	struct cc_profile_settings *profile;
	int r;

	if (!c->url || strncmp(c->url, "s3://", 5) || (c->region && c->endpoint && c->ca_file))
		return 0;
	profile = calloc(1, sizeof(*profile));
	r = profile ? 0 : -ENOMEM;
	if (!r)
		cc_creds_profile_settings(c, profile);
	if (!r)
		r = take_settings(c, profile);
	free(profile);
	if (r) {
		snprintf(err, errlen, "out of memory");
		return r;
	}
	if (c->ca_from && *c->ca_file != '/') {
		snprintf(err, errlen, "%s: expected an absolute path, not \"%s\"", c->ca_from, c->ca_file);
		return -EINVAL;
	}
	return 0;
}
