/* SPDX-License-Identifier: MIT */
/* What an endpoint of the module knows beside what all endpoints know. */
#ifndef SHMRING_KMOD_STATE_H
#define SHMRING_KMOD_STATE_H

#include <stdint.h>

struct shmring_kmod {
	uint64_t poll_bytes;	/* of the last SET_LOWAT ... */
	uint64_t poll_held;	/* ... and how many of them the consumer held */
};

#endif /* SHMRING_KMOD_STATE_H */
