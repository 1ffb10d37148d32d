// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writes a test image whose every sector proves itself (content.h): as a raw file with real
 * holes, or straight into a file store as chunks, manifest and image name, so that a large image
 * of few distinct chunks costs no more than those.  Prints the manifest's digest, or with
 * --count what the image consists of.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>
#include "content.h"
#include "manifest.h"

static const char usage[] =
"Usage: cc-mkimage [OPTIONS] FILE\n"
"       cc-mkimage [OPTIONS] --store DIR [--name NAME]\n"
"       cc-mkimage [OPTIONS] --count\n"
"       cc-mkimage [OPTIONS] --id CHUNK     print the chunk's ID\n"
"  --from N --to N     --count and --store's chunks: only chunks N..M-1\n"
"  --no-chunks         --store: manifest and name only\n"
CONTENT_HELP;

struct options {
	struct content c;
	const char *store, *name, *file;
	bool count, no_chunks, print_id;
	uint64_t from, to, id_chunk;
};

static void die_errno(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void *xalloc(size_t n)
{
	void *p = calloc(1, n);

	if (!p)
		die_errno("memory");
	return p;
}

/* A chunk at full size: past the end of the image it is padded with zeros. */
static void fill_chunk(const struct content *c, uint64_t chunk, void *buf)
{
	content_fill(c, chunk * c->chunk, buf, c->chunk);
}

static void write_all(int fd, const void *buf, size_t len, off_t pos, const char *name)
{
	ssize_t n;

	while (len) {
		n = pwrite(fd, buf, len, pos);
		if (n <= 0)
			die_errno(name);
		buf = (const char *)buf + n;
		pos += n;
		len -= n;
	}
}

static void write_file(const struct options *o)
{
	const struct content *c = &o->c;
	char *buf = xalloc(c->chunk);
	uint64_t i, pos;
	size_t len;
	int fd;

	fd = open(o->file, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || ftruncate(fd, c->size))
		die_errno(o->file);
	for (i = 0; i < content_nr_chunks(c); i++) {
		if (!content_number(c, i))
			continue;
		pos = i * c->chunk;
		len = c->size - pos < c->chunk ? c->size - pos : c->chunk;
		fill_chunk(c, i, buf);
		write_all(fd, buf, len, pos, o->file);
	}
	if (close(fd))
		die_errno(o->file);
	free(buf);
}

/* Directories of path are made as needed. */
static void write_object(const struct options *o, const char *name, const void *data, size_t len)
{
	char path[4096], *slash;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", o->store, name);
	for (slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = 0;
		if (mkdir(path, 0755) && errno != EEXIST)
			die_errno(path);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		die_errno(path);
	write_all(fd, data, len, 0, path);
	if (close(fd))
		die_errno(path);
}

/* Recurring contents are hashed and written once: only a whole chunk may be remembered. */
struct memo {
	uint64_t number;
	uint8_t id[CC_ID_SIZE];
};

static void chunk_id(const struct options *o, uint64_t chunk, char *buf, struct memo *memo,
		     uint8_t id[CC_ID_SIZE])
{
	uint64_t number = content_number(&o->c, chunk);
	bool whole = (chunk + 1) * o->c.chunk <= o->c.size;
	char name[CC_OBJECT_NAME_MAX];
	struct memo *m = &memo[number % CONTENT_DUPS];

	if (!number) {
		memset(id, 0, CC_ID_SIZE);
		return;
	}
	if (whole && m->number == number) {
		memcpy(id, m->id, CC_ID_SIZE);
		return;
	}
	fill_chunk(&o->c, chunk, buf);
	cc_sha256(buf, o->c.chunk, id);
	if (!o->no_chunks) {
		if (chunk < o->from || chunk >= o->to)
			return;
		cc_chunk_name(id, CC_ENCODING_RAW, name);
		write_object(o, name, buf, o->c.chunk);
	}
	if (whole && number >> 31 & 1) {
		m->number = number;
		memcpy(m->id, id, CC_ID_SIZE);
	}
}

static void write_store(const struct options *o)
{
	uint64_t i, n = content_nr_chunks(&o->c);
	uint8_t *ids = xalloc(n * CC_ID_SIZE);
	struct memo memo[CONTENT_DUPS] = { 0 };
	char *buf = xalloc(o->c.chunk);
	char name[CC_OBJECT_NAME_MAX], hex[2 * CC_ID_SIZE + 1], line[96];
	struct cc_manifest m;

	for (i = 0; i < n; i++)
		chunk_id(o, i, buf, memo, ids + i * CC_ID_SIZE);
	errno = -cc_manifest_build(__builtin_ctzll(o->c.chunk), o->c.size, CC_ENCODING_RAW, ids, &m);
	if (errno)
		die_errno("manifest");
	cc_manifest_name(m.digest, name);
	write_object(o, name, m.data, m.size);
	cc_id_to_hex(m.digest, hex);
	snprintf(line, sizeof(line), "sha256:%s\n", hex);
	if (o->name) {
		errno = -cc_image_name(o->name, name);
		if (errno)
			die_errno("--name");
		write_object(o, name, line, strlen(line));
	}
	fputs(line, stdout);
	cc_manifest_free(&m);
	free(buf);
	free(ids);
}

static void print_id(const struct options *o)
{
	char *buf = xalloc(o->c.chunk), hex[2 * CC_ID_SIZE + 1];
	uint8_t id[CC_ID_SIZE];

	fill_chunk(&o->c, o->id_chunk, buf);
	cc_sha256(buf, o->c.chunk, id);
	cc_id_to_hex(id, hex);
	puts(hex);
	free(buf);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A last chunk that is cut off differs from the whole one of the same number. */
static void print_count(const struct options *o)
{
	uint64_t i, n = 0, holes = 0, distinct = 0, nr = content_nr_chunks(&o->c);
	uint64_t to = o->to < nr ? o->to : nr;
	uint64_t *numbers = xalloc((nr + 1) * sizeof(*numbers));

	for (i = o->from; i < to; i++) {
		numbers[n] = content_number(&o->c, i);
		if (!numbers[n]) {
			holes++;
			continue;
		}
		if ((i + 1) * o->c.chunk > o->c.size)
			numbers[n] = ~0ULL;
		n++;
	}
	qsort(numbers, n, sizeof(*numbers), compare_u64);
	for (i = 0; i < n; i++)
		distinct += !i || numbers[i] != numbers[i - 1];
	printf("chunks %" PRIu64 " holes %" PRIu64 " distinct %" PRIu64 "\n", holes + n, holes,
	       distinct);
	free(numbers);
}

int main(int argc, char **argv)
{
	static const struct option longopts[] = {
		CONTENT_OPTIONS,
		{ "store", 1, NULL, 's' }, { "name", 1, NULL, 'n' }, { "count", 0, NULL, 'c' },
		{ "from", 1, NULL, 'f' }, { "to", 1, NULL, 't' }, { "no-chunks", 0, NULL, 'N' },
		{ "id", 1, NULL, 'i' }, { "help", 0, NULL, 'h' }, { 0 }
	};
	struct options o = { .c = content_default, .to = UINT64_MAX };
	int opt;

	while ((opt = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (content_option(&o.c, opt, optarg))
			continue;
		switch (opt) {
		case 's': o.store = optarg; break;
		case 'n': o.name = optarg; break;
		case 'c': o.count = true; break;
		case 'N': o.no_chunks = true; break;
		case 'f': o.from = parse_size("--from", optarg); break;
		case 't': o.to = parse_size("--to", optarg); break;
		case 'i': o.print_id = true; o.id_chunk = parse_size("--id", optarg); break;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	content_check(&o.c);
	o.file = argv[optind];
	if (o.count + o.print_id + !!o.store + !!o.file != 1 || (o.file && argv[optind + 1]))
		die("cc-mkimage", "expected one of FILE, --store, --count, --id");
	if (o.count)
		print_count(&o);
	else if (o.print_id)
		print_id(&o);
	else if (o.store)
		write_store(&o);
	else
		write_file(&o);
	return 0;
}
