// SPDX-License-Identifier: MIT
/* The structs that callers fill in, of programs that are older or newer than the library. */
#include <errno.h>

#include "backend.h"

#define SIZE_MAX_SANE	4096	/* above: not a size, but a struct that was not initialized */

/*
 * No struct has grown since version 0.1. Once one has, @known is more than that version's
 * size, and what lies between a caller's size and @known must be taken for zero.
 */
int shmring_check_size(const void *s, size_t known)
{
	const unsigned char *bytes = s;
	size_t size = *(const size_t *)s, at;

	if (size && size < known)
		return -EINVAL;
	if (size > SIZE_MAX_SANE)
		return -E2BIG;
	for (at = known; at < size; at++)
		if (bytes[at])
			return -E2BIG;
	return 0;
}
