// SPDX-License-Identifier: MIT
/* collector NAME: print the lines that any number of loggers send, until the last has gone. */
#include <stdio.h>

#include <shmring/hub.h>

int main(int argc, char **argv)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_hub *hub = NULL;
	struct shmring *lane;
	const char *line;
	size_t len;
	int ret;

	opt.flags = SHMRING_HUB_EOF;
	ret = shmring_hub_create(&hub, argc > 1 ? argv[1] : "/log", &opt);
	while (!ret) {
		while ((lane = shmring_hub_next(hub))) {
			line = (const char *)shmring_peek(lane, &len);
			if (!line)	/* its producer has damaged the lane */
				continue;
			printf("%u: %.*s", shmring_hub_lane(hub, lane), (int)len, line);
			shmring_release(lane);
		}
		fflush(stdout);
		ret = shmring_hub_wait(hub, NULL);	/* sleeps while all lanes are empty */
	}
	if (ret != -ENODATA)	/* not the end of all streams */
		fprintf(stderr, "collector: %s\n", shmring_strerror(ret));
	shmring_hub_close(hub);
	return ret != -ENODATA;
}
