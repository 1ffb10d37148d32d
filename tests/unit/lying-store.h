/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A store in memory that lies as real ones do: answers get lost, an object is made by a request that was given up,
 * or much later.  Objects are never overwritten by create, and what was made stays.
 */
#ifndef LYING_STORE_H
#define LYING_STORE_H

#include "store/store-impl.h"

struct lie_object {
	struct lie_object *next;
	char name[CC_STORE_NAME_MAX + 1];
	void *data;
	size_t size;
	bool landed;			/* else somebody's request is still under way */
	bool gone;			/* it was there, and was deleted */
};

enum lie {
	LIE_NONE,
	LIE_LOST,			/* it is done, and the answer is an error */
	LIE_TWICE,			/* the answer is lost, the request made again within: its own object is there */
	LIE_LATE,			/* an error; it may be done much later */
	LIE_NEVER,			/* an error, and nothing is done */
};

struct lying_store {
	struct cc_store base;
	struct cc_store_config config;
	struct lie_object *objects;
	enum lie next;			/* of the next create */
	bool ignores_condition;
	unsigned int creates, gets, heads;
	/* called before each request: others do something meanwhile */
	void (*meanwhile)(void *arg);
	void *arg;
	/* called when an object has come to be */
	void (*landed)(void *arg, const struct lie_object *o);
};

void lie_init(struct lying_store *s);
void lie_free(struct lying_store *s);
struct lie_object *lie_find(struct lying_store *s, const char *name);
/* One late request comes to its end, whichever; false: there is none. */
bool lie_land_one(struct lying_store *s, unsigned int which);
/* Put as is. */
void lie_plant(struct lying_store *s, const char *name, const void *data, size_t size);

#endif
