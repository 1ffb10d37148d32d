// SPDX-License-Identifier: GPL-2.0-only
/* dm-chunkcache: loading and unloading. */
#include <linux/device-mapper.h>
#include <linux/module.h>
#include <net/genetlink.h>
#include "miss.h"
#include "netlink.h"
#include "pool.h"
#include "target.h"

static int __init cc_init(void)
{
	int r;

	r = cc_missq_module_init();
	if (r)
		return r;
	r = cc_pool_module_init();
	if (r)
		goto exit_missq;
	r = cc_netlink_init();
	if (r)
		goto exit_pool;
	r = dm_register_target(&cc_pool_target);
	if (r)
		goto exit_netlink;
	r = dm_register_target(&cc_disk_target);
	if (r)
		goto unregister_pool;
	r = dm_register_target(&cc_volume_target);
	if (r)
		goto unregister_disk;
	return 0;

unregister_disk:
	dm_unregister_target(&cc_disk_target);
unregister_pool:
	dm_unregister_target(&cc_pool_target);
exit_netlink:
	cc_netlink_exit();
exit_pool:
	cc_pool_module_exit();
exit_missq:
	cc_missq_module_exit();
	return r;
}

static void __exit cc_exit(void)
{
	dm_unregister_target(&cc_volume_target);
	dm_unregister_target(&cc_disk_target);
	dm_unregister_target(&cc_pool_target);
	cc_netlink_exit();
	cc_pool_module_exit();
	cc_missq_module_exit();
}

module_init(cc_init);
module_exit(cc_exit);

MODULE_DESCRIPTION("Read-through cache of content-addressed chunks");
MODULE_AUTHOR("dm-chunkcache developers");
MODULE_VERSION(CHUNKCACHE_VERSION);
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-chunkcache-pool");
MODULE_ALIAS("dm-chunkcache-vol");
MODULE_ALIAS_GENL_FAMILY(CHUNKCACHE_GENL_NAME);
