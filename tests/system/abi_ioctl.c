// SPDX-License-Identifier: MIT
/*
 * Rules for all ioctls: the files on which they work, unused numbers, structures of other
 * sizes, bad pointers.
 */
#include "refused.h"

#include <stddef.h>

enum kind { CONTROL, RING, PRODUCER_END, CONSUMER_END, SET, NR_KINDS };

static int files[NR_KINDS];

union argument {
	struct shmring_ioc_create create;
	struct shmring_ioc_name name;
	struct shmring_ioc_attach attach;
	struct shmring_ioc_query query;
	struct shmring_ioc_wait wait;
	struct shmring_ioc_lowat lowat;
	struct shmring_ioc_wait_peer peer;
	struct shmring_ioc_access access;
	struct shmring_ioc_waitset_create waitset;
	struct shmring_ioc_waitset_change change;
	struct shmring_ioc_waitset_wait any;
	unsigned char bytes[4096];
};

#define ON(kind)	(1u << (kind))

/* Arguments with which each call succeeds, or fails with @valid. */
static const struct {
	const char *name;
	unsigned long cmd;
	unsigned int kinds;
	size_t size;
	long valid;
} calls[] = {
	{ "CREATE", SHMRING_IOC_CREATE, ON(CONTROL), sizeof(struct shmring_ioc_create), 0 },
	{ "OPEN", SHMRING_IOC_OPEN, ON(CONTROL), sizeof(struct shmring_ioc_name), -ENOENT },
	{ "UNLINK", SHMRING_IOC_UNLINK, ON(CONTROL), sizeof(struct shmring_ioc_name), -ENOENT },
	{ "ATTACH", SHMRING_IOC_ATTACH, ON(RING) | ON(PRODUCER_END) | ON(CONSUMER_END),
	  sizeof(struct shmring_ioc_attach), 0 },
	{ "QUERY", SHMRING_IOC_QUERY, ON(RING) | ON(PRODUCER_END) | ON(CONSUMER_END),
	  sizeof(struct shmring_ioc_query), 0 },
	{ "WAIT_DATA", SHMRING_IOC_WAIT_DATA, ON(CONSUMER_END), sizeof(struct shmring_ioc_wait),
	  -ETIMEDOUT },
	{ "WAIT_SPACE", SHMRING_IOC_WAIT_SPACE, ON(PRODUCER_END), sizeof(struct shmring_ioc_wait),
	  0 },
	{ "WAKE", SHMRING_IOC_WAKE, ON(PRODUCER_END) | ON(CONSUMER_END), 0, 0 },
	{ "SET_LOWAT", SHMRING_IOC_SET_LOWAT, ON(PRODUCER_END) | ON(CONSUMER_END),
	  sizeof(struct shmring_ioc_lowat), 0 },
	{ "WAIT_PEER", SHMRING_IOC_WAIT_PEER, ON(PRODUCER_END) | ON(CONSUMER_END),
	  sizeof(struct shmring_ioc_wait_peer), 0 },
	{ "SET_ACCESS", SHMRING_IOC_SET_ACCESS, ON(RING) | ON(PRODUCER_END) | ON(CONSUMER_END),
	  sizeof(struct shmring_ioc_access), 0 },
	{ "KICK", SHMRING_IOC_KICK, ON(PRODUCER_END) | ON(CONSUMER_END),
	  sizeof(struct shmring_ioc_kick), -EPERM },
	{ "WAITSET_CREATE", SHMRING_IOC_WAITSET_CREATE, ON(CONTROL),
	  sizeof(struct shmring_ioc_waitset_create), 0 },
	{ "WAITSET_CHANGE", SHMRING_IOC_WAITSET_CHANGE, ON(SET),
	  sizeof(struct shmring_ioc_waitset_change), -ENOENT },
	{ "WAITSET_WAIT", SHMRING_IOC_WAITSET_WAIT, ON(SET),
	  sizeof(struct shmring_ioc_waitset_wait), -ETIMEDOUT },
};

static void fill(union argument *a, unsigned long cmd)
{
	memset(a, 0, sizeof(*a));
	switch (cmd) {
	case SHMRING_IOC_CREATE:
		a->create.capacity = page_size();
		a->create.mode = 0600;
		break;
	case SHMRING_IOC_OPEN:
		a->name.rights = SHMRING_RIGHT_ALL;
		strcpy((char *)a->name.name, "no-such-ring");
		break;
	case SHMRING_IOC_UNLINK:
		strcpy((char *)a->name.name, "no-such-ring");
		break;
	case SHMRING_IOC_WAIT_DATA:
	case SHMRING_IOC_WAIT_SPACE:
		a->wait.bytes = 8;
		a->wait.deadline = 1;
		break;
	case SHMRING_IOC_SET_LOWAT:
		a->lowat.bytes = 1;
		break;
	case SHMRING_IOC_WAITSET_CREATE:
		a->waitset.max = 1;
		break;
	case SHMRING_IOC_WAITSET_CHANGE:
		a->change.fd = -1;
		break;
	case SHMRING_IOC_WAITSET_WAIT:
		a->any.deadline = 1;
		break;
	}
}

static int a_file_for(unsigned int kinds)
{
	int kind;

	for (kind = 0; !(kinds & ON(kind)); kind++)
		;
	return files[kind];
}

/* Only the calls whose @valid is 0 may return a descriptor. */
static void works(int fd, unsigned long cmd, const union argument *a, long valid)
{
	long got = call(fd, cmd, a);

	if (got > 0)
		got = close((int)got);
	EXPECT_EQ(got, valid);
}

static void test_kinds_of_files(void)
{
	static const char *const names[] = { "control", "ring", "producer", "consumer", "set" };
	union argument a;
	size_t i;
	int kind;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		for (kind = 0; kind < NR_KINDS; kind++) {
			context("%s on a %s file", calls[i].name, names[kind]);
			fill(&a, calls[i].cmd);
			if (calls[i].kinds & ON(kind))
				works(files[kind], calls[i].cmd, &a, calls[i].valid);
			else
				refused(files[RING], files[kind], calls[i].cmd, &a, -ENOTTY);
		}
	}
}

static bool known(unsigned long cmd)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i].cmd == cmd)
			return true;
	return false;
}

static bool known_number(unsigned int nr)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (_IOC_NR(calls[i].cmd) == nr)
			return true;
	return false;
}

static void test_unknown_numbers(void)
{
	static const unsigned long dirs[] = { _IOC_NONE, _IOC_READ, _IOC_WRITE,
					      _IOC_READ | _IOC_WRITE };
	union argument a;
	unsigned long cmd;
	unsigned int nr;
	size_t i, dir;
	int kind;

	memset(&a, 0, sizeof(a));
	for (kind = 0; kind < NR_KINDS; kind++) {
		for (nr = 0; nr < 256; nr++) {
			if (known_number(nr))
				continue;
			context("nr %u, file %d", nr, kind);
			cmd = _IOC(_IOC_READ | _IOC_WRITE, SHMRING_IOC_TYPE, nr, 64);
			EXPECT_EQ(call(files[kind], cmd, &a), -ENOTTY);
			cmd = _IOC(_IOC_NONE, SHMRING_IOC_TYPE, nr, 0);
			EXPECT_EQ(call(files[kind], cmd, &a), -ENOTTY);
		}
		for (i = 0; i < ARRAY_SIZE(calls); i++) {
			for (dir = 0; dir < ARRAY_SIZE(dirs); dir++) {
				context("%s, direction %zu, file %d", calls[i].name, dir, kind);
				cmd = _IOC(dirs[dir], SHMRING_IOC_TYPE, _IOC_NR(calls[i].cmd),
					   calls[i].size);
				if (!known(cmd))
					EXPECT_EQ(call(files[kind], cmd, &a), -ENOTTY);
			}
			context("%s of another driver, file %d", calls[i].name, kind);
			cmd = calls[i].cmd ^ (1ul << _IOC_TYPESHIFT);
			EXPECT_EQ(call(files[kind], cmd, &a), -ENOTTY);
		}
	}
}

/* The size of the first version of a structure that has @size bytes now. */
static size_t first_size(unsigned long cmd, size_t size)
{
	switch (cmd) {
	case SHMRING_IOC_CREATE:
		return offsetof(struct shmring_ioc_create, topology);
	case SHMRING_IOC_OPEN:
	case SHMRING_IOC_UNLINK:
		return offsetof(struct shmring_ioc_name, deadline);
	case SHMRING_IOC_QUERY:
		return offsetof(struct shmring_ioc_query, producer_pid);
	default:
		return size;
	}
}

static void test_shorter_structures(void)
{
	union argument a;
	size_t i, size, first;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		first = first_size(calls[i].cmd, calls[i].size);
		for (size = first; size < calls[i].size; size++) {
			context("%s with the %zu bytes of an older version", calls[i].name, size);
			fill(&a, calls[i].cmd);
			works(a_file_for(calls[i].kinds), resized(calls[i].cmd, size), &a,
			      calls[i].valid);
		}
		for (size = 0; size < first; size++) {
			context("%s with %zu bytes", calls[i].name, size);
			fill(&a, calls[i].cmd);
			refused(files[RING], a_file_for(calls[i].kinds),
				resized(calls[i].cmd, size), &a, -EINVAL);
		}
	}
}

static void test_longer_structures(void)
{
	static const size_t more[] = { 1, 4, 8, 64, 1024 };
	union argument a;
	size_t i, j, at;
	unsigned long cmd;
	int fd;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (!calls[i].size)
			continue;
		fd = a_file_for(calls[i].kinds);
		for (j = 0; j < ARRAY_SIZE(more); j++) {
			context("%s with %zu bytes more", calls[i].name, more[j]);
			cmd = resized(calls[i].cmd, calls[i].size + more[j]);
			fill(&a, calls[i].cmd);
			works(fd, cmd, &a, calls[i].valid);
			for (at = 0; at < more[j]; at += at < 8 ? 1 : more[j] - at) {
				fill(&a, calls[i].cmd);
				a.bytes[calls[i].size + at] = 1;
				refused(files[RING], fd, cmd, &a, -E2BIG);
			}
			fill(&a, calls[i].cmd);
			a.bytes[calls[i].size + more[j] - 1] = 0x80;
			refused(files[RING], fd, cmd, &a, -E2BIG);
		}
	}
}

/* An older program gets an answer of the size that it has asked for. */
static void test_shorter_answer(void)
{
	const size_t first = offsetof(struct shmring_ioc_query, producer_pid);
	struct shmring_ioc_query q;

	memset(&q, 0, sizeof(q));
	q.producer_pid = q.consumer_pid = 0xcccccccc;
	CHECK_EQ(call(files[RING], resized(SHMRING_IOC_QUERY, first), &q), 0);
	EXPECT_EQ(q.capacity, page_size());
	EXPECT_EQ(q.producer_pid, 0xcccccccc);
	EXPECT_EQ(q.consumer_pid, 0xcccccccc);
	memset(&q, 0, sizeof(q));
	CHECK_EQ(call(files[RING], SHMRING_IOC_QUERY, &q), 0);
	EXPECT_EQ(q.producer_pid, getpid());
	EXPECT_EQ(q.consumer_pid, getpid());
}

/* This has no structure: its number with any size is not the module's. */
static void test_with_a_structure(void)
{
	unsigned char bytes[64] = { 0 };

	EXPECT_EQ(call(files[PRODUCER_END], resized(SHMRING_IOC_WAKE, 8), bytes), -ENOTTY);
	EXPECT_EQ(call(files[CONSUMER_END], resized(SHMRING_IOC_WAKE, 8), bytes), -ENOTTY);
}

static void test_bad_pointers(void)
{
	/* Cut to 32 bits too: 0xffff0000 is a page that every ARM program can read. */
	const void *kernel = (const void *)(uintptr_t)0xfffffffffffff000u;
	union argument a;
	size_t i, cut;
	int fd;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		if (!calls[i].size)
			continue;
		fd = a_file_for(calls[i].kinds);
		context("%s with a bad pointer", calls[i].name);
		refused(files[RING], fd, calls[i].cmd, NULL, -EFAULT);
		refused(files[RING], fd, calls[i].cmd, bad_pointer(), -EFAULT);
		refused(files[RING], fd, calls[i].cmd, kernel, -EFAULT);
		for (cut = 1; cut < calls[i].size; cut += 7) {
			context("%s, %zu bytes of it there", calls[i].name, cut);
			fill(&a, calls[i].cmd);
			memcpy(before_hole(cut), &a, cut);
			refused(files[RING], fd, calls[i].cmd, before_hole(cut), -EFAULT);
		}
		context("%s, with a missing tail", calls[i].name);
		fill(&a, calls[i].cmd);
		memcpy(before_hole(calls[i].size), &a, calls[i].size);
		refused(files[RING], fd, resized(calls[i].cmd, calls[i].size + 8),
			before_hole(calls[i].size), -EFAULT);
	}
}

int main(void)
{
	const struct shmring_ioc_waitset_create one = { .max = 1 };

	files[CONTROL] = control();
	files[RING] = make_ring(page_size());
	files[PRODUCER_END] = attach(files[RING], PRODUCER);
	files[CONSUMER_END] = attach(files[RING], CONSUMER);
	files[SET] = (int)call(control(), SHMRING_IOC_WAITSET_CREATE, &one);
	CHECK(files[SET] >= 0);
	CHECK(files[PRODUCER_END] >= 0 && files[CONSUMER_END] >= 0);

	RUN(test_kinds_of_files);
	RUN(test_unknown_numbers);
	RUN(test_shorter_structures);
	RUN(test_longer_structures);
	RUN(test_shorter_answer);
	RUN(test_with_a_structure);
	RUN(test_bad_pointers);
	return finish();
}
