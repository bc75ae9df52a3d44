// SPDX-License-Identifier: MIT
/* producer NAME: put the lines of standard input into a ring, one a message. */
#include <stdio.h>
#include <string.h>

#include <shmring.h>

int main(int argc, char **argv)
{
	struct shmring_options opt = SHMRING_OPTIONS_INIT;
	struct shmring *ring = NULL;
	char line[4096];
	ssize_t ret;

	opt.role = SHMRING_PRODUCER;
	ret = shmring_create(&ring, argc > 1 ? argv[1] : "/lines", &opt);
	while (ret >= 0 && fgets(line, sizeof(line), stdin))
		ret = shmring_send(ring, line, strlen(line), NULL);	/* sleeps while full */
	if (ret >= 0)
		ret = shmring_drain(ring, NULL);	/* sleeps until all has been taken */
	if (ret < 0)
		fprintf(stderr, "producer: %s\n", shmring_strerror((int)ret));
	shmring_close(ring);	/* ends the stream; and the ring, if no one else has it */
	return ret < 0;
}
