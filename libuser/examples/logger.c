// SPDX-License-Identifier: MIT
/* logger NAME: send the lines of standard input to a collector. Needs to know of no lanes. */
#include <stdio.h>
#include <string.h>

#include <shmring.h>

int main(int argc, char **argv)
{
	struct shmring *ring = NULL;
	char line[4096];
	ssize_t ret = shmring_attach(&ring, argc > 1 ? argv[1] : "/log", SHMRING_PRODUCER);

	while (ret >= 0 && fgets(line, sizeof(line), stdin))
		ret = shmring_send(ring, line, strlen(line), NULL);	/* sleeps while full */
	if (ret < 0)
		fprintf(stderr, "logger: %s\n", shmring_strerror((int)ret));
	shmring_close(ring);
	return ret < 0;
}
