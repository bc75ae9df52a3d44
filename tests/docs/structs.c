/* SPDX-License-Identifier: MIT */
/*
 * Uses the structs that a caller fills in, and each inline function: check.py compiles this as C
 * and as C++. In C, the initializers of version 0.1 still work.
 */
#include <shmring.h>

int fill_in(struct shmring *r)
{
	struct shmring_options options = SHMRING_OPTIONS_INIT;
	struct shmring_wait wait = SHMRING_WAIT_INIT;
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *other;
#ifdef __cplusplus
	struct shmring_wait empty = {};
#else
	struct shmring_wait empty = { 0 };
	struct shmring_options some = { .capacity = 4096, .role = SHMRING_HANDLE };

	options.capacity = some.capacity;
#endif
	options.role = SHMRING_PRODUCER;
	wait.flags = SHMRING_NOWAIT;
	return shmring_create(&other, NULL, &options) || shmring_wait_data(r, &wait) ||
	       shmring_wait_data(r, &empty) || shmring_get_info(r, &info);
}
