// SPDX-License-Identifier: MIT
/* pool NAME: give each line of standard input to one of the workers, until all are finished. */
#include <stdio.h>
#include <string.h>

#include <shmring/hub.h>

static int give(struct shmring_hub *hub, const char *task)
{
	struct shmring *lane;
	ssize_t sent;
	int ret;

	do {
		while (!(lane = shmring_hub_next(hub))) {
			ret = shmring_hub_wait(hub, NULL);	/* sleeps while all are busy */
			if (ret)
				return ret;
		}
		sent = shmring_send(lane, task, strlen(task), NULL);
	} while (sent == -EPIPE);	/* this worker has just gone */
	return sent < 0 ? (int)sent : 0;
}

int main(int argc, char **argv)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_hub *hub = NULL;
	const char *task;
	char line[4096];
	size_t len;
	int ret;

	opt.topology = SHMRING_WORK;
	ret = shmring_hub_create(&hub, argc > 1 ? argv[1] : "/work", &opt);
	while (!ret && fgets(line, sizeof(line), stdin))
		ret = give(hub, line);
	while (!ret && (ret = shmring_hub_drain(hub, NULL)) == 1) {
		task = (const char *)shmring_work_failed(hub, &len);
		printf("no worker survives: %.*s", task ? (int)len : 0, task);
		ret = 0;
	}
	if (ret)
		fprintf(stderr, "pool: %s\n", shmring_strerror(ret));
	shmring_hub_close(hub);
	return ret != 0;
}
