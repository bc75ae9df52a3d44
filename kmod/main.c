// SPDX-License-Identifier: GPL-2.0
/* The module: /dev/shmring and /proc/shmring. */
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "ring.h"

/* Open to root alone; a udev rule gives it to a group. */
static struct miscdevice shmring_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "shmring",
	.fops = &shmring_control_fops,
	.mode = 0600,
};

static int __init shmring_init(void)
{
	int ret;

	/* Two mappings of a page, in one process or in two, would not see each other's bytes. */
	if (cpu_dcache_is_aliasing()) {
		pr_err("shmring: the data cache of this machine aliases: no shared memory here\n");
		return -EOPNOTSUPP;
	}
	kernel_param_lock(THIS_MODULE);	/* root can write max_pages already */
	if (!shmring_max_pages)
		shmring_max_pages = totalram_pages() / 4;
	kernel_param_unlock(THIS_MODULE);
	shmring_names_init();
	ret = shmring_fence_start();
	if (ret)
		return ret;
	ret = shmring_proc_init();
	if (ret)
		goto err_proc;
	ret = misc_register(&shmring_device);
	if (ret)
		goto err_misc;
	return 0;

err_misc:
	shmring_proc_exit();
err_proc:
	shmring_fence_stop();
	return ret;
}

static void __exit shmring_exit(void)
{
	misc_deregister(&shmring_device);
	shmring_proc_exit();
	shmring_fence_stop();
}

module_init(shmring_init);
module_exit(shmring_exit);

MODULE_DESCRIPTION("Message passing at shared-memory speed");
MODULE_AUTHOR("The shmring authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(SHMRING_MODULE_VERSION);
