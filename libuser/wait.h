/* SPDX-License-Identifier: MIT */
/* What a wait is for, between wait.c and look.c. */
#ifndef SHMRING_WAIT_H
#define SHMRING_WAIT_H

#include "backend.h"

struct shmring_want {
	uint64_t bytes;		/* of data or space, beyond this side's own position */
	uint64_t mark;		/* producer: a sleep may go on until these are free */
	bool drain;		/* producer: until everything has been taken */
	bool announced;		/* the consumer can see what this producer wants */
};

/* look.c */
int shmring_look(struct shmring *r, const struct shmring_want *want);
uint64_t shmring_available(const struct shmring *r);
uint64_t shmring_beyond_told(const struct shmring *r, uint64_t bytes);
void shmring_announce(struct shmring *r, struct shmring_want *want);
void shmring_note_cpu(struct shmring *r);

#endif /* SHMRING_WAIT_H */
