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

/* backend.c: the endpoint that ATTACH returns for @a, a descriptor to keep, and its QUERY. */
int shmring_kmod_endpoint(int fd, const struct shmring_ioc_attach *a, struct shmring_ioc_query *q);
int shmring_kmod_take_up(struct shmring *r, const struct shmring_ioc_query *q);
void shmring_kmod_arm_poll(struct shmring *r, uint64_t bytes);

/* hub.c */
int shmring_kmod_lanes(const struct shmring_private *p, struct shmring_lanes *lanes);
int shmring_kmod_attach_lane(struct shmring *r, const struct shmring *ring, uint32_t lane,
			     enum shmring_role role);
int shmring_kmod_kick(struct shmring *r, uint32_t epoch);
int shmring_kmod_hub_open(struct shmring_hub *h);
void shmring_kmod_hub_close(struct shmring_hub *h);
int shmring_kmod_hub_wait(struct shmring_hub *h, uint64_t until);
void shmring_kmod_hub_arm(struct shmring_hub *h);
int shmring_kmod_hub_poll_fd(struct shmring_hub *h);

#endif /* SHMRING_KMOD_H */
