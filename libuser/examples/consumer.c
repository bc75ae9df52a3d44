// SPDX-License-Identifier: MIT
/* consumer NAME: print the messages of a ring until its producer has gone. */
#include <stdio.h>

#include <shmring.h>

int main(int argc, char **argv)
{
	struct shmring *ring = NULL;
	char line[4096];
	ssize_t ret = shmring_attach(&ring, argc > 1 ? argv[1] : "/lines", SHMRING_CONSUMER);

	while (ret >= 0 && (ret = shmring_recv(ring, line, sizeof(line), NULL)) >= 0)
		fwrite(line, 1, (size_t)ret, stdout);			/* sleeps while empty */
	if (ret != -ENODATA)	/* not the end of the stream */
		fprintf(stderr, "consumer: %s\n", shmring_strerror((int)ret));
	shmring_close(ring);
	return ret != -ENODATA;
}
