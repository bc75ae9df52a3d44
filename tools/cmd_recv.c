// SPDX-License-Identifier: MIT
/* shmring recv: a ring to standard output, write(2) straight from its memory. */
#include "tool.h"

static int copy_out(const struct args *a, struct shmring *r, struct traffic *t)
{
	const void *p;
	size_t len;
	int ret;

	for (;;) {
		p = shmring_peek(r, &len);
		if (!p) {
			ret = shmring_wait_data(r, NULL);
			if (ret == -ENODATA)
				return EXIT_OK;
			if (ret && ret != -EINTR)
				return fail_verb(a, NULL, ret);
			continue;
		}
		ret = write_all(p, len);
		if (ret)	/* the message stays in the ring, whole, for the next receiver */
			return fail_verb(a, "standard output", ret);
		shmring_release(r);
		t->bytes += len;
		t->messages++;
	}
}

int cmd_recv(const struct args *a)
{
	struct traffic t = { 0 };
	struct shmring *r;
	int ret, status;
	bool made;

	ret = open_endpoint(a, SHMRING_CONSUMER, &r, &made);
	if (ret)
		return fail_verb(a, NULL, ret);
	t.start = now_ns();
	status = copy_out(a, r, &t);
	print_traffic(a, r, &t);
	shmring_close(r);
	return status;
}
