/* SPDX-License-Identifier: MIT */
/*
 * System calls under fault injection: a call is made again and again, and each time
 * the next of its allocations and of its copies from and to user space fails, until
 * it gets through without.
 *
 * Whenever it fails it must say ENOMEM or EFAULT, have changed nothing that can be
 * seen from outside, and work when it is made again. In the end the module has as
 * much memory as at first, to the byte.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include "abi.h"

struct scene {
	const char *name;
	void (*prepare)(const struct scene *s);		/* before each call */
	int (*call)(const struct scene *s);		/* the result, or -errno */
	void (*undo)(const struct scene *s, int ret);	/* after one that worked */
	void (*clean)(const struct scene *s);		/* after each call and its undo */
	int works;		/* what it returns when it works; 0: any but errors */
	long arg;		/* the scene's own, like these */
	uint32_t role;
	bool once;		/* in one round of all */
};

/* Skip the program where there is no fault injection. */
void need_faults(void);

/*
 * Play @scenes, SHMRING_ROUNDS times. @watched is a ring whose state belongs to what
 * a call that fails must not change.
 */
void play_scenes(const struct scene *scenes, size_t nr, int watched);

#endif /* FAULTS_H */
