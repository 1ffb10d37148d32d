/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses that no store has.  Pure. */
#ifndef CC_ADDRESS_H
#define CC_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Is it link-local, or one where a cloud gives out keys?  A name that leads there is not to have
 * signed requests sent to it.  The same for an IPv6 address that a translator takes for such a one.
 */
bool cc_address_is_metadata(const struct sockaddr *sa);

#endif
