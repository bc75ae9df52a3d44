// SPDX-License-Identifier: MIT
/* The page that the rings of one process share: see process.h. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "private.h"

_Static_assert(sizeof(struct shmring_process) <= 4096, "the smallest page");

struct shmring_process *shmring_process;

/* In a child this is its parent's, and so above the generation of each object it inherits. */
static uint32_t last_generation;

static int map_wiped(struct shmring_process **out)
{
	void *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	int ret;

	if (page == MAP_FAILED)
		return -ENOMEM;
	if (!madvise(page, page_size(), MADV_WIPEONFORK)) {
		*out = page;
		return 0;
	}
	ret = errno == EINVAL ? -EOPNOTSUPP : -ENOMEM;
	munmap(page, page_size());
	return ret;
}

/* The page stays until the process ends: other threads may be in it. */
static int make_page(void)
{
	struct shmring_process *mine, *none = NULL;
	int ret;

	if (__atomic_load_n(&shmring_process, __ATOMIC_ACQUIRE))
		return 0;
	ret = map_wiped(&mine);
	if (ret)
		return ret;
	if (!__atomic_compare_exchange_n(&shmring_process, &none, mine, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE))
		munmap(mine, page_size());	/* another thread was faster */
	return 0;
}

/*
 * A signal handler of the program may use a ring of its own, and so take the lock: it must not run
 * in the thread that has the lock.
 */
void shmring_lock_process(void)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	pthread_mutex_lock(&shmring_process->lock);
	shmring_process->signals = before;
}

void shmring_unlock_process(void)
{
	const sigset_t before = shmring_process->signals;

	pthread_mutex_unlock(&shmring_process->lock);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int shmring_enter_process(void)
{
	int ret = make_page();

	if (ret || __atomic_load_n(&shmring_process->generation, __ATOMIC_ACQUIRE))
		return ret;
	shmring_lock_process();
	if (!shmring_process->generation) {
		shmring_spin_init(&shmring_process->spin);
		__atomic_store_n(&shmring_process->generation, ++last_generation,
				 __ATOMIC_RELEASE);
	}
	shmring_unlock_process();
	return 0;
}
