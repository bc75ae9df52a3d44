// SPDX-License-Identifier: MIT
/* The structs that callers fill in: of older and newer programs, and with unknown fields set. */
#include "memfd_rig.h"

#include <errno.h>
#include <stddef.h>

/* As a later version may define them. */
struct later_options { struct shmring_options now; uint64_t more; };
struct later_wait { struct shmring_wait now; uint64_t more; };
struct later_info { struct shmring_info now; uint64_t more; };

/* As version 0.1 had them. */
#define FIRST_INFO	offsetof(struct shmring_info, flags)
#define FIRST_OPTIONS	offsetof(struct shmring_options, space_mark)

static int create_with(size_t size, uint64_t more)
{
	struct later_options opt = { .now = SHMRING_OPTIONS_INIT, .more = more };
	struct shmring *r;
	int ret;

	opt.now.size = size;
	ret = shmring_create(&r, NULL, &opt.now);
	if (!ret)
		shmring_close(r);
	return ret;
}

static void options_may_grow(void **state)
{
	(void)state;
	assert_int_equal(create_with(0, 1), 0);
	assert_int_equal(create_with(sizeof(struct shmring_options), 1), 0);
	assert_int_equal(create_with(sizeof(struct later_options), 0), 0);
	assert_int_equal(create_with(sizeof(struct later_options), 1ull << 63), -E2BIG);
	assert_int_equal(create_with(FIRST_OPTIONS, 1), 0);
	assert_int_equal(create_with(FIRST_OPTIONS - 1, 0), -EINVAL);
	assert_int_equal(create_with(SIZE_MAX, 0), -E2BIG);
}

/* A program of version 0.1 has something else where the later members are. */
static void options_of_an_old_program_end_early(void **state)
{
	struct shmring_options opt = SHMRING_OPTIONS_INIT;
	const size_t sizes[] = { 0, FIRST_OPTIONS };
	struct shmring *r;
	size_t i;

	(void)state;
	opt.space_mark = 65537;
	assert_int_equal(shmring_create(&r, NULL, &opt), -EINVAL);
	opt.role = SHMRING_PRODUCER;
	for (i = 0; i < 2; i++) {
		opt.size = sizes[i];
		assert_int_equal(shmring_create(&r, NULL, &opt), 0);
		assert_int_equal(r->priv->space_mark, 0);
		shmring_close(r);
	}
	opt.size = sizeof(opt);
	opt.space_mark = 65536;
	assert_int_equal(shmring_create(&r, NULL, &opt), 0);
	assert_int_equal(r->priv->space_mark, 65536);
	shmring_close(r);
}

/* Each function that takes such a struct. */
static int wait_with(size_t size, uint64_t more)
{
	struct later_wait w = { .now = SHMRING_WAIT_INIT, .more = more };
	int ret, others[6], i;
	struct shmring *c;
	char byte;

	w.now.size = size;
	w.now.flags = SHMRING_NOWAIT;
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(ring), SHMRING_CONSUMER), 0);
	ret = shmring_wait_data(c, &w.now);
	others[0] = shmring_wait_space(ring, 1, &w.now);
	others[1] = shmring_drain(ring, &w.now);
	others[2] = shmring_wait_peer(ring, &w.now);
	others[3] = (int)shmring_send(ring, "", 0, &w.now);
	others[4] = (int)shmring_recv(c, &byte, 1, &w.now);
	shmring_close(c);
	others[5] = shmring_attach_wait(&c, "no-such-ring", SHMRING_CONSUMER, &w.now);
	for (i = 0; i < 6; i++)
		assert_int_equal(others[i], ret != -EAGAIN ? ret : i == 5 ? -EAGAIN : 0);
	return ret;
}

static void waits_may_grow(void **state)
{
	(void)state;
	ring = new_ring(NULL, SHMRING_PRODUCER);
	assert_int_equal(wait_with(0, 1), -EAGAIN);
	assert_int_equal(wait_with(sizeof(struct shmring_wait), 1), -EAGAIN);
	assert_int_equal(wait_with(sizeof(struct later_wait), 0), -EAGAIN);
	assert_int_equal(wait_with(sizeof(struct later_wait), 1ull << 63), -E2BIG);
	assert_int_equal(wait_with(sizeof(struct shmring_wait) - 1, 0), -EINVAL);
	assert_int_equal(wait_with(SIZE_MAX, 0), -E2BIG);
	shmring_close(ring);
}

/* A field that an older library does not know stays as the newer program has set it. */
static void info_may_grow(void **state)
{
	struct later_info info = { .now = SHMRING_INFO_INIT, .more = 7 };

	(void)state;
	ring = new_ring(NULL, SHMRING_PRODUCER);
	info.now.size = sizeof(info);
	assert_int_equal(shmring_get_info(ring, &info.now), 0);
	assert_int_equal(info.now.size, sizeof(info));
	assert_int_equal(info.now.capacity, 65536);
	assert_int_equal(info.more, 7);
	info.now = (struct shmring_info){ 0 };
	assert_int_equal(shmring_get_info(ring, &info.now), 0);
	assert_int_equal(info.now.capacity, 65536);
	info.now = (struct shmring_info){ .size = FIRST_INFO - 1 };
	assert_int_equal(shmring_get_info(ring, &info.now), -EINVAL);
	assert_int_equal(info.now.capacity, 0);
	shmring_close(ring);
}

/* The bytes behind the struct of a program of version 0.1 stay as they were. */
static void info_of_an_old_program_ends_early(void **state)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .flags = SHMRING_QUEUE };
	const size_t sizes[] = { 0, FIRST_INFO, FIRST_INFO + 4, FIRST_INFO + sizeof(uint64_t) };
	struct shmring_info info;
	struct shmring *r;
	size_t i, at;

	(void)state;
	assert_int_equal(shmring_create(&r, NULL, &opt), 0);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(&info, 0xcc, sizeof(info));
		info.size = sizes[i];
		assert_int_equal(shmring_get_info(r, &info), 0);
		assert_int_equal(info.size, sizes[i]);
		assert_int_equal(info.capacity, 65536);
		for (at = sizes[i] ? sizes[i] : FIRST_INFO; at < sizeof(info); at++)
			assert_int_equal(((unsigned char *)&info)[at], 0xcc);
	}
	assert_int_equal(info.flags, SHMRING_QUEUE);
	shmring_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options_may_grow),
		TEST(options_of_an_old_program_end_early),
		TEST(waits_may_grow),
		TEST(info_may_grow),
		TEST(info_of_an_old_program_ends_early),
	};

	use_memfd();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
