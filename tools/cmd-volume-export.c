// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * chunkctl volume verify and export: all that a volume is made of, fetched and checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/chunk-object.h"
#include "store/image.h"
#include "volume-arg.h"
#include "volume/place.h"

/* ---- verify ---- */

static const char verify_help[] =
	"Reads the log from the last checkpoint on, or the map of a snapshot, and fetches\n"
	"every piece of it.  Tells of each that is missing or wrong; exit status 3 then.\n"
	"What is of the image below is checked by `chunkctl verify'.\n"
	"\n"
	"  --json               print the counts as JSON\n"
	"\n"
	CTL_STORE_HELP;

/* One of which nothing is needed any more has nothing to check. */
static int verify_piece(struct ctl_volume *v, const struct cc_piece *p, void *buf, size_t size, char *err,
			size_t errlen)
{
	return p->count ? cc_pieces_read(v->store.store, cc_volume_state_origin(&v->state, p->place), p, 1, buf, size,
					 err, errlen) : 0;
}

static int verify_pieces(struct ctl_volume *v, const char *name, bool json)
{
	const struct cc_pieces *p = &v->state.pieces;
	size_t size = (size_t)1 << v->state.log.last.chunk_shift, bad = 0, unknown = 0;
	void *buf = malloc(size);
	char err[400] = "";

	if (!buf)
		return ctl_volume_failed(name, -ENOMEM, err);
	for (size_t i = 0; i < p->nr; i++) {
		int r = verify_piece(v, &p->all[i], buf, size, err, sizeof(err));

		if (r)
			ctl_err("%s: %s", name, err);
		bad += r == -EBADMSG;
		unknown += r && r != -EBADMSG;
	}
	free(buf);
	if (!json)
		printf("%s: %zu pieces, %zu bad, %zu could not be had\n", name, p->nr, bad, unknown);
	else if (ctl_print_json(json_pack("{s:s, s:I, s:I, s:I}", "name", name, "pieces", (json_int_t)p->nr,
					  "bad", (json_int_t)bad, "unknown", (json_int_t)unknown)))
		return CTL_FAILED;
	return bad ? CTL_DAMAGE : unknown ? CTL_FAILED : CTL_OK;
}

static int run_volume_verify(const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_volume_args a = { 0 };
	struct ctl_volume v;
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "j", &a, &r))
		return r;
	r = ctl_operands(argc, 1, "one NAME");
	if (r)
		return r;
	r = ctl_volume_open_at(&a.opts, argv[optind], &v);
	if (!r)
		r = verify_pieces(&v, argv[optind], a.json);
	ctl_volume_close(&v);
	return ctl_finish(r);
}

const struct ctl_command ctl_volume_verify = {
	.name = "volume verify",
	.synopsis = "NAME[@SNAPSHOT] --store S [OPTION]...",
	.summary = "Check that a store has all of a volume",
	.help = verify_help,
	.run = run_volume_verify,
};

/* ---- export ---- */

static const char export_help[] =
	"Writes the volume as it was at its last commit, or at a snapshot, to FILE, which\n"
	"must not exist yet.\n"
	"\n"
	CTL_STORE_HELP;

struct export {
	struct ctl_volume v;
	const char *name;
	struct cc_manifest base;	/* data NULL: none */
	int fd;
	size_t chunk_size;
	uint8_t *chunk;			/* being made */
	uint8_t *log_chunk;		/* got last, */
	uint64_t key;			/* cc_place_log_key() of that; 0: none */
};

static int take_base(struct export *x)
{
	const struct cc_commit *last = &x->v.state.log.last;
	static const uint8_t none[CC_ID_SIZE];
	char err[400] = "";
	enum cc_store_result res;

	if (!memcmp(last->base, none, sizeof(none)))
		return 0;
	res = cc_image_manifest(x->v.store.store, last->base, &x->base, err, sizeof(err));
	if (res)
		ctl_err("%s: the image below it: %s", x->name, err);
	else if (x->base.chunk_shift != last->chunk_shift)
		ctl_err("%s: the image below it has other chunks", x->name);
	else
		return 0;
	return CTL_DAMAGE;
}

static int get_base_chunk(struct export *x, uint64_t chunk)
{
	char err[400] = "";
	enum cc_store_result res;

	memset(x->chunk, 0, x->chunk_size);
	if (!x->base.data || chunk >= x->base.nr_chunks || cc_id_is_hole(cc_manifest_id(&x->base, chunk)))
		return 0;
	res = cc_chunk_get(x->v.store.store, cc_manifest_id(&x->base, chunk), x->base.encoding, x->chunk,
			   x->chunk_size, err, sizeof(err));
	if (!res)
		return 0;
	ctl_err("%s: the image below it: %s", x->name, err);
	return CTL_FAILED;
}

static int get_log_chunk(struct export *x, uint64_t place)
{
	const struct cc_piece *of;
	char err[400] = "";
	size_t nr;
	int r;

	if (x->key == cc_place_log_key(place))
		return 0;
	nr = cc_pieces_of(&x->v.state.pieces, place, &of);
	r = cc_pieces_read(x->v.store.store, cc_volume_state_origin(&x->v.state, place), of, nr, x->log_chunk,
			   x->chunk_size, err, sizeof(err));
	x->key = r ? 0 : cc_place_log_key(place);
	return r ? ctl_volume_failed(x->name, r, err) : 0;
}

static int overlay_block(struct export *x, uint64_t block, uint8_t *to)
{
	uint64_t place = cc_vmap_get(x->v.state.map, block);
	int r;

	if (!place)
		return 0;
	if (!cc_place_is_data(place)) {
		memset(to, 0, CC_BLOCK_SIZE);
		return 0;
	}
	r = get_log_chunk(x, place);
	if (!r)
		memcpy(to, x->log_chunk + ((size_t)cc_place_block(place) << CC_BLOCK_SHIFT), CC_BLOCK_SIZE);
	return r;
}

static bool all_zeros(const uint8_t *p, size_t size)
{
	return !*p && !memcmp(p, p + 1, size - 1);
}

static int export_volume_chunk(struct export *x, uint64_t chunk)
{
	uint64_t at = chunk * x->chunk_size, size = x->v.state.log.last.size;
	size_t bytes = size - at < x->chunk_size ? size - at : x->chunk_size;
	int r = get_base_chunk(x, chunk);

	for (size_t done = 0; !r && done < bytes; done += CC_BLOCK_SIZE)
		r = overlay_block(x, (at + done) >> CC_BLOCK_SHIFT, x->chunk + done);
	if (r || all_zeros(x->chunk, bytes))
		return r;
	for (size_t done = 0; done < bytes;) {
		ssize_t n = pwrite(x->fd, x->chunk + done, bytes - done, at + done);

		if (n < 0) {
			ctl_err("writing: %s", strerror(errno));
			return CTL_FAILED;
		}
		done += n;
	}
	return 0;
}

static int export_all(struct export *x)
{
	uint64_t size = x->v.state.log.last.size;
	int r;

	x->chunk_size = (size_t)1 << x->v.state.log.last.chunk_shift;
	x->chunk = malloc(x->chunk_size);
	x->log_chunk = malloc(x->chunk_size);
	r = x->chunk && x->log_chunk ? take_base(x) : ctl_volume_failed(x->name, -ENOMEM, "");
	for (uint64_t chunk = 0; !r && chunk * x->chunk_size < size; chunk++)
		r = export_volume_chunk(x, chunk);
	if (!r && (ftruncate(x->fd, size) || fsync(x->fd))) {
		ctl_err("writing: %s", strerror(errno));
		r = CTL_FAILED;
	}
	free(x->chunk);
	free(x->log_chunk);
	cc_manifest_free(&x->base);
	return r;
}

static int run_volume_export(const struct ctl_command *cmd, int argc, char **argv)
{
	struct ctl_volume_args a = { 0 };
	struct export x = { .fd = -1 };
	int r = 0;

	if (!ctl_volume_options(cmd, argc, argv, "", &a, &r))
		return r;
	r = ctl_operands(argc, 2, "NAME and FILE");
	if (r)
		return r;
	x.name = argv[optind];
	r = ctl_volume_open_at(&a.opts, x.name, &x.v);
	if (!r) {
		x.fd = open(argv[optind + 1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (x.fd < 0)
			ctl_err("%s: %s", argv[optind + 1], strerror(errno));
		r = x.fd < 0 ? CTL_FAILED : export_all(&x);
		if (r && x.fd >= 0)
			unlink(argv[optind + 1]);
	}
	if (x.fd >= 0)
		close(x.fd);
	ctl_volume_close(&x.v);
	return r;
}

const struct ctl_command ctl_volume_export = {
	.name = "volume export",
	.synopsis = "NAME[@SNAPSHOT] FILE --store S [OPTION]...",
	.summary = "Write a volume's last commit to a file",
	.help = export_help,
	.run = run_volume_export,
};
