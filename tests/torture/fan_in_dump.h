/* SPDX-License-Identifier: MIT */
/* SIGUSR1 prints what this process sees of its lanes. For a test that has failed. */
#ifndef FAN_IN_DUMP_H
#define FAN_IN_DUMP_H

struct shmring;
struct shmring_hub;

void dump_on_request(void);

/* What is printed. NULL: nothing. */
extern struct shmring_hub *dumped_hub;
extern struct shmring *dumped_ring;

#endif /* FAN_IN_DUMP_H */
