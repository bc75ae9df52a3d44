/* SPDX-License-Identifier: MIT */
/* The module backend's part of struct shmring_private. */
#ifndef SHMRING_KMOD_STATE_H
#define SHMRING_KMOD_STATE_H

#include <stdint.h>

struct shmring_kmod {
	uint64_t poll_bytes;	/* of the last SET_LOWAT ... */
	uint64_t poll_held;	/* ... and how many bytes the consumer held then */
};

#endif /* SHMRING_KMOD_STATE_H */
