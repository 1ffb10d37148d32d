// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file:// stores: a directory whose files are the objects.  A new object appears under its name
 * only when all its bytes are on the disk; temporary files start with ".tmp-" and are never
 * listed.
 */
#include "store-impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TMP_PREFIX	".tmp-"
#define REASON_SIZE	160
#define READ_PIECE	(1 << 20)	/* between two looks at the cancel flag */

struct file_store {
	struct cc_store base;
	const char *root;		/* in the config's url */
};

static const char *root_of(const struct cc_store *s)
{
	return ((const struct file_store *)s)->root;
}

/* "store main: get file:///x/y: reason" */
static void say_error(struct cc_store *s, const char *verb, const char *name, const char *reason,
		      char *err, size_t errlen)
{
	const struct cc_store_config *c = s->config;

	snprintf(err, errlen, "%s%s%s%s %s/%s: %s", c->name ? "store " : "", c->name ? c->name : "",
		 c->name ? ": " : "", verb, c->url, name, reason);
}

static enum cc_store_result classify_errno(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return CC_STORE_NOTFOUND;
	case EACCES:
	case EPERM:
	case EROFS:
		return CC_STORE_DENIED;
	default:
		return CC_STORE_ERROR;
	}
}

static int make_file_path(struct cc_store *s, const char *name, char path[PATH_MAX])
{
	int n = snprintf(path, PATH_MAX, "%s/%s", root_of(s), name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* A missing root is trouble with the store, not an object that does not exist. */
static int check_root(struct cc_store *s)
{
	struct stat st;

	if (stat(root_of(s), &st))
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* Says why an object cannot be had and classifies it. */
static enum cc_store_result explain_error(struct cc_store *s, int error, char *reason, size_t size)
{
	enum cc_store_result result = classify_errno(error);
	int r;

	snprintf(reason, size, "%s", error == EMEDIUMTYPE ? "not a regular file" : strerror(error));
	if (result != CC_STORE_NOTFOUND)
		return result;
	r = check_root(s);
	if (!r)
		return result;
	snprintf(reason, size, "the store's directory: %s", strerror(-r));
	return CC_STORE_ERROR;
}

static enum cc_store_result fail_file(const char *verb, struct cc_store *s, const char *name, int error,
				      char *err, size_t errlen)
{
	char reason[REASON_SIZE];
	enum cc_store_result result = explain_error(s, error, reason, sizeof(reason));

	say_error(s, verb, name, reason, err, errlen);
	return result;
}

/* Opens a regular file without ever blocking on a FIFO.  Returns the descriptor or -errno. */
static int open_object(struct cc_store *s, const char *name, uint64_t *ret_size)
{
	char path[PATH_MAX];
	struct stat st;
	int r, fd;

	r = make_file_path(s, name, path);
	if (r)
		return r;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		r = -errno;
		goto close_fd;
	}
	if (!S_ISREG(st.st_mode)) {
		r = -EMEDIUMTYPE;
		goto close_fd;
	}
	*ret_size = st.st_size;
	return fd;

close_fd:
	close(fd);
	return r;
}

/* Reads from offset on, until end of file or size bytes; the count or -errno, -ECANCELED. */
static ssize_t read_fully(int fd, uint64_t offset, uint8_t *buf, size_t size, const atomic_bool *cancel)
{
	size_t done = 0;

	while (done < size) {
		size_t piece = size - done < READ_PIECE ? size - done : READ_PIECE;
		ssize_t n;

		if (cancel && *cancel)
			return -ECANCELED;
		n = pread(fd, buf + done, piece, offset + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += n;
	}
	return done;
}

static enum cc_store_result too_big(uint64_t size, size_t max, char *reason, size_t reason_size)
{
	snprintf(reason, reason_size, "it has %llu bytes, expected at most %zu",
		 (unsigned long long)size, max);
	return CC_STORE_TOOBIG;
}

enum cc_store_result cc_store_file_read(struct cc_store *s, const char *name, void *buf,
					size_t size, const atomic_bool *cancel, size_t *ret_size,
					char *reason, size_t reason_size)
{
	uint64_t file_size = 0;
	ssize_t n;
	int fd;

	fd = open_object(s, name, &file_size);
	if (fd < 0)
		return explain_error(s, -fd, reason, reason_size);
	if (file_size > size) {
		close(fd);
		return too_big(file_size, size, reason, reason_size);
	}
	n = read_fully(fd, 0, buf, file_size, cancel);
	close(fd);
	if (n == -ECANCELED) {
		snprintf(reason, reason_size, "cancelled");
		return CC_STORE_CANCELLED;
	}
	if (n < 0)
		return explain_error(s, -n, reason, reason_size);
	*ret_size = n;
	return CC_STORE_OK;
}

/* data is malloc()ed. */
static enum cc_store_result read_object(struct cc_store *s, const char *name, size_t max,
					void **ret_data, size_t *ret_size, char *reason,
					size_t reason_size)
{
	enum cc_store_result result;
	uint64_t file_size = 0;
	void *data;
	int fd;

	fd = open_object(s, name, &file_size);
	if (fd < 0)
		return explain_error(s, -fd, reason, reason_size);
	close(fd);
	if (file_size > max)
		return too_big(file_size, max, reason, reason_size);
	data = malloc(file_size ? file_size : 1);
	if (!data)
		return explain_error(s, ENOMEM, reason, reason_size);
	/* Replaced by a larger one since: too big for this buffer, and the caller may ask again. */
	result = cc_store_file_read(s, name, data, file_size, NULL, ret_size, reason, reason_size);
	if (result)
		free(data);
	else
		*ret_data = data;
	return result;
}

static enum cc_store_result file_get(struct cc_store *s, const char *name, size_t max,
				     void **ret_data, size_t *ret_size, char *err, size_t errlen)
{
	char reason[REASON_SIZE];
	enum cc_store_result result = read_object(s, name, max, ret_data, ret_size, reason,
						  sizeof(reason));

	if (result)
		say_error(s, "get", name, reason, err, errlen);
	return result;
}

static enum cc_store_result file_get_range(struct cc_store *s, const char *name, uint64_t offset, void *buf,
					   size_t size, size_t *ret_got, uint64_t *ret_total, char *err, size_t errlen)
{
	int fd = open_object(s, name, ret_total);
	ssize_t n;

	if (fd < 0)
		return fail_file("get", s, name, -fd, err, errlen);
	if (offset >= *ret_total) {
		close(fd);
		say_error(s, "get", name, "nothing is so far behind its start", err, errlen);
		return CC_STORE_ERROR;
	}
	n = read_fully(fd, offset, buf, size, NULL);
	close(fd);
	if (n < 0)
		return fail_file("get", s, name, -n, err, errlen);
	*ret_got = n;
	return CC_STORE_OK;
}

static enum cc_store_result file_head(struct cc_store *s, const char *name, uint64_t *ret_size,
				      char *err, size_t errlen)
{
	int fd = open_object(s, name, ret_size);

	if (fd < 0)
		return fail_file("head", s, name, -fd, err, errlen);
	close(fd);
	return CC_STORE_OK;
}

/* ---- writing ---- */

static int sync_dir(const char *path)
{
	int r = 0, fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fsync(fd))
		r = -errno;
	close(fd);
	return r;
}

static int sync_parent(char *path)
{
	char *slash = strrchr(path, '/');
	int r;

	*slash = '\0';
	r = sync_dir(*path ? path : "/");
	*slash = '/';
	return r;
}

/*
 * Makes the directories between the root, which must exist, and the object.  durable: also one that was there may
 * be of somebody who died before it was on the disk.
 */
static int make_dirs(struct cc_store *s, bool durable, char *path)
{
	char *slash = path + strlen(root_of(s));

	for (slash = strchr(slash + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int r;

		*slash = '\0';
		r = mkdir(path, 0755) ? -errno : 0;
		if (!r || (r == -EEXIST && durable))
			r = sync_parent(path);
		else if (r == -EEXIST)
			r = 0;
		*slash = '/';
		if (r)
			return r;
	}
	return 0;
}

static int write_fully(int fd, const uint8_t *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= n;
	}
	return 0;
}

/* tmp: path of the object's directory with a temporary name appended. */
static int make_tmp_name(const char *path, char tmp[PATH_MAX])
{
	uint64_t random;
	int n;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -errno;
	n = snprintf(tmp, PATH_MAX, "%.*s/" TMP_PREFIX "%016llx",
		     (int)(strrchr(path, '/') - path), path, (unsigned long long)random);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int fill_file(int fd, const void *data, size_t size)
{
	int r = write_fully(fd, data, size);

	return r || !fsync(fd) ? r : -errno;
}

/*
 * Has its name when it is whole, so that nothing is left behind by who is killed.  -EOPNOTSUPP: not with this
 * file system, as NFS, or without /proc.
 */
static int write_unnamed(const char *tmp, const void *data, size_t size)
{
	char dir[PATH_MAX], self[32];
	int r, fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(tmp, '/') - tmp), tmp);
	fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0644);
	if (fd < 0)
		return -EOPNOTSUPP;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	r = fill_file(fd, data, size);
	if (!r && linkat(AT_FDCWD, self, AT_FDCWD, tmp, AT_SYMLINK_FOLLOW))
		r = -EOPNOTSUPP;
	close(fd);
	return r;
}

static int write_named(const char *tmp, const void *data, size_t size)
{
	int r, fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	r = fill_file(fd, data, size);
	if (close(fd) && !r)
		r = -errno;
	if (r)
		unlink(tmp);
	return r;
}

/* All of data under the name tmp, on the disk. */
static int write_tmp_file(const char *path, char tmp[PATH_MAX], const void *data, size_t size)
{
	int r = make_tmp_name(path, tmp);

	if (!r)
		r = write_unnamed(tmp, data, size);
	return r == -EOPNOTSUPP ? write_named(tmp, data, size) : r;
}

static int write_object(struct cc_store *s, bool create, const char *name, const void *data, size_t size)
{
	char path[PATH_MAX], tmp[PATH_MAX];
	int r;

	r = check_root(s);
	if (!r)
		r = make_file_path(s, name, path);
	if (!r)
		r = make_dirs(s, create, path);
	if (!r)
		r = write_tmp_file(path, tmp, data, size);
	if (r)
		return r;
	/* A link, as it replaces nothing. */
	if (create ? link(tmp, path) : rename(tmp, path))
		r = -errno;
	if (create || r)
		unlink(tmp);
	/* What is there already is somebody's who may have died here: the caller is to rely on it. */
	if (r != -EEXIST || !create)
		return r ? r : sync_parent(path);
	r = sync_parent(path);
	return r ? r : -EEXIST;
}

/* Of what is to be made, nothing can be "not found". */
static enum cc_store_result classify_write(bool create, int error)
{
	if (create && error == EEXIST)
		return CC_STORE_EXISTS;
	/* What file systems say that have no links. */
	if (create && (error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EMLINK))
		return CC_STORE_UNSUPPORTED;
	return classify_errno(error) == CC_STORE_DENIED ? CC_STORE_DENIED : CC_STORE_ERROR;
}

static enum cc_store_result put_file(struct cc_store *s, bool create, const char *name,
				     const void *data, size_t size, char *err, size_t errlen)
{
	int r = write_object(s, create, name, data, size);

	if (!r)
		return CC_STORE_OK;
	say_error(s, create ? "create" : "put", name, strerror(-r), err, errlen);
	return classify_write(create, -r);
}

static enum cc_store_result file_put(struct cc_store *s, const char *name, const void *data,
				     size_t size, char *err, size_t errlen)
{
	return put_file(s, false, name, data, size, err, errlen);
}

static enum cc_store_result file_create(struct cc_store *s, const char *name, const void *data,
					size_t size, char *err, size_t errlen)
{
	return put_file(s, true, name, data, size, err, errlen);
}

static enum cc_store_result file_delete(struct cc_store *s, const char *name, char *err,
					size_t errlen)
{
	char path[PATH_MAX];
	int r = make_file_path(s, name, path);

	if (!r && unlink(path))
		r = -errno;
	return r ? fail_file("delete", s, name, -r, err, errlen) : CC_STORE_OK;
}

/* ---- listing ---- */

struct walk {
	struct cc_store *store;
	const char *prefix;
	cc_store_list_fn *fn;
	void *arg;
	bool stop;
	bool leftovers;				/* temporary files in place of all others */
	char link[CC_STORE_NAME_MAX + 1];	/* that was not followed */
};

static int walk_dir(struct walk *w, const char *dir);

static bool is_tmp(const char *entry)
{
	return !strncmp(entry, TMP_PREFIX, strlen(TMP_PREFIX));
}

/* name: relative to the root.  Could something at or below it start with the prefix? */
static bool may_match(const struct walk *w, const char *name)
{
	size_t len = strlen(name), prefix_len = strlen(w->prefix);

	return !strncmp(name, w->prefix, len < prefix_len ? len : prefix_len);
}

static int walk_entry(struct walk *w, const char *dir, const char *entry)
{
	char name[CC_STORE_NAME_MAX + 1], path[PATH_MAX];
	struct stat st;
	int n;

	if (!strcmp(entry, ".") || !strcmp(entry, ".."))
		return 0;
	n = snprintf(name, sizeof(name), "%s%s%s", dir, *dir ? "/" : "", entry);
	if (n < 0 || (size_t)n >= sizeof(name))
		return 0; /* no object has such a name; this bounds the depth, too */
	if (!may_match(w, name) || make_file_path(w->store, name, path))
		return 0;
	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	/*
	 * A directory at the top may lie elsewhere.  Links below could lead in a circle, but get follows
	 * them: a list without them would let gc remove what an image needs.
	 */
	if (S_ISLNK(st.st_mode) && (*dir || stat(path, &st))) {
		memcpy(w->link, name, sizeof(name));
		return -ELOOP;
	}
	if (S_ISDIR(st.st_mode))
		return walk_dir(w, name);
	if (S_ISREG(st.st_mode) && strlen(name) >= strlen(w->prefix) && is_tmp(entry) == w->leftovers &&
	    w->fn(w->arg, name, st.st_size, st.st_mtim.tv_sec))
		w->stop = true;
	return 0;
}

static int walk_dir(struct walk *w, const char *dir)
{
	char path[PATH_MAX];
	struct dirent *d;
	int r = 0;
	DIR *stream;

	if (make_file_path(w->store, dir, path))
		return -ENAMETOOLONG;
	stream = opendir(path);
	if (!stream)
		return errno == ENOENT && *dir ? 0 : -errno;
	while (!r && !w->stop) {
		errno = 0;
		d = readdir(stream);
		if (!d) {
			r = -errno;
			break;
		}
		r = walk_entry(w, dir, d->d_name);
	}
	closedir(stream);
	return r;
}

static enum cc_store_result walk_store(struct walk *w, char *err, size_t errlen)
{
	int r = walk_dir(w, "");

	if (r && *w->link) {
		say_error(w->store, "list", w->link, "a symbolic link; only at the top they are followed, if they lead somewhere",
			  err, errlen);
		return CC_STORE_ERROR;
	}
	return r ? fail_file("list", w->store, w->prefix, -r, err, errlen) : CC_STORE_OK;
}

static enum cc_store_result file_list(struct cc_store *s, const char *prefix, cc_store_list_fn *fn,
				      void *arg, char *err, size_t errlen)
{
	struct walk w = { .store = s, .prefix = prefix, .fn = fn, .arg = arg };

	return walk_store(&w, err, errlen);
}

static enum cc_store_result file_list_leftovers(struct cc_store *s, const char *prefix, cc_store_list_fn *fn,
						void *arg, char *err, size_t errlen)
{
	struct walk w = { .store = s, .prefix = prefix, .fn = fn, .arg = arg, .leftovers = true };

	return walk_store(&w, err, errlen);
}

static void file_close(struct cc_store *s)
{
	free(s);
}

static const struct cc_store_ops file_ops = {
	.get = file_get,
	.get_range = file_get_range,
	.put = file_put,
	.create = file_create,
	.head = file_head,
	.remove = file_delete,
	.list = file_list,
	.list_leftovers = file_list_leftovers,
	.close = file_close,
};

int cc_store_file_open(const struct cc_store_config *c, struct cc_store **ret_store,
		       char *err, size_t errlen)
{
	const char *root = c->url + strlen("file://");
	struct file_store *s;

	if (root[0] != '/' || strlen(root) > PATH_MAX / 2) {
		snprintf(err, errlen, "url: expected file:///DIRECTORY, not \"%s\"", c->url);
		return -EINVAL;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		snprintf(err, errlen, "out of memory");
		return -ENOMEM;
	}
	cc_store_init(&s->base, c, CC_STORE_KIND_FILE, &file_ops);
	s->root = root;
	*ret_store = &s->base;
	return 0;
}
