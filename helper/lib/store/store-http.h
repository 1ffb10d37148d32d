/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the fetch engine needs to know of a store of kind CC_STORE_KIND_HTTP. */
#ifndef CC_STORE_HTTP_H
#define CC_STORE_HTTP_H

#include "http.h"
#include "store-impl.h"

struct cc_http_target *cc_store_http_target(struct cc_store *s);

#endif
