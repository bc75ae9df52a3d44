/* SPDX-License-Identifier: MIT */
/*
 * System calls under fault injection: a call is made again and again. Each time its next
 * allocation, or its next copy from or to user space, fails, until all have failed once.
 *
 * Each failed call must return ENOMEM or EFAULT, must have changed nothing that is visible from
 * outside, and must work when it is made again. In the end the module has as much memory as at
 * first, to the byte.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "abi.h"

struct scene {
	const char *name;
	void (*prepare)(const struct scene *s);		/* before each call */
	int (*call)(const struct scene *s);		/* the result, or -errno */
	void (*undo)(const struct scene *s, int ret);	/* after each call that worked */
	void (*clean)(const struct scene *s);		/* after each call and its undo */
	int works;		/* its result when it works; 0: any that is no error */
	long arg;		/* for the functions of the scene */
	uint32_t role;
	bool once;		/* play the scene in one of all rounds */
};

/* Skip the program where there is no fault injection. */
void need_faults(void);

/*
 * Play @scenes, SHMRING_ROUNDS times. @watched is a ring whose state a failed call must not
 * change.
 */
void play_scenes(const struct scene *scenes, size_t nr, int watched);

#endif /* FAULTS_H */
