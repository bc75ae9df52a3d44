// SPDX-License-Identifier: MIT
/* Calls on an object: descriptors, settings and information. */
#include <string.h>

#include "backend.h"
#include "cancel.h"
#include "options.h"

int shmring_fd(const struct shmring *r)
{
	return r->priv->fd;
}

int shmring_grant(const struct shmring *r, enum shmring_role role)
{
	SHMRING_NO_CANCEL;

	if (role != SHMRING_PRODUCER && role != SHMRING_CONSUMER)
		return -EINVAL;
	return r->priv->backend->grant(r->priv, role);
}

int shmring_poll_fd(struct shmring *r)
{
	SHMRING_NO_CANCEL;

	if (r->role == SHMRING_HANDLE)
		return -EBADF;
	return r->priv->of_hub ? -EOPNOTSUPP : r->priv->backend->poll_fd(r);
}

int shmring_set_policy(struct shmring *r, enum shmring_policy policy)
{
	if ((unsigned int)policy > SHMRING_EAGER)
		return -EINVAL;
	r->priv->policy = policy ? policy : SHMRING_ADAPTIVE;
	return 0;
}

int shmring_set_lowat(struct shmring *r, size_t bytes)
{
	if (r->role == SHMRING_HANDLE)
		return -EBADF;
	if (bytes > r->capacity)
		return -EINVAL;
	r->priv->lowat = bytes;
	return 0;
}

int shmring_set_linger(struct shmring *r, uint64_t ns)
{
	if (r->role != SHMRING_PRODUCER)
		return -EBADF;
	r->priv->linger = ns;
	return 0;
}

int shmring_set_space_mark(struct shmring *r, size_t bytes)
{
	if (r->role != SHMRING_PRODUCER)
		return -EBADF;
	if (bytes > r->capacity)
		return -EINVAL;
	r->priv->space_mark = bytes;
	return 0;
}

int shmring_chmod(struct shmring *r, unsigned int mode)
{
	SHMRING_NO_CANCEL;

	return mode & ~0666u ? -EINVAL : r->priv->backend->chmod(r->priv, mode);
}

int shmring_chown(struct shmring *r, uid_t uid, gid_t gid)
{
	SHMRING_NO_CANCEL;

	return r->priv->backend->chown(r->priv, uid, gid);
}

/* Of a handle's @lane; an endpoint has only its own. */
static int get_info(const struct shmring *r, uint32_t lane, struct shmring_info *info)
{
	const size_t first = offsetof(struct shmring_info, flags);	/* size in version 0.1 */
	struct shmring_info i = {
		.size = info->size,
		.role = r->role,
		.backend = r->priv->backend->id,
		.sleeps = r->priv->sleeps,
		.wakes = r->priv->wakes,
		.created = r->priv->created,
	};
	int ret = i.size && i.size < first ? -EINVAL : r->priv->backend->info(r, lane, &i);

	if (!ret)
		memcpy(info, &i, shmring_common_size(i.size, first, sizeof(i)));
	return ret;
}

int shmring_get_info(const struct shmring *r, struct shmring_info *info)
{
	SHMRING_NO_CANCEL;

	return get_info(r, 0, info);
}

int shmring_lane_info(const struct shmring *r, unsigned int lane, struct shmring_info *info)
{
	SHMRING_NO_CANCEL;

	return r->role == SHMRING_HANDLE ? get_info(r, lane, info) : -EBADF;
}

enum shmring_backend_id shmring_backend(const struct shmring *r)
{
	return r->priv->backend->id;
}

const char *shmring_backend_name(const struct shmring *r)
{
	return r->priv->backend->name;
}

const char *shmring_backend_reason(const struct shmring *r)
{
	return r->priv->reason;
}
