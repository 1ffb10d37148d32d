// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Boot traces of disks: asked for when a disk is LOADED, and their chunks fetched ahead, in the trace's order.
 * Whether the disk does what its trace says is replay.h's to judge.  A trace is a hint: without one, or with a bad
 * one, the disk is as well as any other.
 */
#include "fill-impl.h"

#include <stdlib.h>
#include <string.h>

#include "boot-trace.h"

#define MAX_LOADING	8		/* traces at a time: each has a buffer of its own */

/* A GET of a trace; outlives its disk. */
struct cc_trace_load {
	struct cc_list node;
	struct cc_fills *fills;
	uint64_t disk;
	struct cc_source *source;
	struct cc_fetch_req req;
	char buf[];
};

/* ---- asking for traces ---- */

void cc_fills_replay(struct cc_fills *f, struct cc_disk *disk)
{
	disk->reads->replay.state = CC_REPLAY_WAITING;
	cc_list_add_tail(&f->traces_wanted, &disk->reads->replay.node);
}

static bool not_worth_it(void *arg, uint64_t chunk)
{
	const struct cc_disk *disk = arg;

	return cc_id_is_hole(cc_manifest_id(disk->manifest, chunk)) ||
	       !cc_recording_listens(&disk->reads->recording, chunk);
}

/* The store's bytes are in l. 0, or -errno with a line in err. */
static int replay_start(struct cc_fills *f, struct cc_disk *disk, const struct cc_trace_load *l, char *err,
			size_t errlen)
{
	uint64_t nr_chunks = disk->manifest->nr_chunks;
	struct cc_trace t;
	int r = cc_trace_parse(l->buf, l->req.size, disk->info.digest, f->c.slot_shift, nr_chunks, &t, err, errlen);

	if (r)
		return r;
	r = cc_replay_start(&disk->reads->replay, &t, nr_chunks, not_worth_it, disk);
	cc_trace_free(&t);
	if (r) {
		snprintf(err, errlen, "%s", strerror(-r));
		return r;
	}
	cc_list_add_tail(&f->replays, &disk->reads->replay.node);
	cc_log(LOG_INFO, "disk %s: boot trace of %u runs: %u chunks are fetched ahead", disk->info.name,
	       disk->reads->replay.runs, disk->reads->replay.nr);
	return 0;
}

/* That there is none is no news: who may not list a bucket is refused what is not there. */
static void load_ended(struct cc_fills *f, struct cc_disk *disk, const struct cc_trace_load *l)
{
	char err[160] = "";

	switch (l->req.result) {
	case CC_STORE_OK:
		if (!replay_start(f, disk, l, err, sizeof(err)))
			return;
		break;
	case CC_STORE_NOTFOUND:
	case CC_STORE_DENIED:
		break;
	default:
		snprintf(err, sizeof(err), "%s", l->req.error[0] ? l->req.error :
			 cc_store_result_name(l->req.result));
	}
	if (err[0])
		log_limited(f, LOG_WARNING, "disk %s: boot trace not used: %s", disk->info.name, err);
	cc_replay_free(&disk->reads->replay);
}

static void trace_fetched(struct cc_fetch_req *req)
{
	struct cc_trace_load *l = cc_list_entry(req, struct cc_trace_load, req);
	struct cc_fills *f = l->fills;
	struct cc_disk *disk = cc_disks_find(f->c.disks, l->disk);

	cc_accounts_charge(&f->c.supplies->sources->accounts, disk ? disk->account : NULL,
			   req->attempts, req->bytes_fetched);
	cc_source_note(l->source, req, cc_now_ns());
	f->in_flight--;
	f->nr_trace_loads--;
	if (disk && disk->reads->replay.state == CC_REPLAY_LOADING && !f->draining)
		load_ended(f, disk, l);
	cc_list_del(&l->node);
	free(l);
}

static struct cc_trace_load *load_new(struct cc_fills *f, struct cc_disk *disk)
{
	uint64_t nr = disk->manifest->nr_chunks;
	size_t size = sizeof(struct cc_trace_header) +
		      (nr < CC_TRACE_CHUNKS_MAX ? nr : CC_TRACE_CHUNKS_MAX) * sizeof(struct cc_trace_entry);
	struct cc_trace_load *l = malloc(sizeof(*l) + size);

	if (!l)
		return NULL;
	l->fills = f;
	l->disk = disk->info.id;
	l->source = disk->source;
	l->req = (struct cc_fetch_req) {
		.store = disk->source->store, .kind = CC_FETCH_TRACE, .buf = l->buf, .buf_size = size,
		.done = trace_fetched,
	};
	memcpy(l->req.id, disk->info.digest, CC_ID_SIZE);
	return l;
}

static void load_start(struct cc_fills *f, struct cc_disk *disk)
{
	struct cc_trace_load *l = load_new(f, disk);

	if (!l) {
		cc_replay_free(&disk->reads->replay);
		return;
	}
	cc_list_del(&disk->reads->replay.node);
	disk->reads->replay.state = CC_REPLAY_LOADING;
	cc_list_add_tail(&f->trace_loads, &l->node);
	f->nr_trace_loads++;
	f->in_flight++;
	cc_fetch_submit(f->c.fetch, &l->req, CC_FETCH_AHEAD);
}

/* ---- replaying ---- */

/*
 * So many that there is always one to start, and no more unread ones than slots that the kernel gives for them: what
 * it takes away again to make room for the next one was fetched for nothing.
 */
static bool has_room(const struct cc_fills *f, const struct cc_disk *disk, unsigned int nr_replays)
{
	const struct cc_prefetch_stats *st = &disk->reads->prefetch;
	unsigned int pending = st->pending - st->by_hand;

	return pending * nr_replays < 2 * f->c.prefetch_max &&
	       (pending + st->ready) * nr_replays < f->c.nr_slots / 4;
}

/* True if there may be more to give. */
static bool give_one(struct cc_fills *f, struct cc_disk *disk, unsigned int nr_replays)
{
	struct cc_replay *r = &disk->reads->replay;
	uint64_t chunk;

	if (!cc_allowance_for_trace(&disk->reads->allowance, r->lead, f->c.slot_shift) ||
	    !has_room(f, disk, nr_replays) || !cc_replay_next(r, &chunk))
		return false;
	switch (cc_fills_prefetch(f, disk, chunk, CC_PREFETCH_TRACE)) {
	case CC_PREFETCH_QUEUED:
		r->given++;
		return true;
	case CC_PREFETCH_THERE:
		cc_replay_pass(r);
		return true;
	default:
		/* Its turn comes again, when the store does. */
		cc_replay_put_back(r);
		return false;
	}
}

void cc_fills_step_replays(struct cc_fills *f)
{
	unsigned int nr = 0;
	bool more = true;

	while (!cc_list_empty(&f->traces_wanted) && f->nr_trace_loads < MAX_LOADING)
		load_start(f, cc_list_entry(f->traces_wanted.next, struct cc_disk_reads, replay.node)->disk);
	cc_list_each(n, &f->replays)
		nr++;
	while (more) {
		more = false;
		cc_list_each_safe(n, &f->replays)
			more |= give_one(f, cc_list_entry(n, struct cc_disk_reads, replay.node)->disk, nr);
	}
}

/* ---- the end ---- */

void cc_fills_drain_replays(struct cc_fills *f)
{
	cc_list_each(n, &f->trace_loads)
		cc_fetch_cancel(f->c.fetch, &cc_list_entry(n, struct cc_trace_load, node)->req);
	while (!cc_list_empty(&f->traces_wanted))
		cc_replay_free(&cc_list_entry(f->traces_wanted.next, struct cc_disk_reads, replay.node)->replay);
	while (!cc_list_empty(&f->replays))
		cc_replay_free(&cc_list_entry(f->replays.next, struct cc_disk_reads, replay.node)->replay);
}
