// SPDX-License-Identifier: MIT
/*
 * Does a thread wait for about each message that it sends? Then it asks or answers, and does not
 * stream: to fetch ahead would only delay the next message. See docs/performance.md.
 */
#include "wait.h"

/* The initial-exec model takes no call. Other libraries than glibc cannot load it later. */
#ifdef __GLIBC__
#define FAST_TLS	__attribute__((__tls_model__("initial-exec")))
#else
#define FAST_TLS
#endif

static __thread unsigned int waits FAST_TLS;	/* of this thread, with any endpoint */

/* This thread has looked in vain, or slept. */
void shmring_count_wait(void)
{
	waits++;
}

/*
 * The producer of @r has sent some 2 KiB since the last call, the last message of @bytes. Another
 * thread may have sent some of them: the answer is wrong once, then.
 */
int __shmring_answers(struct shmring *r, uint64_t bytes)
{
	unsigned int since = waits - r->priv->waits;

	r->priv->waits = waits;
	return 2 * since * bytes >= __SHMRING_PREFETCH;
}
