// SPDX-License-Identifier: MIT
/* Messages: every size, copied and in place, singly and in batches, slots. */
#include "lib.h"

static size_t page;

static void fill(unsigned char *to, size_t len, uint64_t seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		to[i] = (unsigned char)(random_u64(&seed) >> 56);
}

static bool is_filled(const unsigned char *from, size_t len, uint64_t seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (from[i] != (unsigned char)(random_u64(&seed) >> 56))
			return false;
	return true;
}

/*
 * The length after @len: each one up to 4 KiB, and the last ones before @max. Of the lengths in
 * between, which only larger pages allow, a few: each is written byte by byte.
 */
static size_t next_length(size_t len, size_t max)
{
	if (len < 4096 || len + 64 >= max)
		return len + 1;
	return len + 509 < max - 64 ? len + 509 : max - 64;
}

/* Each length again and again, so that each starts at every place in the ring. */
static void test_every_length(void)
{
	struct pair pair = make_pair(page, 0);
	size_t max = shmring_max_len(pair.p);
	unsigned char *in = malloc(max), *out = malloc(max);
	size_t len;

	EXPECT_EQ(max, page - sizeof(struct shmring_record));
	for (len = 0; len <= max; len = next_length(len, max)) {
		context("%zu bytes", len);
		fill(in, len, len);
		EXPECT_EQ(shmring_send(pair.p, in, len, NULL), len);
		EXPECT_EQ(shmring_recv(pair.c, out, max, NULL), len);
		EXPECT(is_filled(out, len, len));
	}
	EXPECT_EQ(shmring_send(pair.p, in, max + 1, NULL), -EMSGSIZE);
	free(in);
	free(out);
	close_pair(&pair);
}

/* Aligned, in one piece, and as long as asked for, at the end of the ring too. */
static void test_in_place(void)
{
	struct pair pair = make_pair(page, 0);
	const unsigned char *got;
	uint64_t seed = 1;
	size_t len = 0, sent, i;
	unsigned char *to;

	/* The same number of bytes with each size of pages. */
	for (i = 0; i < (40u << 20) / page; i++) {
		sent = random_u64(&seed) % (page - 7);
		to = shmring_reserve(pair.p, sent);
		CHECK(to && (uintptr_t)to % SHMRING_ALIGN == 0);
		fill(to, sent, i);
		EXPECT(!shmring_peek(pair.c, &len));
		EXPECT_EQ(shmring_commit(pair.p, sent), 0);
		got = shmring_peek(pair.c, &len);
		CHECK(got && (uintptr_t)got % SHMRING_ALIGN == 0);
		EXPECT_EQ(len, sent);
		EXPECT(is_filled(got, len, i));
		/* A second peek gives the same message. */
		EXPECT(shmring_peek(pair.c, &len) == got && len == sent);
		EXPECT_EQ(shmring_release(pair.c), 0);
		EXPECT_EQ(shmring_release(pair.c), -EINVAL);
	}
	close_pair(&pair);
}

static void test_fill_to_the_brim(void)
{
	struct pair pair = make_pair(page, 0);
	uint64_t n, i;

	for (n = 0; send_now(pair.p) == sizeof(n); n++)
		;
	EXPECT_EQ(n, page / (sizeof(struct shmring_record) + sizeof(n)));
	EXPECT_EQ(send_now(pair.p), -EAGAIN);
	EXPECT(!shmring_reserve(pair.p, 0));
	for (i = 0; i < n; i++)
		EXPECT_EQ(receive_now(pair.c), sizeof(n));
	EXPECT_EQ(receive_now(pair.c), -EAGAIN);
	close_pair(&pair);
}

static void test_reserve_and_discard(void)
{
	struct pair pair = make_pair(page, 0);
	size_t len;
	void *first;

	EXPECT_EQ(shmring_commit(pair.p, 0), -EINVAL);
	EXPECT_EQ(shmring_stage(pair.p, 0), -EINVAL);
	first = shmring_reserve(pair.p, 100);
	shmring_discard(pair.p);
	EXPECT_EQ(shmring_commit(pair.p, 100), -EINVAL);
	shmring_discard(pair.p);
	/* The last reservation is the one that counts. */
	EXPECT(shmring_reserve(pair.p, 1000) == first);
	EXPECT(shmring_reserve(pair.p, 8) == first);
	EXPECT_EQ(shmring_commit(pair.p, 100), -EINVAL);
	EXPECT_EQ(shmring_commit(pair.p, 8), 0);
	EXPECT(shmring_peek(pair.c, &len) && len == 8);
	EXPECT_EQ(shmring_release(pair.c), 0);
	/* A commit may be shorter than its reservation. */
	EXPECT(shmring_reserve(pair.p, 1000));
	EXPECT_EQ(shmring_commit(pair.p, 3), 0);
	EXPECT(shmring_peek(pair.c, &len) && len == 3);
	EXPECT_EQ(shmring_release(pair.c), 0);
	EXPECT(!shmring_reserve(pair.p, shmring_max_len(pair.p) + 1));
	EXPECT(!shmring_reserve(pair.p, SIZE_MAX));
	EXPECT(!shmring_reserve(pair.p, SIZE_MAX - 7));
	EXPECT_EQ(shmring_advance(pair.c), -EINVAL);
	close_pair(&pair);
}

static void stage_number(struct shmring *r, uint64_t n)
{
	void *to = shmring_reserve(r, sizeof(n));

	CHECK(to);
	memcpy(to, &n, sizeof(n));
	CHECK_EQ(shmring_stage(r, sizeof(n)), 0);
}

static void test_batches(void)
{
	struct pair pair = make_pair(page, 0);
	struct shmring_info info = SHMRING_INFO_INIT;
	uint64_t i, n, next = 0;
	const void *got[10];
	size_t len;
	int round;

	for (round = 0; round < 1000; round++) {
		for (i = 0; i < 10; i++)
			stage_number(pair.p, next + i);
		EXPECT(!shmring_peek(pair.c, &len));
		shmring_publish(pair.p);
		for (i = 0; i < 10; i++) {
			got[i] = shmring_peek(pair.c, &len);
			CHECK(got[i] && len == sizeof(n));
			EXPECT_EQ(shmring_advance(pair.c), 0);
		}
		EXPECT(!shmring_peek(pair.c, &len));
		/* Messages that were stepped past are still there. */
		for (i = 0; i < 10; i++) {
			memcpy(&n, got[i], sizeof(n));
			EXPECT_EQ(n, next + i);
		}
		CHECK_EQ(shmring_get_info(pair.c, &info), 0);
		EXPECT_EQ(info.used, 160);
		EXPECT_EQ(shmring_release(pair.c), 0);
		CHECK_EQ(shmring_get_info(pair.c, &info), 0);
		EXPECT_EQ(info.used, 0);
		next += 10;
	}
	/* A send publishes what is staged, in order; so does a wait for space. */
	stage_number(pair.p, 1);
	send_number(pair.p, 2);
	stage_number(pair.p, 3);
	EXPECT_EQ(shmring_wait_space(pair.p, 8, NULL), 0);
	for (i = 1; i <= 3; i++)
		EXPECT_EQ(receive_number(pair.c), i);
	close_pair(&pair);
}

static void test_slots(size_t size)
{
	struct pair pair = make_pair(page, size);
	unsigned char *in = malloc(size + 1), *out = malloc(size + 1);
	size_t len;
	uint64_t i, rounds = size > 4096 ? (12u << 20) / size : 3000;

	context("slots of %zu", size);
	EXPECT_EQ(shmring_max_len(pair.p), size);
	for (i = 0; i < rounds; i++) {
		fill(in, size, i);
		EXPECT_EQ(shmring_send(pair.p, in, size, NULL), size);
		EXPECT_EQ(shmring_recv(pair.c, out, size + 1, NULL), size);
		EXPECT(is_filled(out, size, i));
	}
	/* A slot takes no other length. */
	EXPECT_EQ(shmring_send(pair.p, in, size - 1, NULL), -EMSGSIZE);
	EXPECT_EQ(shmring_send(pair.p, in, size + 1, NULL), -EMSGSIZE);
	EXPECT(!shmring_reserve(pair.p, size - 1));
	EXPECT(shmring_reserve(pair.p, size));
	EXPECT_EQ(shmring_commit(pair.p, size - 1), -EINVAL);
	EXPECT_EQ(shmring_commit(pair.p, size), 0);
	EXPECT_EQ(shmring_recv(pair.c, out, size - 1, NULL), -EMSGSIZE);
	EXPECT(shmring_peek(pair.c, &len) && len == size);
	free(in);
	free(out);
	close_pair(&pair);
}

/* So many slots that their bytes are a multiple of 2^32, which a product of 32 bits loses. */
static void test_too_many_slots(void)
{
	struct pair pair = make_pair(65536, 65536);
	size_t n = 1;

	EXPECT(shmring_reserve_slots(pair.p, &n));
	EXPECT_EQ(shmring_commit_slots(pair.p, 65536), -EINVAL);
	EXPECT_EQ(shmring_commit_slots(pair.p, 1), 0);
	EXPECT(shmring_peek_slots(pair.c, &n) && n == 1);
	close_pair(&pair);
}

static void test_too_long_for_the_buffer(void)
{
	struct pair pair = make_pair(page, 0);
	char buf[100] = "the message";

	EXPECT_EQ(shmring_send(pair.p, buf, 100, NULL), 100);
	EXPECT_EQ(shmring_recv(pair.c, buf, 99, NULL), -EMSGSIZE);
	EXPECT_EQ(shmring_recv(pair.c, buf, 0, NULL), -EMSGSIZE);
	EXPECT_EQ(shmring_recv(pair.c, buf, 100, NULL), 100);
	EXPECT_EQ(receive_now(pair.c), -EAGAIN);
	EXPECT_EQ(shmring_send(pair.p, NULL, 0, NULL), 0);
	EXPECT_EQ(shmring_recv(pair.c, NULL, 0, NULL), 0);
	close_pair(&pair);
}

int main(void)
{
	need_backend();
	page = page_size();
	RUN(test_every_length);
	RUN(test_in_place);
	RUN(test_fill_to_the_brim);
	RUN(test_reserve_and_discard);
	RUN(test_batches);
	test_slots(1);
	test_slots(8);
	test_slots(24);
	test_slots(100);
	test_slots(page);
	RUN(test_too_many_slots);
	RUN(test_too_long_for_the_buffer);
	return finish();
}
