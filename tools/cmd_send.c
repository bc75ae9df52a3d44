// SPDX-License-Identifier: MIT
/* shmring send: standard input into a ring, read(2) straight into its memory. */
#include "tool.h"

/* A quarter of the ring: the receiver takes one piece while the next is read. */
static size_t piece(const struct shmring *r)
{
	return r->slot_size ? r->slot_size : (size_t)(r->capacity / 4 - sizeof(struct shmring_record));
}

/*
 * Read one message: what is there, because a message must not wait for more input; a
 * slot is filled up. Returns bytes, 0 at the end, or an error.
 */
static ssize_t fill(const struct shmring *r, char *buf, size_t size)
{
	size_t done = 0;
	ssize_t n;

	do {
		n = read_some(buf + done, size - done);
		if (n < 0)
			return n;
		done += (size_t)n;
	} while (n && r->slot_size && done < size);
	return (ssize_t)done;
}

static int copy_in(const struct args *a, struct shmring *r, struct traffic *t)
{
	size_t size = piece(r);
	ssize_t n;
	void *p;
	int ret;

	for (;;) {
		p = shmring_reserve(r, size);
		if (!p) {
			ret = shmring_wait_space(r, size, NULL);
			if (ret && ret != -EINTR)
				return fail_verb(a, NULL, ret);
			continue;
		}
		n = fill(r, p, size);
		if (n < 0)
			return fail_verb(a, "standard input", (int)n);
		if (!n)
			return EXIT_OK;
		ret = shmring_commit(r, (size_t)n);
		if (ret)	/* only the last slot can be too short */
			return fail_verb(a, NULL, -EMSGSIZE);
		t->bytes += (uint64_t)n;
		t->messages++;
	}
}

/*
 * Has no receiver been there? With --queue the state alone does not say so; but where all that was
 * sent has been taken, one has.
 */
static bool lacks_receiver(const struct shmring_info *info)
{
	return info->consumer_state == SHMRING_PEER_NONE && (info->used || !info->tail);
}

/*
 * In slices: if a receiver comes and goes before the call, the call would wait for the
 * next receiver.
 */
static int wait_for_receiver(struct shmring *r)
{
	struct shmring_wait w = { 0 };
	struct shmring_info info = SHMRING_INFO_INIT;
	int ret = shmring_get_info(r, &info);

	while (!ret && lacks_receiver(&info)) {
		w.deadline = shmring_deadline(1000000000);
		ret = shmring_wait_peer(r, &w);
		if (!ret || ret == -EINTR || ret == -ETIMEDOUT)
			ret = shmring_get_info(r, &info);
	}
	return ret;
}

/*
 * A ring goes with its last holder, which may be this process. If this process ended before
 * everything has been received, the rest would be lost. If it ended before a receiver is
 * there, the end of an empty stream would be lost.
 */
static int drain(const struct args *a, struct shmring *r)
{
	int ret = wait_for_receiver(r);

	if (!ret) {
		do {
			ret = shmring_drain(r, NULL);
		} while (ret == -EINTR);
	}
	return ret ? fail_verb(a, NULL, ret) : EXIT_OK;
}

int cmd_send(const struct args *a)
{
	struct traffic t = { 0 };
	struct shmring *r;
	int ret, status;
	bool made;

	ret = open_endpoint(a, SHMRING_PRODUCER, &r, &made);
	if (ret)
		return fail_verb(a, NULL, ret);
	t.start = now_ns();
	status = copy_in(a, r, &t);
	print_traffic(a, r, &t);
	if (!status && made && !(a->opt.flags & SHMRING_PERSIST))
		status = drain(a, r);
	shmring_close(r);
	return status;
}
