// SPDX-License-Identifier: MIT
/* shmring send, to a work queue: each line of standard input is a task for one of the receivers. */
#define _GNU_SOURCE 1
#include <stdlib.h>

#include "tool.h"

static int deal(struct shmring_hub *h, const char *line, size_t len)
{
	struct shmring *lane;
	ssize_t sent;
	int ret;

	do {
		while (!(lane = shmring_hub_next(h))) {
			ret = shmring_hub_wait(h, NULL);
			if (ret && ret != -EINTR)
				return ret;
		}
		sent = shmring_send(lane, line, len, NULL);
	} while (sent == -EPIPE || sent == -EINTR);	/* that receiver has just gone */
	return sent < 0 ? (int)sent : 0;
}

/* Tasks that no receiver has survived. Returns how many there were. */
static unsigned int report_failed(const struct args *a, struct shmring_hub *h)
{
	unsigned int nr = 0;
	const char *task;
	size_t len;

	while ((task = shmring_work_failed(h, &len))) {
		fprintf(stderr, "shmring: %s: %s: no receiver has finished this: %.*s%s", a->verb,
			a->names[0], (int)len, task, len && task[len - 1] == '\n' ? "" : "\n");
		nr++;
	}
	return nr;
}

static int deal_lines(const struct args *a, struct shmring_hub *h, struct traffic *t)
{
	unsigned int failed = 0;
	size_t size = 0;
	char *line = NULL;
	ssize_t len;
	int ret = 0;

	while (!ret && (len = getline(&line, &size, stdin)) > 0) {
		failed += report_failed(a, h);
		ret = deal(h, line, (size_t)len);
		t->bytes += (uint64_t)len;
		t->messages++;
	}
	free(line);
	while (!ret || ret == -EINTR) {
		ret = shmring_hub_drain(h, NULL);
		if (!ret)
			return failed ? EXIT_ERROR : EXIT_OK;
		if (ret == 1) {
			failed += report_failed(a, h);
			ret = 0;
		}
	}
	return fail_verb(a, NULL, ret);
}

int deal_as_hub(const struct args *a)
{
	const struct shmring_hub_options opt = {
		.size = sizeof(opt),
		.policy = a->opt.policy,
		.backend = a->opt.backend,
	};
	struct traffic t = { 0 };
	struct shmring_hub *h;
	int ret, status;

	ret = shmring_hub_attach(&h, a->names[0], &opt);
	if (ret)
		return fail_verb(a, NULL, ret);
	t.start = now_ns();
	status = deal_lines(a, h, &t);
	print_hub_traffic(a, h, &t);
	shmring_hub_close(h);
	return status;
}
