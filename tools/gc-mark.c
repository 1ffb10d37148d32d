// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Marks what is in use, several manifests at a time; see gc-mark.h.
 */
#include "gc-mark.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "dm.h"
#include "image-arg.h"
#include "say.h"
#include "table.h"
#include "workers.h"

static int __mark_manifest(struct ctl_marks *m, const struct cc_manifest *manifest)
{
	struct cc_id_set *chunks = &m->chunks[manifest->encoding == CC_ENCODING_ZSTD];

	if (cc_id_set_add(&m->manifests, manifest->digest) < 0)
		return -ENOMEM;
	for (uint64_t i = 0; i < manifest->nr_chunks; i++)
		if (!cc_id_is_hole(cc_manifest_id(manifest, i)) &&
		    cc_id_set_add(chunks, cc_manifest_id(manifest, i)) < 0)
			return -ENOMEM;
	return 0;
}

/* Takes the manifest over. */
static int mark_manifest(struct ctl_marks *m, struct cc_manifest *manifest)
{
	int r;

	pthread_mutex_lock(&m->lock);
	r = __mark_manifest(m, manifest);
	pthread_mutex_unlock(&m->lock);
	cc_manifest_free(manifest);
	if (!r)
		return 0;
	ctl_err("out of memory");
	return CTL_FAILED;
}

/* NAME or sha256:DIGEST */
static int mark_image(struct ctl_marks *m, const char *what)
{
	struct cc_manifest manifest;
	int r = ctl_image_resolve(m->store, what, &manifest);

	return r ? r : mark_manifest(m, &manifest);
}

int ctl_mark_digest(struct ctl_marks *m, const uint8_t digest[CC_ID_SIZE], const char *whose)
{
	struct cc_manifest manifest;
	char err[256] = "";
	enum cc_store_result res = cc_image_manifest(m->store, digest, &manifest, err, sizeof(err));

	if (!res)
		return mark_manifest(m, &manifest);
	if (res == CC_STORE_NOTFOUND)
		return 0;
	ctl_err("%s%s", whose, err);
	return res == CC_STORE_CORRUPT ? CTL_DAMAGE : CTL_FAILED;
}

/* ---- several at a time ---- */

struct mark_job {
	struct ctl_marks *marks;
	const char *const *texts;
	const uint8_t (*digests)[CC_ID_SIZE];	/* in place of texts */
};

static int mark_one(void *arg, size_t i)
{
	const struct mark_job *job = arg;

	return job->texts ? mark_image(job->marks, job->texts[i]) :
			    ctl_mark_digest(job->marks, job->digests[i], "");
}

static int run_job(struct mark_job *job, size_t nr)
{
	int r = ctl_workers_each(job->marks->jobs, nr, mark_one, job);

	if (r >= 0)
		return r;
	ctl_err("threads: %s", strerror(-r));
	return CTL_FAILED;
}

int ctl_mark_digests(struct ctl_marks *m, const char *const *digests, size_t nr)
{
	struct mark_job job = { .marks = m, .texts = digests };

	return run_job(&job, nr);
}

int ctl_mark_found(struct ctl_marks *m, const uint8_t (*digests)[CC_ID_SIZE], size_t nr)
{
	struct mark_job job = { .marks = m, .digests = digests };

	return run_job(&job, nr);
}

int ctl_mark_images(struct ctl_marks *m)
{
	struct cc_image_names names = { 0 };
	char err[256] = "";
	int r;

	if (cc_image_list(m->store, &names, err, sizeof(err))) {
		ctl_err("%s", err);
		r = CTL_FAILED;
	} else {
		r = ctl_mark_digests(m, (const char *const *)names.names, names.nr);
		m->nr_images = names.nr;
	}
	cc_image_names_free(&names);
	return r;
}

/* ---- disks ---- */

static int mark_disk(void *arg, const char *name)
{
	struct ctl_marks *m = arg;
	struct ctl_disk_table t;
	struct ctl_dm_device d;
	uint8_t digest[CC_ID_SIZE];
	int r = ctl_dm_get(name, CTL_DM_TABLE, &d);

	if (r == -ENXIO)
		return 0;			/* gone meanwhile */
	if (r) {
		ctl_err("%s: %s", name, ctl_dm_reason(r));
		return CTL_FAILED;
	}
	if (!strcmp(d.type, CTL_TARGET_DISK) && !ctl_disk_table_parse(d.params, &t) &&
	    !cc_parse_digest(t.digest, digest))
		r = ctl_mark_digest(m, digest, "a disk of this host: ");
	ctl_dm_free(&d);
	return r;
}

int ctl_mark_disks(struct ctl_marks *m)
{
	int r = ctl_dm_list(mark_disk, m);

	/* Without the module there is no disk to be spared. */
	if (r >= 0 || access("/sys/module/dm_chunkcache", F_OK))
		return r > 0 ? r : 0;
	ctl_err("which disks of this host use the store is not known: %s; run it as root", ctl_dm_reason(r));
	return CTL_FAILED;
}

void ctl_marks_free(struct ctl_marks *m)
{
	cc_id_set_free(&m->manifests);
	cc_id_set_free(&m->chunks[0]);
	cc_id_set_free(&m->chunks[1]);
}
