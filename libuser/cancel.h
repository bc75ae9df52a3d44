/* SPDX-License-Identifier: MIT */
/*
 * No function of the library is a cancellation point: a thread that is cancelled in the
 * middle of one would leave a descriptor open or a lock of the ring's file behind. In a
 * function whose first line is SHMRING_NO_CANCEL, a request of pthread_cancel(3) stays
 * pending until the function has returned and the caller reaches a cancellation point.
 */
#ifndef SHMRING_CANCEL_H
#define SHMRING_CANCEL_H

#include <pthread.h>

static inline int shmring_cancel_disable(void)
{
	int before = PTHREAD_CANCEL_ENABLE;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static inline void shmring_cancel_restore(const int *before)
{
	pthread_setcancelstate(*before, NULL);
}

#define SHMRING_NO_CANCEL						\
	const int cancel_state						\
	__attribute__((__cleanup__(shmring_cancel_restore), __unused__)) =	\
		shmring_cancel_disable()

#endif /* SHMRING_CANCEL_H */
