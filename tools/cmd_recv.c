// SPDX-License-Identifier: MIT
/* shmring recv: a ring to standard output, write(2) straight from its memory. */
#include "tool.h"

/* Write the message at @p, which is next in @r. Returns the exit status. */
static int take(const struct args *a, struct shmring *r, const void *p, size_t len,
		struct traffic *t)
{
	int ret = write_all(p, len);

	if (ret)	/* the message stays in the ring, whole, for the next receiver */
		return fail_verb(a, "standard output", ret);
	shmring_release(r);
	t->bytes += len;
	t->messages++;
	return EXIT_OK;
}

static int copy_out(const struct args *a, struct shmring *r, struct traffic *t)
{
	int ret, status = EXIT_OK;
	const void *p;
	size_t len;

	while (status == EXIT_OK) {
		p = shmring_peek(r, &len);
		if (p) {
			status = take(a, r, p, len, t);
			continue;
		}
		ret = shmring_wait_data(r, NULL);
		if (ret == -ENODATA)
			break;
		if (ret && ret != -EINTR)
			status = fail_verb(a, NULL, ret);
	}
	return status;
}

/* ------------------------------------------------------------ of a ring with lanes */

/* What one message after another has; a lane that its sender has damaged is left out. */
static int copy_out_lanes(const struct args *a, struct shmring_hub *h, struct traffic *t)
{
	int ret, status = EXIT_OK;
	struct shmring *lane;
	const void *p;
	size_t len;

	while (status == EXIT_OK) {
		lane = shmring_hub_next(h);
		if (lane) {
			p = shmring_peek(lane, &len);
			if (p)
				status = take(a, lane, p, len, t);
			continue;
		}
		ret = shmring_hub_wait(h, NULL);
		if (ret == -ENODATA)
			break;
		if (ret && ret != -EINTR)
			status = fail_verb(a, NULL, ret);
	}
	return status;
}

static int receive_as_hub(const struct args *a)
{
	const struct shmring_hub_options opt = {
		.size = sizeof(opt),
		.flags = SHMRING_HUB_EOF,
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
	status = copy_out_lanes(a, h, &t);
	print_hub_traffic(a, h, &t);
	shmring_hub_close(h);
	return status;
}

/* ------------------------------------------------------------------------------------ */

int cmd_recv(const struct args *a)
{
	struct traffic t = { 0 };
	struct shmring *r;
	int ret, status;
	bool made;

	ret = open_endpoint(a, SHMRING_CONSUMER, &r, &made);
	if (ret == -EPROTO)	/* with lanes: the consumer is a hub */
		return receive_as_hub(a);
	if (ret)
		return fail_verb(a, NULL, ret);
	t.start = now_ns();
	status = copy_out(a, r, &t);
	print_traffic(a, r, &t);
	shmring_close(r);
	return status;
}
