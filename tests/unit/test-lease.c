// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases of a store: each sees the other's, and one that was once overdue never holds again, whatever it
 * is renewed to.  The machine's sleep is a clock of our own.
 */
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "store/lease.h"
#include "tap.h"

static int64_t slept;			/* seconds */

/* In place of libc's. */
int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int r = (int)syscall(SYS_clock_gettime, clock, ts);

	if (clock == CLOCK_BOOTTIME)
		ts->tv_sec += slept;
	return r;
}

static struct timespec due;		/* of the renewal that was waited for last */

/* In place of libc's: until it is signalled. */
int pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *lock, clockid_t clock,
			   const struct timespec *until)
{
	if (clock == CLOCK_MONOTONIC)
		due = *until;
	return pthread_cond_wait(cond, lock);
}

static bool take_name(struct cc_store *s, const char *image, struct cc_lease *l)
{
	char err[200];

	return !cc_lease_take(s, CC_LEASE_NAME, image, l, err, sizeof(err));
}

static bool take(struct cc_store *s, enum cc_lease_kind kind, struct cc_lease *l)
{
	char err[200];

	return !cc_lease_take(s, kind, NULL, l, err, sizeof(err));
}

static unsigned int others(struct cc_lease *l, enum cc_lease_kind kind)
{
	unsigned int nr = 99;
	char err[200];
	int64_t now;

	return cc_lease_others(l, kind, &nr, &now, err, sizeof(err)) ? 99 : nr;
}

static void test_renewal(struct cc_store *s)
{
	struct timespec now;
	struct cc_lease l = CC_LEASE_INIT;
	long in = -1;

	due.tv_sec = 0;
	if (!ok(take(s, CC_LEASE_IMPORT, &l), "a lease that is to be renewed"))
		return;
	for (int i = 0; i < 500 && in < 0; i++) {
		usleep(10000);
		pthread_mutex_lock(&l.lock);
		clock_gettime(CLOCK_MONOTONIC, &now);
		in = due.tv_sec ? due.tv_sec - now.tv_sec : -1;
		pthread_mutex_unlock(&l.lock);
	}
	ok(in > CC_LEASE_RENEW / 2 && in <= CC_LEASE_RENEW, "in %ld s of a clock that is not set", in);
	cc_lease_drop(&l);
}

static void test_names(struct cc_store *s)
{
	struct cc_lease a = CC_LEASE_INIT, again = CC_LEASE_INIT, b = CC_LEASE_INIT;

	ok(take_name(s, "a", &a) && take_name(s, "a", &again) && take_name(s, "b", &b), "leases of names");
	ok(others(&a, CC_LEASE_NAME) == 1 && others(&again, CC_LEASE_NAME) == 1, "two of one name see each other");
	ok(!others(&b, CC_LEASE_NAME), "and not those of other names");
	ok(!others(&a, CC_LEASE_IMPORT) && !others(&a, CC_LEASE_GC), "nobody is an import or a gc by that");
	cc_lease_drop(&a);
	cc_lease_drop(&again);
	cc_lease_drop(&b);
}

int main(void)
{
	char dir[] = "/tmp/test-lease.XXXXXX", url[64], err[200], rm[64];
	struct cc_lease import = CC_LEASE_INIT, gc = CC_LEASE_INIT;
	struct cc_store_config c;
	struct cc_store *s;

	if (!mkdtemp(dir))
		return 1;
	snprintf(url, sizeof(url), "file://%s", dir);
	snprintf(rm, sizeof(rm), "rm -r %s", dir);
	cc_store_config_init(&c);
	c.url = url;
	if (cc_store_open(&c, &s, err, sizeof(err)))
		return 1;
	ok(take(s, CC_LEASE_IMPORT, &import) && take(s, CC_LEASE_GC, &gc), "two leases");
	ok(others(&import, CC_LEASE_GC) == 1 && others(&gc, CC_LEASE_IMPORT) == 1, "each sees the other's");
	ok(!others(&import, CC_LEASE_IMPORT) && !others(&gc, CC_LEASE_GC), "and not its own");
	cc_lease_drop(&gc);
	ok(!others(&import, CC_LEASE_GC), "one that was dropped is seen no more");
	for (int i = 0; i < 10; i++) {
		slept += CC_LEASE_RENEW;
		others(&import, CC_LEASE_GC);
	}
	ok(cc_lease_holds(&import), "renewed in time, it holds");
	slept += CC_LEASE_LIFE;
	ok(!cc_lease_holds(&import), "after a long sleep it does not");
	ok(!others(&import, CC_LEASE_GC) && !cc_lease_holds(&import), "not even if it is renewed then");
	cc_lease_drop(&import);
	ok(take(s, CC_LEASE_IMPORT, &import) && cc_lease_holds(&import), "a new one does");
	cc_lease_drop(&import);
	test_renewal(s);
	test_names(s);
	cc_store_close(s);
	(void)!system(rm);
	return tap_done();
}
