// SPDX-License-Identifier: GPL-2.0-or-later
/* Texts as JSON; see json-text.h. */
#include "json-text.h"

#include <stdlib.h>
#include <string.h>

#include "utf8.h"

json_t *cc_json_text(const char *s)
{
	char *copy = strdup(s);
	json_t *text;

	if (!copy)
		return NULL;
	text = json_string(cc_utf8_clean(copy));
	free(copy);
	return text;
}
