// SPDX-License-Identifier: MIT
/* shmring send: standard input into a ring, read(2) straight into its memory. */
#define _GNU_SOURCE 1
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/* A quarter of the ring: the receiver takes one piece while the next is read. */
static size_t piece(const struct shmring *r)
{
	return r->slot_size ? r->slot_size : (size_t)(r->capacity / 4 - sizeof(struct shmring_record));
}

/* What is left to send of the input that has been read. */
struct input {
	bool lines;	/* a message ends with a line */
	size_t size;	/* of the longest message */
	char *spare;	/* for a message, while the ring is full */
	char *rest;	/* the beginning of a line that has not been read to its end */
	size_t nr_rest;
};

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

/* How many bytes of @buf to send: up to the end of the last line; all of a line that is too long. */
static size_t whole_lines(const struct input *in, const char *buf, size_t len)
{
	const char *end = memrchr(buf, '\n', len);

	if (end)
		return (size_t)(end + 1 - buf);
	return len == in->size ? len : 0;
}

/* As fill(); with --lines, up to the end of a line, of which the rest is kept. */
static ssize_t next_message(const struct shmring *r, struct input *in, char *to)
{
	size_t len, cut;
	ssize_t n;

	do {
		memcpy(to, in->rest, in->nr_rest);
		n = fill(r, to + in->nr_rest, in->size - in->nr_rest);
		if (n < 0)
			return n;
		len = in->nr_rest + (size_t)n;
		cut = n && in->lines ? whole_lines(in, to, len) : len;
		in->nr_rest = len - cut;
		memcpy(in->rest, to + cut, in->nr_rest);
	} while (n && !cut);
	return (ssize_t)cut;
}

/* Publish the @n bytes of a message, which are at @to in the ring, or not in the ring yet. */
static int publish(struct shmring *r, const char *to, size_t n, bool in_ring)
{
	ssize_t ret;

	if (in_ring)
		return shmring_commit(r, n);
	do {
		ret = shmring_send(r, to, n, NULL);
	} while (ret == -EINTR);
	return ret < 0 ? (int)ret : 0;
}

/* Where to read @size bytes in the ring; NULL: not now, or (@error) no more. */
static char *space_now(struct shmring *r, size_t size, int *error)
{
	const struct shmring_wait now = { .flags = SHMRING_NOWAIT };
	char *p = shmring_reserve(r, size);

	*error = p ? 0 : shmring_wait_space(r, size, &now);
	if (!p && !*error)
		p = shmring_reserve(r, size);
	if (*error == -EAGAIN)
		*error = 0;
	return p;
}

/*
 * Input is read into the ring. While the ring is full, it is read into in->spare and copied: the
 * input may be at its end, and then there is nothing to wait for.
 */
static int copy_all(const struct args *a, struct shmring *r, struct input *in, struct traffic *t)
{
	char *p, *to;
	ssize_t n;
	int ret;

	for (;;) {
		p = space_now(r, in->size, &ret);
		if (ret)
			return fail_verb(a, NULL, ret);
		to = p ? p : in->spare;
		n = next_message(r, in, to);
		if (n < 0)
			return fail_verb(a, "standard input", (int)n);
		if (!n)
			return EXIT_OK;
		ret = publish(r, to, (size_t)n, p);
		if (ret)	/* only the last slot can be too short */
			return fail_verb(a, NULL, ret == -EINVAL ? -EMSGSIZE : ret);
		t->bytes += (uint64_t)n;
		t->messages++;
	}
}

static int copy_in(const struct args *a, struct shmring *r, struct traffic *t)
{
	struct input in = { .lines = a->lines, .size = piece(r) };
	int status;

	if (in.lines && r->slot_size) {
		fprintf(stderr, "shmring: %s: %s: --lines needs a ring without slots\n", a->verb,
			a->names[0]);
		return EXIT_ERROR;
	}
	in.spare = malloc(2 * in.size);
	if (!in.spare)
		return fail_verb(a, NULL, -ENOMEM);
	in.rest = in.spare + in.size;
	status = copy_all(a, r, &in, t);
	free(in.spare);
	return status;
}

/*
 * Has there been no receiver yet? With --queue the state alone does not show that; but if all data
 * have been taken, there was one.
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

/* -EBUSY: of a ring with lanes, say what it means there. */
static int fail_to_attach(const struct args *a, int error)
{
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring_options opt = a->opt;
	struct shmring *r;

	opt.role = SHMRING_HANDLE;
	if (error != -EBUSY || shmring_attach_opt(&r, a->names[0], &opt))
		return fail_verb(a, NULL, error);
	if (!shmring_get_info(r, &info) && info.topology == SHMRING_TOPOLOGY_FAN_IN)
		fprintf(stderr, "shmring: %s: %s: no lane is free: each of the %" PRIu32 " has a "
			"sender, or holds what one has left (EBUSY)\n", a->verb, a->names[0],
			info.nr_lanes);
	else
		fail_verb(a, NULL, error);
	shmring_close(r);
	return EXIT_ERROR;
}

int cmd_send(const struct args *a)
{
	struct traffic t = { 0 };
	struct shmring *r;
	int ret, status;
	bool made;

	ret = open_endpoint(a, SHMRING_PRODUCER, &r, &made);
	if (ret == -EPROTO)	/* a work queue: the producer is a hub */
		return deal_as_hub(a);
	if (ret)
		return fail_to_attach(a, ret);
	t.start = now_ns();
	status = copy_in(a, r, &t);
	print_traffic(a, r, &t);
	if (!status && made && !(a->opt.flags & SHMRING_PERSIST))
		status = drain(a, r);
	shmring_close(r);
	return status;
}
