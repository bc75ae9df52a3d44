// SPDX-License-Identifier: MIT
/* A peer that writes what no peer may write: the library returns EBADMSG, and reads no further. */
#include "lib.h"

static const uint64_t fake[] = { 1ull << 63, ~0ull, ~0ull - 15, 1ull << 32, 65536 + 4096 };

static void expect_unusable_for_consumer(struct shmring *c)
{
	size_t len;

	EXPECT_EQ(receive_now(c), -EBADMSG);
	EXPECT_EQ(shmring_wait_data(c, NULL), -EBADMSG);
	EXPECT(!shmring_peek(c, &len));
	EXPECT_EQ(receive_now(c), -EBADMSG);
}

static void test_head(void)
{
	struct pair pair;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		context("head %#llx", (unsigned long long)fake[i]);
		pair = make_pair(65536, 0);
		__atomic_store_n(&pair.p->producer->head, fake[i], __ATOMIC_RELEASE);
		expect_unusable_for_consumer(pair.c);
		close_pair(&pair);
	}
}

/* A head that goes back is false too: the messages before it have been seen. */
static void test_head_going_back(void)
{
	struct pair pair = make_pair(65536, 0);

	send_number(pair.p, 1);
	send_number(pair.p, 2);
	EXPECT_EQ(receive_number(pair.c), 1);
	EXPECT_EQ(receive_number(pair.c), 2);
	__atomic_store_n(&pair.p->producer->head, 16, __ATOMIC_RELEASE);
	expect_unusable_for_consumer(pair.c);
	close_pair(&pair);
}

static void test_tail(void)
{
	struct pair pair;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		context("tail %#llx", (unsigned long long)fake[i]);
		pair = make_pair(65536, 0);
		while (send_now(pair.p) > 0)
			;
		__atomic_store_n(&pair.c->consumer->tail, fake[i], __ATOMIC_RELEASE);
		EXPECT_EQ(send_now(pair.p), -EBADMSG);
		EXPECT_EQ(shmring_wait_space(pair.p, 8, NULL), -EBADMSG);
		EXPECT(!shmring_reserve(pair.p, 8));
		close_pair(&pair);
	}
}

/* Lengths that reach beyond what was committed, and undefined flags. */
static void test_record_headers(void)
{
	static const struct shmring_record bad[] = {
		{ 9, 0 }, { 16, 0 }, { 4096, 0 }, { 65536, 0 }, { 1u << 31, 0 }, { ~0u, 0 },
		{ ~0u - 7, 0 }, { ~0u - 8, 0 }, { 8, 1 }, { 8, 1u << 31 }, { 8, ~0u },
	};
	struct pair pair;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("record of %u bytes, flags %#x", bad[i].len, bad[i].flags);
		pair = make_pair(65536, 0);
		send_number(pair.p, 1);
		memcpy(pair.p->data, &bad[i], sizeof(bad[i]));
		expect_unusable_for_consumer(pair.c);
		close_pair(&pair);
	}
}

/* A refusal counts once for each endpoint, and every holder of the ring can see the count. */
static uint64_t nr_refused(const struct shmring *r)
{
	struct shmring_info info = SHMRING_INFO_INIT;

	CHECK_EQ(shmring_get_info(r, &info), 0);
	return info.refused;
}

static void test_count(void)
{
	struct pair pair = make_pair(65536, 0);
	struct shmring *handle = attach(pair.p, SHMRING_HANDLE);

	EXPECT_EQ(nr_refused(handle), 0);
	pair.p->producer->head = 1ull << 40;
	expect_unusable_for_consumer(pair.c);
	EXPECT_EQ(nr_refused(handle), 1);
	EXPECT_EQ(nr_refused(pair.p), 1);
	shmring_close(pair.c);
	pair.c = attach(handle, SHMRING_CONSUMER);
	pair.p->producer->head = 1ull << 50;
	expect_unusable_for_consumer(pair.c);
	EXPECT_EQ(nr_refused(handle), 2);
	pair.c->consumer->tail = 1ull << 60;
	EXPECT_EQ(shmring_wait_space(pair.p, 65528, &nowait), -EBADMSG);
	EXPECT_EQ(nr_refused(handle), 3);
	shmring_close(handle);
	close_pair(&pair);
}

/* A sleeper that is woken by a false position returns the error. */
static int sleep_until_a_false_position(struct shmring *r)
{
	EXPECT_EQ(shmring_wait_data(r, NULL), -EBADMSG);
	return TEST_PASS;
}

static void test_asleep(void)
{
	struct shmring *p = make(65536, 0, SHMRING_PRODUCER);
	pid_t pid = start_as(p, SHMRING_CONSUMER, sleep_until_a_false_position);

	await_asleep(pid);
	__atomic_store_n(&p->producer->head, 1ull << 40, __ATOMIC_SEQ_CST);
	__shmring_wake(p);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	shmring_close(p);
}

/*
 * Both sides store false positions and end, on a ring of records or of slots: the next two
 * owners can go on.
 */
static void test_successors(size_t slot_size)
{
	static const uint64_t left[] = { 1, 3, 64 + 4, ~0ull - 15, ~0ull - 7, ~0ull };
	struct shmring *handle, *p, *c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(left); i++) {
		context("slots of %zu, both leave %#llx", slot_size, (unsigned long long)left[i]);
		handle = make(65536, slot_size, SHMRING_HANDLE);
		p = attach(handle, SHMRING_PRODUCER);
		c = attach(handle, SHMRING_CONSUMER);
		__atomic_store_n(&p->producer->head, left[i], __ATOMIC_RELEASE);
		__atomic_store_n(&c->consumer->tail, left[i], __ATOMIC_RELEASE);
		shmring_close(i % 2 ? p : c);
		shmring_close(i % 2 ? c : p);
		p = attach(handle, SHMRING_PRODUCER);
		c = attach(handle, SHMRING_CONSUMER);
		send_number(p, i);
		EXPECT_EQ(receive_number(c), i);
		shmring_close(p);
		shmring_close(c);
		shmring_close(handle);
	}
}

/* One side stores a false position and ends: its successor and the honest peer can go on. */
static void test_successor(enum shmring_role role)
{
	struct shmring *handle = make(65536, 0, SHMRING_HANDLE);
	struct shmring *p = attach(handle, SHMRING_PRODUCER);
	struct shmring *c = attach(handle, SHMRING_CONSUMER);

	context("role %d leaves what cannot be", role);
	if (role == SHMRING_PRODUCER) {
		__atomic_store_n(&p->producer->head, 1ull << 40, __ATOMIC_RELEASE);
		shmring_close(p);
		p = attach(handle, SHMRING_PRODUCER);
	} else {
		__atomic_store_n(&c->consumer->tail, 1ull << 40, __ATOMIC_RELEASE);
		shmring_close(c);
		c = attach(handle, SHMRING_CONSUMER);
	}
	send_number(p, 7);
	EXPECT_EQ(receive_number(c), 7);
	shmring_close(p);
	shmring_close(c);
	shmring_close(handle);
}

/* Only the producer may write data: a consumer that does has a bug, and gets a SIGSEGV. */
static void test_data_is_the_producers(void)
{
	struct pair pair = make_pair(65536, 0);

	EXPECT(can_write(pair.p->data) && can_write(pair.p->data + 2 * 65536 - 1));
	EXPECT(can_read(pair.c->data) && can_read(pair.c->data + 2 * 65536 - 1));
	EXPECT(!can_write(pair.c->data) && !can_write(pair.c->data + 2 * 65536 - 1));
	close_pair(&pair);
}

int main(void)
{
	need_backend();
	RUN(test_head);
	RUN(test_head_going_back);
	RUN(test_tail);
	RUN(test_record_headers);
	RUN(test_count);
	RUN(test_asleep);
	test_successor(SHMRING_PRODUCER);
	test_successor(SHMRING_CONSUMER);
	RUN(test_data_is_the_producers);
	test_successors(0);
	test_successors(8);
	return finish();
}
