// SPDX-License-Identifier: MIT
/* Rings of exactly n messages, and messages of another alignment than 8. */
#include <poll.h>

#include "lib.h"

#define NR_STREAM	30000

static struct shmring *make_exact(size_t slot_size, size_t slots, size_t align,
				  enum shmring_role role)
{
	struct shmring_options opt = { .slot_size = slot_size, .slots = slots, .align = align,
				       .role = role, .policy = SHMRING_BLOCK,
				       .size = sizeof(opt) };
	struct shmring *r;

	CHECK_EQ(shmring_create(&r, NULL, &opt), 0);
	return r;
}

static bool is_ready(struct shmring *r)
{
	struct pollfd p = { .fd = shmring_poll_fd(r), .events = POLLIN | POLLOUT };

	CHECK(p.fd >= 0);
	return poll(&p, 1, 0) == 1;
}

static void send_byte(struct shmring *r, unsigned char n)
{
	unsigned char buf[64] = { n };

	CHECK_EQ(shmring_send(r, buf, r->slot_size, &nowait), r->slot_size);
}

static void expect_byte(struct shmring *r, unsigned char n)
{
	unsigned char buf[64];

	CHECK_EQ(shmring_recv(r, buf, sizeof(buf), &nowait), r->slot_size);
	EXPECT_EQ(buf[0], n);
}

static const struct {
	size_t slot_size, align, stride;
} shapes[] = { { 4, 4, 4 }, { 20, 4, 20 }, { 20, 0, 24 }, { 64, 64, 64 }, { 3, 1, 3 } };

static size_t capacity_for(size_t bytes)
{
	size_t capacity = page_size();

	while (capacity < bytes)
		capacity *= 2;
	return capacity;
}

/* Full with n and not before, for send, poll, drain and the counts. */
static void check_exactly(struct shmring *p, struct shmring *c, size_t n, size_t stride)
{
	size_t i;

	for (i = 0; i < n; i++) {
		EXPECT_EQ(shmring_used_slots(p), i);
		send_byte(p, (unsigned char)i);
	}
	EXPECT_EQ(shmring_space_left(p), 0);
	EXPECT_EQ(info_of(c).used, n * stride);
	EXPECT(!shmring_reserve(p, p->slot_size));
	EXPECT_EQ(shmring_wait_space(p, p->slot_size, &nowait), -EAGAIN);
	EXPECT(!is_ready(p));
	expect_byte(c, 0);
	EXPECT(is_ready(p));
	EXPECT_EQ(shmring_wait_space(p, p->slot_size, &nowait), 0);
	send_byte(p, (unsigned char)n);
	EXPECT_EQ(shmring_wait_space(p, p->slot_size, &nowait), -EAGAIN);
	EXPECT_EQ(shmring_drain(p, &nowait), -EAGAIN);
	EXPECT(!is_ready(p));
	for (i = 1; i < n; i++)
		expect_byte(c, (unsigned char)i);
	EXPECT_EQ(shmring_drain(p, &nowait), -EAGAIN);
	expect_byte(c, (unsigned char)n);
	EXPECT(is_ready(p));
	EXPECT_EQ(shmring_drain(p, &nowait), 0);
	EXPECT_EQ(shmring_used_slots(c), 0);
}

static void test_exactly(void)
{
	const size_t numbers[] = { 1, 3, 5, 1000 };
	struct shmring *p, *c;
	struct shmring_info info;
	size_t i, j, n;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		for (j = 0; j < ARRAY_SIZE(numbers); j++) {
			n = numbers[j];
			context("%zu slots of %zu, aligned to %zu", n, shapes[i].slot_size,
				shapes[i].align);
			p = make_exact(shapes[i].slot_size, n, shapes[i].align, SHMRING_PRODUCER);
			c = attach(p, SHMRING_CONSUMER);
			info = info_of(c);
			EXPECT_EQ(info.slots, n);
			EXPECT_EQ(info.align, shapes[i].align ? shapes[i].align : 8);
			EXPECT_EQ(info.capacity, capacity_for(n * shapes[i].stride));
			check_exactly(p, c, n, shapes[i].stride);
			shmring_close(p);
			shmring_close(c);
		}
	}
}

/* What a producer that sleeps has stored. */
static uint64_t wake_at(const struct shmring *r)
{
	return __atomic_load_n(&r->lane->producer.wake_at, __ATOMIC_ACQUIRE);
}

static int send_four(struct shmring *r)
{
	unsigned char buf[20] = { 0 };

	for (buf[0] = 0; buf[0] < 4; buf[0]++)
		EXPECT_EQ(shmring_send(r, buf, 20, NULL), 20);
	return TEST_PASS;
}

/* With three in the ring the producer sleeps until one is taken, and not for longer. */
static void test_sleep_for_a_slot(void)
{
	struct shmring *c = make_exact(20, 3, 4, SHMRING_CONSUMER);
	pid_t pid = start_as(c, SHMRING_PRODUCER, send_four);

	AWAIT(wake_at(c) == 20);
	EXPECT_EQ(shmring_used_slots(c), 3);
	await_asleep(pid);
	expect_byte(c, 0);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	EXPECT_EQ(shmring_used_slots(c), 3);
	shmring_close(c);
}

static int send_three_and_drain(struct shmring *r)
{
	struct shmring_wait w = { .deadline = shmring_deadline(PATIENCE_NS) };
	unsigned char buf[20] = { 0 };

	for (buf[0] = 0; buf[0] < 3; buf[0]++)
		EXPECT_EQ(shmring_send(r, buf, 20, NULL), 20);
	EXPECT_EQ(shmring_drain(r, &w), 0);
	return TEST_PASS;
}

/* ... and is woken by the last of three, not by the first. */
static void test_drain(void)
{
	struct shmring *c = make_exact(20, 3, 4, SHMRING_CONSUMER);
	pid_t pid = start_as(c, SHMRING_PRODUCER, send_three_and_drain);
	uint64_t wakes;

	AWAIT(wake_at(c) == 60);
	await_asleep(pid);
	wakes = info_of(c).wakes;
	expect_byte(c, 0);
	expect_byte(c, 1);
	EXPECT_EQ(info_of(c).wakes, wakes);
	expect_byte(c, 2);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(c);
}

static int send_stream(struct shmring *r)
{
	uint32_t n, buf[5] = { 0 };

	for (n = 0; n < NR_STREAM; n++) {
		buf[0] = n;
		buf[4] = ~n;
		CHECK_EQ(shmring_send(r, buf, sizeof(buf), NULL), sizeof(buf));
	}
	return TEST_PASS;
}

static void test_stream_through(size_t slots, enum shmring_policy policy)
{
	struct shmring *c = make_exact(20, slots, 4, SHMRING_CONSUMER);
	pid_t pid = start_as(c, SHMRING_PRODUCER, send_stream);
	uint32_t n, buf[5];

	context("%zu slots, policy %d", slots, policy);
	CHECK_EQ(shmring_set_policy(c, policy), 0);
	for (n = 0; n < NR_STREAM; n++) {
		CHECK_EQ(shmring_recv(c, buf, sizeof(buf), NULL), sizeof(buf));
		CHECK_EQ(buf[0], n);
		CHECK_EQ(buf[4], ~n);
	}
	EXPECT_EQ(end_of(pid), TEST_PASS);
	EXPECT_EQ(shmring_wait_data(c, NULL), -ENODATA);
	EXPECT_EQ(info_of(c).head, 20 * NR_STREAM);
	shmring_close(c);
}

static void test_streams(void)
{
	test_stream_through(3, SHMRING_BLOCK);
	test_stream_through(3, SHMRING_ADAPTIVE);
	test_stream_through(1, SHMRING_BLOCK);
}

static size_t length_of(uint32_t n)
{
	return n * 7919 % 500;
}

static int send_records(struct shmring *r)
{
	unsigned char *to;
	uint32_t n;

	for (n = 0; n < NR_STREAM; n++) {
		while (!(to = shmring_reserve(r, length_of(n))))
			CHECK_EQ(shmring_wait_space(r, length_of(n), NULL), 0);
		CHECK_EQ((uintptr_t)to % 64, 0);
		memset(to, (int)n, length_of(n));
		CHECK_EQ(shmring_commit(r, length_of(n)), 0);
	}
	return TEST_PASS;
}

static void expect_record(struct shmring *c, uint32_t n)
{
	const unsigned char *from;
	size_t len, i;

	while (!(from = shmring_peek(c, &len)))
		CHECK_EQ(shmring_wait_data(c, NULL), 0);
	CHECK_EQ(len, length_of(n));
	CHECK_EQ((uintptr_t)from % 64, 0);
	for (i = 0; i < len; i++)
		CHECK_EQ(from[i], (unsigned char)n);
	CHECK_EQ(shmring_release(c), 0);
}

static void test_aligned_records(void)
{
	struct shmring *c = make_exact(0, 0, 64, SHMRING_CONSUMER);
	pid_t pid = start_as(c, SHMRING_PRODUCER, send_records);
	uint32_t n;

	EXPECT_EQ(info_of(c).align, 64);
	EXPECT_EQ(info_of(c).slots, 0);
	for (n = 0; n < NR_STREAM; n++)
		expect_record(c, n);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(c);
}

/* Marks above what the messages may take, up to the capacity, stand for all of that. */
static void test_marks(void)
{
	struct shmring *p = make_exact(20, 3, 4, SHMRING_PRODUCER);
	struct shmring_options opt = { .lowat = page_size(), .space_mark = 0,
				       .role = SHMRING_CONSUMER, .size = sizeof(opt) };
	struct shmring_wait all = { .min_bytes = page_size(), .flags = SHMRING_NOWAIT };
	struct shmring *c;

	CHECK_EQ(shmring_attach_fd_opt(&c, shmring_fd(p), &opt), 0);
	CHECK_EQ(shmring_set_space_mark(p, page_size()), 0);
	EXPECT_EQ(shmring_wait_data(c, &all), -EAGAIN);
	send_byte(p, 0);
	send_byte(p, 1);
	EXPECT_EQ(shmring_wait_data(c, &all), -EAGAIN);
	EXPECT(!is_ready(c));
	send_byte(p, 2);
	EXPECT(is_ready(c));
	expect_byte(c, 0);
	shmring_close(c);
	opt.lowat++;
	EXPECT_EQ(shmring_attach_fd_opt(&c, shmring_fd(p), &opt), -EINVAL);
	shmring_close(p);
}

/* The next producer begins at a slot of the window, whatever the last producer has stored. */
static void test_settled(void)
{
	const uint64_t false_heads[] = { 24, 8, 80, 60 + 4096, 1ull << 63 };
	struct shmring *p, *c = make_exact(20, 3, 4, SHMRING_CONSUMER);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(false_heads); i++) {
		context("head %#llx", (unsigned long long)false_heads[i]);
		p = attach(c, SHMRING_PRODUCER);
		__atomic_store_n(&p->producer->head, false_heads[i], __ATOMIC_RELEASE);
		shmring_close(p);
		EXPECT_EQ(c->lane->producer.end, 0);
		EXPECT_EQ(info_of(c).head, 0);
	}
	p = attach(c, SHMRING_PRODUCER);
	__atomic_store_n(&p->producer->head, 60, __ATOMIC_RELEASE);
	shmring_close(p);
	EXPECT_EQ(c->lane->producer.end, 60);
	shmring_close(c);
}

static void test_refused(void)
{
	const size_t page = page_size();
	const struct {
		size_t capacity, slot_size, slots, align;
		int want;
	} table[] = {
		{ 0, 0, 1, 0, -EINVAL }, { 0, 0, 0, 4, -EINVAL }, { 0, 0, 0, 24, -EINVAL },
		{ 0, 0, 0, 8192, -EINVAL }, { 0, 4, 0, 3, -EINVAL }, { 0, 4, 0, 8192, -EINVAL },
		{ 0, 4, 0, SIZE_MAX, -EINVAL }, { page, 4, page / 8 + 1, 0, -EINVAL },
		{ page, 4, page / 4 + 1, 4, -EINVAL }, { page, 8, SIZE_MAX, 0, -EINVAL },
		{ 0, 8, SIZE_MAX, 0, -EFBIG }, { 0, 8, SIZE_MAX / 8 + 1, 0, -EFBIG },
		{ 0, 8, SHMRING_CAPACITY_MAX / 8 + 1, 0, -EFBIG },
		{ page, 4, page / 4, 4, 0 }, { page, 4, page / 8, 0, 0 }, { 0, 0, 0, 4096, 0 },
		{ page + 1, 4, page / 2, 4, 0 },
	};
	struct shmring *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		struct shmring_options opt = {
			.size = sizeof(opt), .capacity = table[i].capacity,
			.slot_size = table[i].slot_size, .slots = table[i].slots,
			.align = table[i].align,
		};

		context("row %zu", i);
		r = NULL;
		EXPECT_EQ(shmring_create(&r, NULL, &opt), table[i].want);
		shmring_close(r);
	}
}

int main(void)
{
	need_backend();
	need_inotify();
	RUN(test_exactly);
	RUN(test_sleep_for_a_slot);
	RUN(test_drain);
	RUN(test_streams);
	RUN(test_aligned_records);
	RUN(test_marks);
	RUN(test_settled);
	RUN(test_refused);
	return finish();
}
