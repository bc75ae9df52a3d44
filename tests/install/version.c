// SPDX-License-Identifier: MIT
/* Prints the library's version; fails if it is not that of the header. */
#include <stdio.h>
#include <shmring.h>

int main(void)
{
	unsigned int v = shmring_version();

	printf("%u.%u.%u\n", v >> 16, v >> 8 & 255, v & 255);
	return v != SHMRING_VERSION;
}
