/* SPDX-License-Identifier: MIT */
/* Rings of the kernel module, by the ioctls of <linux/shmring.h>. */
#ifndef SHMRING_KMOD_H
#define SHMRING_KMOD_H

#include <sys/types.h>

#include "../backend.h"
#include "../fd.h"

/* file.c: an ioctl, on @fd or on the device; a value or a negative errno. */
int shmring_kmod_call(int fd, unsigned long request, void *arg);
int shmring_kmod_control(unsigned long request, void *arg);

uint32_t shmring_kmod_right(enum shmring_role role);
int shmring_kmod_anonymous_device(dev_t *dev);
struct shmring_geometry shmring_kmod_geometry(const struct shmring_ioc_query *q);
int shmring_kmod_query(int fd, dev_t anonymous, struct shmring_ioc_query *q);
int shmring_kmod_create(struct shmring_private *p, const char *name,
			const struct shmring_options *opt);
int shmring_kmod_open(struct shmring_private *p, const char *name, enum shmring_role role);
int shmring_kmod_adopt(struct shmring_private *p, int fd);
int shmring_kmod_chmod(const struct shmring_private *p, unsigned int mode);
int shmring_kmod_chown(const struct shmring_private *p, uid_t uid, gid_t gid);
int shmring_kmod_unlink(const char *name);

#endif /* SHMRING_KMOD_H */
