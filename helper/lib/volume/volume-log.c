// SPDX-License-Identifier: GPL-2.0-or-later
/* The log of a volume: see volume-log.h. */
#include "volume-log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "parallel.h"
#include "place.h"
#include "volume-name.h"

#define HEAD_GUESS	(64u << 10)	/* the head of most objects */
#define WINDOW_HEAD_MAX	(2u << 20)	/* of those that are got before their turn */

void cc_volume_log_init(struct cc_volume_log *l, struct cc_store *s, const uint8_t volume[16],
			const uint8_t self[16], const char *host, cc_volume_log_fn *fn, void *arg)
{
	*l = (struct cc_volume_log){ .store = s, .fn = fn, .arg = arg, .parallel = 1 };
	memcpy(l->volume, volume, sizeof(l->volume));
	memcpy(l->self, self, sizeof(l->self));
	/* Names of hosts are ASCII; what isn't would be refused by who reads it. */
	for (size_t i = 0; i < CC_VOLUME_HOST_MAX && host[i]; i++)
		l->host[i] = host[i] < ' ' || host[i] > '~' ? '?' : host[i];
}

bool cc_volume_log_closed(const struct cc_volume_log *l)
{
	return l->last.type == CC_COMMIT_CLOSE || l->last.number == 1;
}

bool cc_volume_log_foreign(const struct cc_volume_log *l)
{
	return !cc_volume_log_closed(l) && memcmp(l->last.owner, l->self, sizeof(l->self));
}

/* ---- reading ---- */

/* The head of an object, malloc()ed, and its size in all.  -EFBIG: the head is larger than max. */
static int get_head(struct cc_volume_log *l, const char *name, size_t max, void **ret_head, size_t *ret_have,
		    uint64_t *ret_size, char *err, size_t errlen)
{
	size_t have = 0, want, more = 0;
	uint8_t *head = malloc(HEAD_GUESS), *whole;
	int r;

	if (!head)
		return -ENOMEM;
	r = cc_store_errno(cc_store_get_range(l->store, name, 0, head, HEAD_GUESS, &have, ret_size, err, errlen));
	want = r ? 0 : cc_commit_head_size(head, have);
	if (want > max)
		r = -EFBIG;
	if (!r && want > have && want <= *ret_size) {
		whole = realloc(head, want);
		if (!whole) {
			free(head);
			return -ENOMEM;
		}
		head = whole;
		r = cc_store_errno(cc_store_get_range(l->store, name, have, head + have, want - have, &more,
						      ret_size, err, errlen));
	}
	if (r) {
		free(head);
		return r;
	}
	*ret_head = head;
	*ret_have = have + more;
	return 0;
}

static int get_object(struct cc_volume_log *l, uint64_t number, size_t head_max, struct cc_commit *ret, char *err,
		      size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX], reason[160] = "";
	void *head;
	struct cc_commit c;
	uint64_t size = 0;
	size_t have;
	int r;

	cc_commit_name(l->volume, number, name);
	r = get_head(l, name, head_max, &head, &have, &size, err, errlen);
	if (r)
		return r;
	r = cc_commit_decode(head, have, size, &c, reason, sizeof(reason));
	free(head);
	if (r) {
		snprintf(err, errlen, "%s: %s", name, reason);
		return r == -ENOMEM ? r : -EBADMSG;
	}
	if (c.number != number || memcmp(c.volume, l->volume, sizeof(c.volume))) {
		snprintf(err, errlen, "%s: is number %" PRIu64 " of another volume or place", name, c.number);
		cc_commit_free(&c);
		return -EBADMSG;
	}
	*ret = c;
	return 0;
}

int cc_volume_log_get(struct cc_volume_log *l, uint64_t number, struct cc_commit *ret, char *err, size_t errlen)
{
	return get_object(l, number, CC_COMMIT_HEAD_MAX, ret, err, errlen);
}

static bool counts(const struct cc_volume_log *l, const struct cc_commit *c)
{
	if (memcmp(c->before, l->last.digest, sizeof(c->before)))
		return false;
	if (c->type == CC_COMMIT_OPEN)
		return c->term > l->last.term;
	return c->term == l->last.term && !memcmp(c->owner, l->last.owner, sizeof(c->owner));
}

/* What its owner could not have made behind the last one; the name of it, or NULL. */
static const char *breaks_rule(const struct cc_commit *last, const struct cc_commit *c)
{
	if (c->chunk_shift != last->chunk_shift)
		return "chunk_shift";
	if (memcmp(c->base, last->base, sizeof(c->base)))
		return "base";
	if (c->type == CC_COMMIT_RESIZE ? c->size < last->size : c->size != last->size)
		return "size";
	if (c->type == CC_COMMIT_DATA ? c->upto < last->upto : c->upto != last->upto)
		return "cut";
	if (cc_log_term(cc_place_number(c->upto)) > c->term)
		return "cut";
	for (uint32_t i = 0; i < c->nr_pieces; i++)
		if (c->pieces[i].place & CC_PLACE_GUEST && c->pieces[i].place < last->upto)
			return "place of a piece, which is in the store already,";
	if (c->type != CC_COMMIT_CHECKPOINT &&
	    (c->map_number != last->map_number || memcmp(c->map, last->map, sizeof(c->map)) ||
	     c->map_term != last->map_term))
		return "map";
	return NULL;
}

static void take_as_last(struct cc_volume_log *l, const struct cc_commit *c)
{
	if (c->type == CC_COMMIT_OPEN) {
		if (memcmp(c->owner, l->last.owner, sizeof(c->owner)))
			l->run_term = c->term;
		l->since = c->time;
	}
	l->last = *c;
	l->last.pieces = NULL;
	l->last.records = NULL;
	l->last.nr_pieces = l->last.nr_records = 0;
}

/*
 * The next object was got: what it is to the log.  *ret_counts says whether it counts.  -EXFULL: it is behind the last
 * term that is wanted.
 */
static int judge_object(struct cc_volume_log *l, const struct cc_commit *c, bool *ret_counts, char *err, size_t errlen)
{
	const char *wrong;
	int r;

	*ret_counts = counts(l, c);
	if (*ret_counts && l->last_term && c->term > l->last_term)
		return -EXFULL;
	if (*ret_counts) {
		wrong = breaks_rule(&l->last, c);
		if (wrong) {
			snprintf(err, errlen, "number %" PRIu64 " of the log: %s: can't follow number %" PRIu64,
				 c->number, wrong, l->last.number);
			return -EBADMSG;
		}
		r = l->fn ? l->fn(l->arg, c, err, errlen) : 0;
		if (r)
			return r;
		take_as_last(l, c);
	}
	l->next = c->number + 1;
	return 0;
}

/* ---- several at once ---- */

/* Heads of objects on their way, and what came; large ones are left for their turn, or they could fill the memory. */
struct window {
	struct cc_volume_log *log;
	unsigned int nr;
	struct window_entry {
		struct cc_commit c;
		int r;
		char err[300];
	} all[CC_PARALLEL_MAX];
};

static void get_window_entry(void *arg, unsigned int i)
{
	struct window *w = arg;
	struct window_entry *e = &w->all[i];
	size_t max = w->nr > 1 ? WINDOW_HEAD_MAX : CC_COMMIT_HEAD_MAX;

	e->r = get_object(w->log, w->log->next + i, max, &e->c, e->err, sizeof(e->err));
}

static int take_window_entry(struct cc_volume_log *l, struct window_entry *e, char *err, size_t errlen)
{
	bool counted;
	int r = e->r;

	if (r == -EFBIG)
		r = cc_volume_log_get(l, l->next, &e->c, e->err, sizeof(e->err));
	if (r) {
		snprintf(err, errlen, "%s", e->err);
		return r;
	}
	r = judge_object(l, &e->c, &counted, err, errlen);
	cc_commit_free(&e->c);
	return r;
}

/* Up to the end that is known all are there; behind it each is asked for by itself. */
static unsigned int window_size(const struct cc_volume_log *l)
{
	uint64_t known = l->end > l->next ? l->end - l->next + 1 : 1;

	return known < l->parallel ? known : l->parallel;
}

static int roll_window(struct cc_volume_log *l, struct window *w, char *err, size_t errlen)
{
	unsigned int i;
	int r = 0;

	w->log = l;
	w->nr = window_size(l);
	cc_parallel(w->nr, w->nr, get_window_entry, w);
	for (i = 0; !r && i < w->nr; i++)
		r = take_window_entry(l, &w->all[i], err, errlen);
	for (; i < w->nr; i++)
		if (!w->all[i].r)
			cc_commit_free(&w->all[i].c);
	return r;
}

static int roll_on(struct cc_volume_log *l, char *err, size_t errlen)
{
	struct window *w = malloc(sizeof(*w));
	int r = w ? 0 : -ENOMEM;

	while (!r)
		r = roll_window(l, w, err, errlen);
	free(w);
	if (r == -EXFULL)
		return 0;
	if (r != -ENOENT)
		return r;
	if (l->next > l->end)
		return 0;
	snprintf(err, errlen, "number %" PRIu64 " of the log is missing, number %" PRIu64 " was there", l->next, l->end);
	return -EIO;
}

static struct cc_numbered numbered_commits(const struct cc_volume_log *l)
{
	return (struct cc_numbered){ .store = l->store, .volume = l->volume, .name = cc_commit_name,
				     .parallel = l->parallel };
}

/*
 * A number that is there; none behind it was, when it was asked for.  All from the floor on are there, unless that is
 * raised meanwhile: who takes the volume looks for that.
 */
static int find_end(struct cc_volume_log *l, uint64_t *ret_number, char *err, size_t errlen)
{
	struct cc_numbered n = numbered_commits(l);
	int r = 0;

	if (!l->floor_given)
		r = cc_volume_floor_read(l->store, l->volume, l->parallel, &l->floor, err, errlen);
	return r ? r : cc_numbered_last(&n, l->floor.number, ret_number, err, errlen);
}

/* In terms up to last_term there may be no newer one: where what was written in them is kept for. */
static uint64_t choose_start(const struct cc_volume_log *l, const struct cc_commit *newest)
{
	if (l->last_term)
		return cc_volume_floor_of_term(&l->floor, l->last_term);
	if (newest->map_number > l->floor.number)
		return newest->map_number;
	return l->floor.index ? l->floor.number : 1;
}

static int check_start(const struct cc_volume_log *l, const struct cc_commit *c, char *err, size_t errlen)
{
	if (l->last_term && c->term > l->last_term) {
		snprintf(err, errlen, "what was there at the end of term %u is not in the store any more", l->last_term);
		return -EBADMSG;
	}
	if (c->type == (c->number > 1 ? CC_COMMIT_CHECKPOINT : CC_COMMIT_OPEN))
		return 0;
	snprintf(err, errlen, "number %" PRIu64 " of the log: expected %s, with which the reading begins", c->number,
		 c->number > 1 ? "a checkpoint" : "an open");
	return -EBADMSG;
}

/* What should be there is missing: error, unless the log was cut off since its floor was read. */
static int is_missing(struct cc_volume_log *l, int error, char *err, size_t errlen)
{
	struct cc_volume_floor now = l->floor;
	char unused[400];

	if (cc_volume_floor_read(l->store, l->volume, l->parallel, &now, unused, sizeof(unused)) ||
	    now.index == l->floor.index)
		return error;
	snprintf(err, errlen, "the log was cut off meanwhile, below number %" PRIu64, now.number);
	return -EIO;
}

static int find_start(struct cc_volume_log *l, struct cc_commit *ret, char *err, size_t errlen)
{
	uint64_t end = 0;
	int r = find_end(l, &end, err, errlen);

	if (r)
		return r;
	if (!end) {
		snprintf(err, errlen, "there is no such volume");
		return is_missing(l, -ENOENT, err, errlen);
	}
	r = cc_volume_log_get(l, end, ret, err, errlen);
	if (!r) {
		l->end = end;
		end = choose_start(l, ret);
		cc_commit_free(ret);
		r = cc_volume_log_get(l, end, ret, err, errlen);
	}
	if (r == -ENOENT)		/* all has gone: not even the floor is there */
		return is_missing(l, end == l->floor.number ? -ENOENT : -EBADMSG, err, errlen);
	if (r)
		return r;
	r = check_start(l, ret, err, errlen);
	if (r)
		cc_commit_free(ret);
	return r;
}

int cc_volume_log_read(struct cc_volume_log *l, char *err, size_t errlen)
{
	struct cc_commit c;
	int r;

	if (l->next)
		return roll_on(l, err, errlen);
	r = find_start(l, &c, err, errlen);
	if (r)
		return r;
	r = l->fn ? l->fn(l->arg, &c, err, errlen) : 0;
	cc_commit_free(&c);
	if (r)
		return r;
	take_as_last(l, &c);
	l->run_term = c.term;
	l->since = c.time;
	l->next = c.number + 1;
	return roll_on(l, err, errlen);
}

/* ---- appending ---- */

/* What follows from the log for whoever makes the next object. */
static void fill_in(const struct cc_volume_log *l, uint32_t term, struct cc_commit *c)
{
	const struct cc_commit *last = &l->last;

	c->number = l->next;
	c->term = term;
	c->chunk_shift = last->chunk_shift;
	c->time = time(NULL);
	memcpy(c->before, last->digest, sizeof(c->before));
	memcpy(c->volume, l->volume, sizeof(c->volume));
	memcpy(c->owner, l->self, sizeof(c->owner));
	memcpy(c->base, last->base, sizeof(c->base));
	memcpy(c->host, l->host, sizeof(c->host));
	if (c->type != CC_COMMIT_RESIZE)
		c->size = last->size;
	if (c->type != CC_COMMIT_DATA)
		c->upto = last->upto;
	if (c->type == CC_COMMIT_CHECKPOINT) {
		c->map_number = c->number;
		c->map_term = term;
	} else {
		c->map_number = last->map_number;
		c->map_term = last->map_term;
		memcpy(c->map, last->map, sizeof(c->map));
	}
	for (uint32_t i = 0; i < c->nr_pieces; i++)
		c->pieces[i].commit = c->pieces[i].pack_term ? 0 : c->number;
}

static uint64_t random_nonce(void)
{
	uint64_t nonce = 0;

	while (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce) || !nonce)
		;
	return nonce;
}

/* OK: it is there, by this very request or by another one with the same bytes. */
static int create_next(struct cc_volume_log *l, struct cc_commit *c, const void *data, size_t data_size, char *err,
		       size_t errlen)
{
	char name[CC_OBJECT_NAME_MAX];
	void *object;
	size_t size;
	int r;

	r = cc_commit_encode(c, data, data_size, &object, &size);
	if (r) {
		snprintf(err, errlen, "number %" PRIu64 " of the log: %s", c->number, strerror(-r));
		return r;
	}
	cc_commit_name(l->volume, c->number, name);
	r = cc_store_errno(cc_store_create(l->store, name, object, size, err, errlen));
	free(object);
	if (r == -ENOENT || r == -EBADMSG)
		r = -EIO;		/* nothing that a creation can be told */
	return r;
}

/*
 * The number that was wanted is taken: by *c itself (0, a lost answer), by an own object of an earlier life (-EAGAIN),
 * by who is the owner now (-ESTALE), or by what doesn't count (-EEXIST: the next number).
 */
static int meet(struct cc_volume_log *l, const struct cc_commit *c, char *err, size_t errlen)
{
	struct cc_commit there;
	bool counted = false, same;
	uint32_t term;
	int r = cc_volume_log_get(l, l->next, &there, err, errlen);

	if (r == -ENOENT)
		r = -EIO;		/* it is said to be there, and is not: ask again */
	if (r)
		return r;
	same = c && !memcmp(there.digest, c->digest, sizeof(there.digest));
	term = there.term;
	r = same ? 0 : judge_object(l, &there, &counted, err, errlen);
	if (!r && counted && term > l->own_term) {
		snprintf(err, errlen, "opened by %s as term %u", *there.host ? there.host : "another host", term);
		l->own_term = 0;
		r = -ESTALE;
	} else if (!r && !same) {
		snprintf(err, errlen, "number %" PRIu64 " of the log was made before", there.number);
		r = counted ? -EAGAIN : -EEXIST;
	}
	cc_commit_free(&there);
	return r;
}

/* c is in the log, as the last one. */
static int accept_own(struct cc_volume_log *l, const struct cc_commit *c, char *err, size_t errlen)
{
	bool counted;
	int r = judge_object(l, c, &counted, err, errlen);

	return r ? r : counted ? 0 : -EBADMSG;
}

int cc_volume_log_append(struct cc_volume_log *l, struct cc_commit *c, const void *data, size_t data_size, char *err,
			 size_t errlen)
{
	const char *wrong;
	int r;

	if (!l->own_term) {
		snprintf(err, errlen, "the volume is not ours");
		return -ESTALE;
	}
	do {
		fill_in(l, l->own_term, c);
		wrong = breaks_rule(&l->last, c);
		if (wrong) {
			snprintf(err, errlen, "%s: can't follow number %" PRIu64, wrong, l->last.number);
			return -EINVAL;
		}
		r = create_next(l, c, data, data_size, err, errlen);
		if (r == -EEXIST)
			r = meet(l, c, err, errlen);
	} while (r == -EEXIST);
	return r ? r : accept_own(l, c, err, errlen);
}

int cc_volume_log_probe(struct cc_volume_log *l, char *err, size_t errlen)
{
	struct cc_numbered n = numbered_commits(l);
	bool there = true;
	int r = 0;

	if (!l->own_term) {
		snprintf(err, errlen, "the volume is not ours");
		return -ESTALE;
	}
	while (!r && there) {
		r = cc_numbered_is_there(&n, l->next, &there, err, errlen);
		if (!r && there)
			r = meet(l, NULL, err, errlen);
		if (r == -EEXIST)
			r = 0;
	}
	return r;
}

/*
 * Was number free as nobody had made it, or as its commit has gone?  -EIO: it is below the floor by now; read the log
 * anew.
 */
static int check_floor(struct cc_volume_log *l, uint64_t number, char *err, size_t errlen)
{
	int r = cc_volume_floor_read(l->store, l->volume, l->parallel, &l->floor, err, errlen);

	if (r || number >= l->floor.number)
		return r;
	snprintf(err, errlen, "number %" PRIu64 " of the log has gone, it begins at number %" PRIu64 " by now", number,
		 l->floor.number);
	return -EIO;
}

int cc_volume_log_take(struct cc_volume_log *l, char *err, size_t errlen)
{
	struct cc_commit c = { .type = CC_COMMIT_OPEN };
	int r;

	/* A term ends where the next one begins: behind the last there is none. */
	if (l->last.term >= CC_LOG_TERM_MAX - 1) {
		snprintf(err, errlen, "the volume was opened %u times, as often as it can be", l->last.term);
		return -ENOSPC;
	}
	fill_in(l, l->last.term + 1, &c);
	c.nonce = random_nonce();
	r = create_next(l, &c, NULL, 0, err, errlen);
	if (r == -EEXIST) {
		r = meet(l, &c, err, errlen);
		if (r == -ESTALE || r == -EEXIST)
			return -EAGAIN;
	}
	if (!r)
		r = check_floor(l, c.number, err, errlen);
	if (!r)
		r = accept_own(l, &c, err, errlen);
	if (!r)
		l->own_term = c.term;
	return r;
}

int cc_volume_log_resume(struct cc_volume_log *l, uint32_t term, char *err, size_t errlen)
{
	int r = check_floor(l, l->next, err, errlen);

	if (r)
		return r;
	if (l->last.term == term && !cc_volume_log_closed(l) && !cc_volume_log_foreign(l)) {
		l->own_term = term;
		return 0;
	}
	snprintf(err, errlen, "term %u is over: %s has opened it as term %u", term,
		 *l->last.host ? l->last.host : "another host", l->last.term);
	return -ESTALE;
}

int cc_volume_log_create(struct cc_store *s, const uint8_t volume[16], struct cc_commit *c, char *err, size_t errlen)
{
	struct cc_volume_log l = { .store = s };
	int r;

	memcpy(l.volume, volume, sizeof(l.volume));
	c->type = CC_COMMIT_OPEN;
	c->number = 1;
	c->term += !c->term;
	c->nonce = random_nonce();
	c->time = time(NULL);
	memcpy(c->volume, volume, sizeof(c->volume));
	r = create_next(&l, c, NULL, 0, err, errlen);
	if (r != -EEXIST)
		return r;
	l.next = 1;
	return meet(&l, c, err, errlen);
}
