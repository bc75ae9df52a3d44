// SPDX-License-Identifier: MIT
/* thumbnails NAME: a worker. If it is killed, another one gets the picture that it had. */
#include <stdio.h>

#include <shmring/hub.h>

/* A real program would make the thumbnail here. */
static void make_thumbnail(const char *picture, size_t len, unsigned int before)
{
	printf("%s%.*s", before ? "again: " : "", (int)len, picture);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct shmring *ring = NULL;
	const char *picture;
	size_t len;
	int ret = shmring_attach_wait(&ring, argc > 1 ? argv[1] : "/work", SHMRING_CONSUMER, NULL);

	while (!ret) {
		while ((picture = (const char *)shmring_peek(ring, &len))) {
			make_thumbnail(picture, len, shmring_deliveries(ring));
			shmring_release(ring);	/* finished: only now */
		}
		ret = shmring_wait_data(ring, NULL);
	}
	if (ret != -ENODATA)	/* not the end of the work */
		fprintf(stderr, "thumbnails: %s\n", shmring_strerror(ret));
	shmring_close(ring);
	return ret != -ENODATA;
}
