// SPDX-License-Identifier: MIT
/* Which version of the library this is. */
#include <shmring.h>

unsigned int shmring_version(void)
{
	return SHMRING_VERSION;
}
