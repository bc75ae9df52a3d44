// SPDX-License-Identifier: MIT
/* Memory that both sides see. */
#include <sys/mman.h>

#include "bench.h"

#define PAGE	4096u	/* the size is kept in a page in front */

void *shared_alloc(size_t size)
{
	unsigned char *p = mmap(NULL, size + PAGE, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	*(size_t *)(void *)p = size + PAGE;
	return p + PAGE;
}

void shared_free(void *p)
{
	unsigned char *start = (unsigned char *)p - PAGE;

	if (p)
		munmap(start, *(size_t *)(void *)start);
}

void shared_populate(void *p)
{
	unsigned char *start = (unsigned char *)p - PAGE;

#ifdef MADV_POPULATE_WRITE
	/* Where the kernel cannot, the first round through the ring does it. */
	(void)madvise(start, *(size_t *)(void *)start, MADV_POPULATE_WRITE);
#else
	(void)start;
#endif
}
