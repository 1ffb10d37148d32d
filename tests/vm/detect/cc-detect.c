// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bugs planted on purpose, one for each detector of the test kernels: the
 * name of a bug written to /sys/kernel/debug/cc-detect/plant makes it happen.
 * Proof that a kernel finds what it was built to find; no part of the product.
 */

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>

static DEFINE_MUTEX(cc_lock_a);
static DEFINE_MUTEX(cc_lock_b);
static DEFINE_SPINLOCK(cc_spin);
static struct dentry *cc_dir;
static int cc_raced;

/* Volatile, so that the compiler neither sees nor removes the bug. */
static void cc_plant_uaf(void)
{
	volatile char *p = kmalloc(64, GFP_KERNEL);

	kfree((void *)p);
	p[8];
}

static void cc_plant_oob(void)
{
	volatile char *p = kmalloc(64, GFP_KERNEL);

	if (p)
		p[64] = 1;
	kfree((void *)p);
}

static void cc_plant_leak(void)
{
	volatile char *p;
	int i;

	/* several, as one address may linger on a stack or in a register */
	for (i = 0; i < 8; i++) {
		p = kmalloc(777, GFP_KERNEL);
		if (p)
			p[0] = 1;
	}
}

static void cc_plant_abba(void)
{
	mutex_lock(&cc_lock_a);
	mutex_lock(&cc_lock_b);
	mutex_unlock(&cc_lock_b);
	mutex_unlock(&cc_lock_a);

	mutex_lock(&cc_lock_b);
	mutex_lock(&cc_lock_a);
	mutex_unlock(&cc_lock_a);
	mutex_unlock(&cc_lock_b);
}

static void cc_plant_sleep(void)
{
	spin_lock(&cc_spin);
	might_sleep();
	spin_unlock(&cc_spin);
}

static int cc_racer(void *unused)
{
	int i;

	for (i = 0; i < 3000000; i++) {
		cc_raced++;
		barrier();
		if (!(i & 0xffff))
			cond_resched();
	}
	while (!kthread_should_stop())
		msleep(1);
	return 0;
}

static void cc_plant_race(void)
{
	struct task_struct *a = kthread_run(cc_racer, NULL, "cc-racer-a");
	struct task_struct *b = kthread_run(cc_racer, NULL, "cc-racer-b");

	if (!IS_ERR(a))
		kthread_stop(a);
	if (!IS_ERR(b))
		kthread_stop(b);
}

static const struct {
	const char *name;
	void (*plant)(void);
} cc_bugs[] = {
	{ "uaf", cc_plant_uaf },
	{ "oob", cc_plant_oob },
	{ "leak", cc_plant_leak },
	{ "abba", cc_plant_abba },
	{ "sleep", cc_plant_sleep },
	{ "race", cc_plant_race },
};

static ssize_t cc_plant_write(struct file *file, const char __user *ubuf,
			      size_t count, loff_t *pos)
{
	char name[16] = "";
	int i;

	if (count >= sizeof(name) || copy_from_user(name, ubuf, count))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(cc_bugs); i++) {
		if (!sysfs_streq(name, cc_bugs[i].name))
			continue;
		cc_bugs[i].plant();
		return count;
	}
	return -EINVAL;
}

static const struct file_operations cc_plant_fops = {
	.owner = THIS_MODULE,
	.write = cc_plant_write,
};

static int __init cc_detect_init(void)
{
	cc_dir = debugfs_create_dir("cc-detect", NULL);
	debugfs_create_file("plant", 0200, cc_dir, NULL, &cc_plant_fops);
	return 0;
}

static void __exit cc_detect_exit(void)
{
	debugfs_remove(cc_dir);
}

module_init(cc_detect_init);
module_exit(cc_detect_exit);
MODULE_DESCRIPTION("planted bugs for the detectors of test kernels");
MODULE_LICENSE("GPL");
