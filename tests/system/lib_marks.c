// SPDX-License-Identifier: MIT
/*
 * Slots with marks between processes: streams in every way, and producers that are killed
 * anywhere, between the head and the mark, too.
 */
#include <poll.h>

#include "lib.h"

#define SIZE	56	/* with its mark, a slot takes 64 bytes */
#define STRIDE	64
#define NR_MOST	400000	/* messages of all streams */

static uint64_t nr_messages;	/* of one stream */

static struct shmring *make_marked(const char *name, size_t slots, enum shmring_role role,
				   unsigned int flags)
{
	struct shmring_options opt = { .slot_size = SIZE, .slots = slots, .role = role,
				       .policy = SHMRING_BLOCK, .size = sizeof(opt),
				       .capacity = slots ? 0 : page_size(),
				       .flags = SHMRING_MARKS | flags };
	struct shmring *r;

	CHECK_EQ(shmring_create(&r, name, &opt), 0);
	return r;
}

static __shmring_word *mark_at(const struct shmring *r, uint64_t position)
{
	return (__shmring_word *)(void *)(r->payload + (position & r->mask)) - 1;
}

/* A message is its number, in each of its words. */
static void fill(void *to, uint64_t n)
{
	uint64_t *word = to;
	size_t i;

	for (i = 0; i < SIZE / sizeof(*word); i++)
		word[i] = n;
}

static void check(const void *from, uint64_t n)
{
	const uint64_t *word = from;
	size_t i;

	for (i = 0; i < SIZE / sizeof(*word); i++)
		if (word[i] != n)
			CHECK_EQ(word[i], n);
}

static void send_nr(struct shmring *r, uint64_t n)
{
	uint64_t buf[SIZE / sizeof(uint64_t)];

	fill(buf, n);
	CHECK_EQ(shmring_send(r, buf, sizeof(buf), NULL), SIZE);
}

static void expect_nr(struct shmring *r, uint64_t n)
{
	uint64_t buf[SIZE / sizeof(uint64_t)];

	CHECK_EQ(shmring_recv(r, buf, sizeof(buf), NULL), SIZE);
	check(buf, n);
}

/* ------------------------------------------------------------------ creation */

static void test_sizes(void)
{
	const struct {
		size_t slot_size, slots, align;
		int ret;
		size_t capacity, nr;
	} table[] = {
		{ 0, 0, 0, -EINVAL, 0, 0 },
		{ 0, 4, 0, -EINVAL, 0, 0 },
		{ 8, 0, 4, -EINVAL, 0, 0 },
		{ 8, 0, 24, -EINVAL, 0, 0 },
		{ 1 << 30, 0, 0, -EINVAL, 0, 0 },
		{ (1 << 16) - 7, 0, 0, -EINVAL, 0, 0 },
		{ (1 << 16) - 8, 0, 0, 0, 1 << 16, 1 },
		{ 8, 0, 0, 0, 1 << 16, 4096 },
		{ 50, 0, 0, 0, 1 << 16, 1024 },
		{ 56, 0, 0, 0, 1 << 16, 1024 },
		{ 57, 0, 0, 0, 1 << 16, 512 },
		{ 64, 0, 64, 0, 1 << 16, 512 },
		{ 56, 1000, 0, 0, 1 << 16, 1000 },
		{ 57, 1000, 0, 0, 1 << 17, 1000 },
	};
	struct shmring_options opt = SHMRING_OPTIONS_INIT;
	struct shmring_info info;
	struct shmring *r, *p;
	size_t i;

	opt.flags = SHMRING_MARKS;
	opt.role = SHMRING_CONSUMER;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		context("%zu slots of %zu, aligned to %zu", table[i].slots, table[i].slot_size,
			table[i].align);
		opt.slot_size = table[i].slot_size;
		opt.slots = table[i].slots;
		opt.align = table[i].align;
		EXPECT_EQ(shmring_create(&r, NULL, &opt), table[i].ret);
		if (table[i].ret)
			continue;
		info = info_of(r);
		EXPECT_EQ(info.flags, SHMRING_MARKS);
		EXPECT_EQ(info.slot_size, table[i].slot_size);
		EXPECT_EQ(info.capacity, table[i].capacity);
		EXPECT_EQ(info.slots, table[i].nr);
		EXPECT_EQ(shmring_max_len(r), table[i].slot_size);
		p = attach(r, SHMRING_PRODUCER);
		EXPECT_EQ(shmring_wait_space(p, table[i].slot_size - 1, &nowait), -EMSGSIZE);
		EXPECT_EQ(shmring_wait_space(p, table[i].slot_size, &nowait), 0);
		EXPECT_EQ(p->features, SHMRING_FEATURE_MARKS);
		shmring_close(p);
		shmring_close(r);
	}
}

/* Full with n and not before; poll and drain say so, too. */
static void test_exactly(void)
{
	struct shmring *p = make_marked(NULL, 5, SHMRING_PRODUCER, 0);
	struct shmring *c = attach(p, SHMRING_CONSUMER);
	struct pollfd out = { .fd = shmring_poll_fd(p), .events = POLLIN | POLLOUT };
	struct pollfd in = { .fd = shmring_poll_fd(c), .events = POLLIN };
	uint64_t n;

	EXPECT_EQ(shmring_wait_data(c, &nowait), -EAGAIN);
	EXPECT_EQ(poll(&in, 1, 0), 0);
	for (n = 0; n < 5; n++)
		send_nr(p, n);
	EXPECT(!shmring_reserve(p, SIZE));
	EXPECT_EQ(shmring_wait_space(p, SIZE, &nowait), -EAGAIN);
	EXPECT_EQ(shmring_drain(p, &nowait), -EAGAIN);
	EXPECT_EQ(shmring_wait_space(p, SIZE, &nowait), -EAGAIN);
	EXPECT_EQ(poll(&out, 1, 0), 0);
	EXPECT_EQ(poll(&in, 1, 10000), 1);
	EXPECT_EQ(shmring_used_slots(c), 5);
	for (n = 0; n < 5; n++)
		expect_nr(c, n);
	EXPECT_EQ(poll(&out, 1, 10000), 1);
	EXPECT_EQ(shmring_drain(p, &nowait), 0);
	shmring_close(p);
	shmring_close(c);
}

/* ------------------------------------------------------------------- streams */

enum way { COPY, IN_PLACE, BATCH, ARRAY, RUN_OF_SLOTS, NR_WAYS };

static const char *const way_names[] = { "copied", "in place", "in batches", "arrays", "runs" };

static enum way way;
static enum shmring_policy policy;

static void wait_space(struct shmring *r)
{
	CHECK_EQ(shmring_wait_space(r, SIZE, NULL), 0);
}

/* Some messages, from number @n on. Returns how many. */
static uint64_t send_some(struct shmring *r, uint64_t n)
{
	size_t most = nr_messages - n < 16 ? nr_messages - n : 16, i;
	struct shmring_run run;
	unsigned char *to;

	switch (way) {
	case COPY:
		send_nr(r, n);
		return 1;
	case IN_PLACE:
	case BATCH:
		while (!(to = shmring_reserve(r, SIZE)))
			wait_space(r);
		fill(to, n);
		if (way == IN_PLACE) {
			CHECK_EQ(shmring_commit(r, SIZE), 0);
			return 1;
		}
		CHECK_EQ(shmring_stage(r, SIZE), 0);
		if (n % 16 == 15)
			shmring_publish(r);
		return 1;
	case ARRAY:
		while (!(to = shmring_reserve_slots(r, &most))) {
			wait_space(r);
			most = 1;
		}
		for (i = 0; i < most; i++)
			fill(to + i * shmring_slot_stride(r), n + i);
		CHECK_EQ(shmring_commit_slots(r, most), 0);
		return most;
	default:
		while (!shmring_run_open(r, &run, most * STRIDE))
			wait_space(r);
		for (i = 0; i < most && (to = shmring_run_put(&run, SIZE)); i++)
			fill(to, n + i);
		CHECK_EQ(shmring_run_publish(&run), 0);
		return i;
	}
}

static uint64_t receive_some(struct shmring *r, uint64_t n)
{
	struct shmring_run run;
	const unsigned char *from;
	size_t len, most = 16, i;

	switch (way) {
	case COPY:
		expect_nr(r, n);
		return 1;
	case IN_PLACE:
	case BATCH:
		while (!(from = shmring_peek(r, &len)))
			CHECK_EQ(shmring_wait_data(r, NULL), 0);
		CHECK_EQ(len, SIZE);
		check(from, n);
		if (way == BATCH)
			CHECK_EQ(shmring_advance(r), 0);
		if (way == IN_PLACE || n % 8 == 7)
			CHECK_EQ(shmring_release(r), 0);
		return 1;
	case ARRAY:
		while (!(from = shmring_peek_slots(r, &most))) {
			CHECK_EQ(shmring_wait_data(r, NULL), 0);
			most = 16;
		}
		for (i = 0; i < most; i++)
			check(from + i * shmring_slot_stride(r), n + i);
		CHECK_EQ(shmring_release(r), 0);
		return most;
	default:
		while (!shmring_run_take(r, &run))
			CHECK_EQ(shmring_wait_data(r, NULL), 0);
		for (i = 0; (from = shmring_run_next(&run, &len)); i++)
			check(from, n + i);
		CHECK_EQ(shmring_run_release(&run), 0);
		return i;
	}
}

static int send_all(struct shmring *r)
{
	uint64_t n;

	CHECK_EQ(shmring_set_policy(r, policy), 0);
	for (n = 0; n < nr_messages; n += send_some(r, n))
		;
	shmring_publish(r);
	return TEST_PASS;
}

static void test_streams(void)
{
	static const struct {
		enum shmring_policy policy;
		size_t slots;
	} table[] = {
		{ SHMRING_BLOCK, 0 }, { SHMRING_BLOCK, 3 }, { SHMRING_ADAPTIVE, 0 },
		{ SHMRING_EAGER, 0 }, { SHMRING_SPIN, 0 }, { SHMRING_SPIN, 1 },
	};
	struct shmring *c;
	uint64_t n;
	size_t i;
	pid_t pid;

	nr_messages = setting("SHMRING_MESSAGES", NR_MOST) / (NR_WAYS * ARRAY_SIZE(table));
	if (nr_messages > NR_MOST / (NR_WAYS * ARRAY_SIZE(table)))
		nr_messages = NR_MOST / (NR_WAYS * ARRAY_SIZE(table));
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		policy = table[i].policy;
		for (way = COPY; way < NR_WAYS; way++) {
			/* Of a ring of few slots, a batch would hold all. */
			if (table[i].slots && way == BATCH)
				continue;
			context("%s, policy %d, %zu slots", way_names[way], policy, table[i].slots);
			c = make_marked(NULL, table[i].slots, SHMRING_CONSUMER, 0);
			CHECK_EQ(shmring_set_policy(c, policy), 0);
			pid = start_as(c, SHMRING_PRODUCER, send_all);
			for (n = 0; n < nr_messages; n += receive_some(c, n))
				;
			EXPECT_EQ(end_of(pid), TEST_PASS);
			shmring_release(c);
			EXPECT_EQ(shmring_wait_data(c, NULL), -ENODATA);
			EXPECT_EQ(info_of(c).used, 0);
			EXPECT_EQ(info_of(c).refused, 0);
			shmring_close(c);
		}
	}
}

/* ------------------------------------------------------------------- deaths */

/* A slot is filled, the head stored, and then the producer is killed. */
static int die_before_the_mark(struct shmring *r)
{
	uint64_t head = r->p.head;
	void *to;

	send_nr(r, head / STRIDE);
	to = shmring_reserve(r, SIZE);
	CHECK(to);
	fill(to, head / STRIDE + 1);
	__atomic_store_n(&r->producer->head, head + 2 * STRIDE, __ATOMIC_RELEASE);
	raise(SIGKILL);
	return TEST_FAIL;
}

/* A consumer that only peeks finds the message; and so does one that waits. */
static void test_killed_before_the_mark(void)
{
	struct shmring *c = make_marked(NULL, 0, SHMRING_CONSUMER, 0), *p;
	uint64_t n = 0;
	size_t len;
	int i, looks;

	for (i = 0; i < 100; i++) {
		EXPECT_EQ(end_of(start_as(c, SHMRING_PRODUCER, die_before_the_mark)),
			  128 + SIGKILL);
		EXPECT(*mark_at(c, (n + 1) * STRIDE) != (n + 1) * STRIDE + 1);
		expect_nr(c, n++);
		for (looks = 0; i % 2 && looks < 1000 && !shmring_peek(c, &len); looks++)
			;
		EXPECT(looks < 100);
		expect_nr(c, n++);
		/* Wait: without the module, a death is noticed a little later. */
		EXPECT_EQ(shmring_wait_data(c, NULL), -ENODATA);
		p = attach(c, SHMRING_PRODUCER);
		send_nr(p, n);
		expect_nr(c, n++);
		shmring_close(p);
	}
	EXPECT_EQ(info_of(c).refused, 0);
	shmring_close(c);
}

/* Goes on where the last one was killed, until it is killed itself. */
static int send_for_ever(struct shmring *r)
{
	nr_messages = UINT64_MAX;
	for (;;)
		send_some(r, r->p.head / STRIDE);
	return TEST_FAIL;
}

/* Producers are killed anywhere: each message arrives once, in order. */
static void test_killed_anywhere(void)
{
	struct shmring *c;
	uint64_t n, state = 1, until;
	pid_t pid;
	int i;

	for (way = COPY; way < NR_WAYS; way++) {
		context("%s", way_names[way]);
		c = make_marked(NULL, 0, SHMRING_CONSUMER, SHMRING_QUEUE);
		n = 0;
		for (i = 0; i < 20; i++) {
			pid = start_as(c, SHMRING_PRODUCER, send_for_ever);
			/* Or the death of the last one is the end of the stream. */
			CHECK_EQ(shmring_wait_peer(c, NULL), 0);
			for (until = n + random_u64(&state) % 500; n < until; n++)
				expect_nr(c, n);
			kill_child(pid);
			while (!shmring_wait_data(c, NULL))
				expect_nr(c, n++);
			EXPECT_EQ(info_of(c).head, n * STRIDE);
		}
		EXPECT_EQ(info_of(c).refused, 0);
		shmring_close(c);
	}
}

static int take_three(struct shmring *r)
{
	uint64_t n = r->c.tail / STRIDE;
	size_t len;

	expect_nr(r, n++);
	expect_nr(r, n++);
	CHECK(shmring_peek(r, &len));
	CHECK_EQ(shmring_advance(r), 0);
	raise(SIGKILL);
	return TEST_FAIL;
}

static void test_killed_consumer(void)
{
	struct shmring *r = make_marked(NULL, 0, SHMRING_HANDLE, SHMRING_QUEUE);
	struct shmring *p = attach(r, SHMRING_PRODUCER), *c;
	uint64_t n;

	for (n = 0; n < 90; n += 3) {
		send_nr(p, n);
		send_nr(p, n + 1);
		send_nr(p, n + 2);
		EXPECT_EQ(end_of(start_as(r, SHMRING_CONSUMER, take_three)), 128 + SIGKILL);
		c = attach(r, SHMRING_CONSUMER);
		expect_nr(c, n + 2);
		EXPECT_EQ(shmring_wait_data(c, &nowait), -EAGAIN);
		shmring_close(c);
	}
	shmring_close(p);
	shmring_close(r);
}

/* Marks beyond the head: one that the consumer takes, and some that it has not come to. */
static int mark_falsely(struct shmring *r)
{
	uint64_t head = r->p.head, i;

	send_nr(r, 1);
	for (i = 1; i < 7; i++) {
		fill((unsigned char *)(mark_at(r, head + i * STRIDE) + 1), 9);
		if (i != 3)
			__atomic_store_n(mark_at(r, head + i * STRIDE), head + i * STRIDE + 1,
					 __ATOMIC_RELEASE);
	}
	raise(SIGKILL);
	return TEST_FAIL;
}

/* The successor of a hostile producer gets along with a consumer that has believed it. */
static void test_false_marks(void)
{
	struct shmring *c = make_marked(NULL, 0, SHMRING_CONSUMER, 0), *p;
	uint64_t n;
	size_t len;
	int i;

	for (i = 0; i < 50; i++) {
		EXPECT_EQ(end_of(start_as(c, SHMRING_PRODUCER, mark_falsely)), 128 + SIGKILL);
		expect_nr(c, 1);
		CHECK(shmring_peek(c, &len));	/* a false one */
		if (i % 2)
			CHECK_EQ(shmring_release(c), 0);
		p = attach(c, SHMRING_PRODUCER);
		for (n = 100; n < 110; n++)
			send_nr(p, n);
		if (!(i % 2))
			expect_nr(c, 9);
		expect_nr(c, 9);
		for (n = 100; n < 110; n++)
			expect_nr(c, n);
		EXPECT_EQ(shmring_wait_data(c, &nowait), -EAGAIN);
		shmring_close(p);
	}
	EXPECT_EQ(info_of(c).refused, 0);
	shmring_close(c);
}

/* A ring that nobody has keeps its marks, and each attacher learns of them. */
static void test_persistent(void)
{
	const char *name = unique("marks");
	struct shmring *p = make_marked(name, 0, SHMRING_PRODUCER,
					SHMRING_PERSIST | SHMRING_QUEUE), *c;
	struct shmring_options opt = SHMRING_OPTIONS_INIT;
	uint64_t n, i;

	opt.flags = SHMRING_OPEN_OR_CREATE;
	opt.role = SHMRING_CONSUMER;
	for (n = 0; n < 200; n += 20) {
		for (i = 0; i < 20; i++)
			send_nr(p, n + i);
		shmring_close(p);
		CHECK_EQ(shmring_create(&c, name, &opt), 0);
		EXPECT_EQ(info_of(c).flags, SHMRING_MARKS | SHMRING_PERSIST | SHMRING_QUEUE);
		EXPECT_EQ(c->features, SHMRING_FEATURE_MARKS);
		for (i = 0; i < 20; i++)
			expect_nr(c, n + i);
		EXPECT_EQ(shmring_wait_data(c, NULL), -ENODATA);
		shmring_close(c);
		CHECK_EQ(shmring_attach(&p, name, SHMRING_PRODUCER), 0);
	}
	shmring_close(p);
	CHECK_EQ(shmring_unlink(name), 0);
}

int main(void)
{
	need_backend();
	RUN(test_sizes);
	RUN(test_exactly);
	test_streams();
	RUN(test_killed_before_the_mark);
	test_killed_anywhere();
	RUN(test_killed_consumer);
	RUN(test_false_marks);
	RUN(test_persistent);
	return finish();
}
