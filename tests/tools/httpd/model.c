// SPDX-License-Identifier: GPL-2.0-or-later
/* The latency of an object store; see model.h. */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1048576.0

struct lognormal {
	double median, sigma;
};

struct mixture {
	double floor_ms;
	struct { double weight; struct lognormal ms; } kinds[3];
	struct lognormal rate;
};

static const struct mixture mixtures[] = {
	[MODEL_S3] = { 8, { { 0.8995, { 26, .28 } }, { 0.10, { 70, .35 } }, { 0.0005, { 700, .90 } } },
		       { 50 * MIB, .30 } },
	[MODEL_EXPRESS] = { 1, { { 1, { 2.5, .57 } } }, { 100 * MIB, .30 } },
};

bool model_by_name(const char *name, enum model_kind *ret_kind)
{
	if (!strcmp(name, "s3"))
		*ret_kind = MODEL_S3;
	else if (!strcmp(name, "express"))
		*ret_kind = MODEL_EXPRESS;
	else
		return false;
	return true;
}

/* ---- random numbers: a stream is a number, and mixed anew for each draw ---- */

static uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15ULL;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Greater than 0, at most 1. */
static double uniform(uint64_t *stream)
{
	*stream = mix(*stream);
	return ((*stream >> 11) + 1) / 9007199254740992.0;
}

static double draw(const struct lognormal *l, uint64_t *stream)
{
	double radius = sqrt(-2 * log(uniform(stream)));

	return l->median * exp(l->sigma * radius * cos(2 * M_PI * uniform(stream)));
}

static unsigned int draw_kind(const struct mixture *x, uint64_t *stream)
{
	double u = uniform(stream);
	unsigned int k = 0;

	while (k < 2 && u > x->kinds[k].weight && x->kinds[k + 1].weight)
		u -= x->kinds[k++].weight;
	return k;
}

/* ---- objects: what was asked for, how often, and what is under way ---- */

struct object {
	uint64_t hash;			/* of the path; 0: free */
	uint32_t firsts;		/* GETs that were no second leg */
	uint16_t active;
	uint16_t seconds;		/* second legs since the last first one */
	uint8_t kind;			/* of the last first one */
};

static struct object *objects;
static uint32_t nr_objects, room;

static uint64_t hash_path(const char *path)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *path; path++)
		h = (h ^ (unsigned char)*path) * 0x100000001b3ULL;
	return h ? h : 1;
}

static struct object *find(uint64_t hash)
{
	uint32_t i = mix(hash) & (room - 1);

	while (objects[i].hash && objects[i].hash != hash)
		i = (i + 1) & (room - 1);
	return &objects[i];
}

/* The place of an object may change, so its number is its hash's low half. */
static void grow(void)
{
	struct object *old = objects;
	uint32_t old_room = room;

	if (nr_objects * 2 < room)
		return;
	room = room ? room * 2 : 1024;
	objects = calloc(room, sizeof(*objects));
	if (!objects) {
		fputs("cc-httpd: out of memory\n", stderr);
		exit(1);
	}
	for (uint32_t i = 0; i < old_room; i++)
		if (old[i].hash)
			*find(old[i].hash) = old[i];
	free(old);
}

struct model_draw model_begin(const struct model *m, uint64_t seed, const char *path,
			      uint32_t *ret_object)
{
	const struct mixture *x = &mixtures[m->kind];
	uint64_t hash = (uint32_t)hash_path(path) | 1ULL << 32, stream;
	struct model_draw d = { .second = false };
	struct object *o;
	unsigned int kind;

	grow();
	o = find(hash);
	nr_objects += !o->hash;
	o->hash = hash;
	d.second = o->active;
	o->seconds = d.second ? o->seconds + 1 : 0;
	o->firsts += !d.second;
	stream = mix(mix(seed ^ hash) + ((uint64_t)o->firsts << 16 | o->seconds));
	kind = draw_kind(x, &stream);
	if (d.second && uniform(&stream) <= m->correlation)
		kind = o->kind;
	if (!d.second)
		o->kind = kind;
	o->active++;
	d.first_byte_ms = fmax(x->floor_ms, draw(&x->kinds[kind].ms, &stream)) * m->factor;
	d.rate = draw(&x->rate, &stream);
	*ret_object = (uint32_t)hash;
	return d;
}

void model_end(uint32_t object)
{
	find(object | 1ULL << 32)->active--;
}
