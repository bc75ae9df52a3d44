// SPDX-License-Identifier: MIT
/* Waiting for a ring to be made, and for the other side to attach. */
#define _GNU_SOURCE 1
#include <poll.h>

#include "backend.h"
#include "cancel.h"
#include "fd.h"
#include "options.h"

#define NS_PER_S	1000000000ull
#define LOOK_AGAIN_NS	NS_PER_S	/* the module may have been loaded */
#define IN_VAIN_MAX	16		/* after so many sleeps that ended for nothing, ... */
#define PAUSE_NS	1000000		/* ... pause before each further one */

struct timespec shmring_timespec(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S),
	};
}

int shmring_sleep_fd(int fd, uint64_t until)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = shmring_now();
	struct timespec ts = shmring_timespec(until > now ? until - now : 0);

	return ppoll(&p, 1, &ts, NULL) < 0 ? -errno : 0;
}

/*
 * This look, and the @looks before it, have found nothing: 0, or why there is no time for
 * another look. Another process can end each sleep as it begins. Then this pauses, so that the
 * wait does not use up a CPU, and a signal meets a thread that sleeps.
 */
static int check_time(const struct shmring_wait *w, unsigned int looks)
{
	if (w && (w->flags & SHMRING_NOWAIT))
		return -EAGAIN;
	if (w && w->deadline && shmring_now() >= w->deadline)
		return -ETIMEDOUT;
	return looks < IN_VAIN_MAX ? 0 : shmring_sleep_fd(-1, shmring_now() + PAUSE_NS);
}

/* Waits a second at most: after that the other backend may have to be chosen. */
static int wait_for_name(const char *name, const struct shmring_options *opt, uint64_t deadline)
{
	uint64_t until = shmring_now() + LOOK_AGAIN_NS;
	struct shmring_choice choice = { 0 };
	char clean[SHMRING_NAME_MAX];
	int ret = shmring_clean_name(clean, name);

	if (!ret)
		ret = shmring_choose_backend(&choice, opt->backend);
	if (ret)
		return ret;
	return choice.backend->wait_name(clean, opt->role,
					 deadline && deadline < until ? deadline : until);
}

int shmring_attach_wait_opt(struct shmring **r, const char *name,
			    const struct shmring_options *opt, const struct shmring_wait *w)
{
	SHMRING_NO_CANCEL;
	struct shmring_options o;
	unsigned int looks = 0;
	int ret = shmring_copy_options(&o, opt);

	if (!ret)
		ret = shmring_check_wait(w);
	if (ret)
		return ret;
	do {
		ret = shmring_attach_opt(r, name, &o);
		if (ret != -ENOENT)
			return ret;
		ret = check_time(w, looks++);
		if (!ret)
			ret = wait_for_name(name, &o, w ? w->deadline : 0);
	} while (!ret);
	return ret;
}

int shmring_attach_wait(struct shmring **r, const char *name, enum shmring_role role,
			const struct shmring_wait *w)
{
	const struct shmring_options opt = { .role = role };

	return shmring_attach_wait_opt(r, name, &opt, w);
}

static bool is_peer_live(const struct shmring *r)
{
	if (r->priv->backend->check_peer)
		r->priv->backend->check_peer((struct shmring *)r);
	return __atomic_load_n(&half_of(r, peer_role(r))->state, __ATOMIC_ACQUIRE) ==
	       SHMRING_PEER_LIVE;
}

static __u32 peer_epoch(const struct shmring *r)
{
	return __atomic_load_n(&half_of(r, peer_role(r))->epoch, __ATOMIC_RELAXED);
}

int shmring_wait_peer(struct shmring *r, const struct shmring_wait *w)
{
	SHMRING_NO_CANCEL;
	unsigned int looks = 0;
	__u32 epoch;
	int ret = shmring_check_wait(w);

	if (r->role == SHMRING_HANDLE)
		return -EBADF;
	if (!ret && r->priv->of_hub)
		ret = -EOPNOTSUPP;
	if (ret)
		return ret;
	epoch = peer_epoch(r);
	/* The epoch shows a peer that came and went while this process did not run. */
	while (!ret && !is_peer_live(r) && peer_epoch(r) == epoch) {
		ret = check_time(w, looks++);
		if (!ret)
			ret = r->priv->backend->wait_peer(r, w ? w->deadline : 0);
	}
	return ret;
}
