// SPDX-License-Identifier: GPL-2.0-or-later
/* See result.h. */
#include "result.h"

const char *cc_store_result_name(enum cc_store_result r)
{
	switch (r) {
	case CC_STORE_OK:
		return "ok";
	case CC_STORE_NOTFOUND:
		return "not found";
	case CC_STORE_DENIED:
		return "denied";
	case CC_STORE_TIMEOUT:
		return "timeout";
	case CC_STORE_CORRUPT:
		return "corrupt";
	case CC_STORE_TOOBIG:
		return "too big";
	case CC_STORE_CANCELLED:
		return "cancelled";
	case CC_STORE_ERROR:
		return "error";
	case CC_STORE_EXISTS:
		return "exists";
	case CC_STORE_UNSUPPORTED:
		return "unsupported";
	}
	return "unknown";
}
