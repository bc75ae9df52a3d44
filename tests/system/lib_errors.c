// SPDX-License-Identifier: MIT
/* Each error that shmring.h promises, call by call. */
#include "lib.h"

#include <fcntl.h>
#include <sys/resource.h>

static int try_create(const char *name, const struct shmring_options *opt)
{
	struct shmring *r = NULL;
	int fds = nr_fds();
	int ret = shmring_create(&r, name, opt);

	if (!ret)
		shmring_close(r);
	EXPECT_EQ(nr_fds(), fds);
	return ret;
}

static void test_create(void)
{
	static const struct {
		struct shmring_options opt;
		int want;
	} cases[] = {
		{ { .capacity = 0 }, 0 },
		{ { .capacity = 1 }, 0 },
		{ { .capacity = 5000 }, 0 },
		{ { .capacity = SHMRING_CAPACITY_MAX + 1 }, -EFBIG },
		{ { .capacity = SIZE_MAX / 2 + 1 }, -EFBIG },
		{ { .capacity = SIZE_MAX }, -EFBIG },
		{ { .capacity = 4096, .slot_size = 1 << 20 }, -EINVAL },
		{ { .capacity = 4096, .slot_size = SIZE_MAX }, -EINVAL },
		{ { .capacity = 4096, .slot_size = SIZE_MAX / 2 + 1 }, -EINVAL },
		{ { .capacity = 4096, .lowat = 1 << 20, .role = SHMRING_CONSUMER }, -EINVAL },
		{ { .mode = 01000 }, -EINVAL },
		{ { .mode = 0700 }, -EINVAL },
		{ { .mode = ~0u }, -EINVAL },
		{ { .flags = SHMRING_PERSIST }, -EINVAL },
		{ { .flags = 4 }, -EINVAL },
		{ { .flags = 1u << 31 }, -EINVAL },
		{ { .role = (enum shmring_role)3 }, -EINVAL },
		{ { .policy = (enum shmring_policy)(SHMRING_EAGER + 1) }, -EINVAL },
		{ { .backend = (enum shmring_backend_id)3 }, -EINVAL },
	};
	size_t i;

	EXPECT_EQ(try_create(NULL, NULL), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		context("shmring_create, case %zu", i);
		EXPECT_EQ(try_create(NULL, &cases[i].opt), cases[i].want);
	}
}

/* The last value that is allowed, and the first that is not. */
static void test_limits(void)
{
	const size_t page = page_size(), most = SHMRING_CAPACITY_MAX;
	const struct {
		struct shmring_options opt;
		int want;
	} cases[] = {
		{ { .capacity = page, .slot_size = page }, 0 },
		{ { .capacity = page, .slot_size = page + 1 }, -EINVAL },
		{ { .capacity = page, .lowat = page, .role = SHMRING_CONSUMER }, 0 },
		{ { .capacity = page, .lowat = page + 1, .role = SHMRING_CONSUMER }, -EINVAL },
		{ { .capacity = page, .lowat = page + 1 }, -EINVAL },
		/* EINVAL comes before ENOMEM: no test can need so much memory. */
		{ { .capacity = most, .slot_size = most + 1 }, -EINVAL },
		{ { .capacity = most - page + 1, .slot_size = most + 1 }, -EINVAL },
		{ { .capacity = most + 1, .slot_size = most + 1 }, -EFBIG },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		context("shmring_create at its limits, case %zu", i);
		EXPECT_EQ(try_create(NULL, &cases[i].opt), cases[i].want);
	}
}

static void test_capacity_is_rounded_up(void)
{
	const size_t page = page_size();
	const struct {
		size_t asked, got;
	} cases[] = { { 0, 65536 }, { 1, page }, { page, page }, { page + 1, 2 * page },
		      { 3 * page, 4 * page }, { (1 << 20) - 1, 1 << 20 } };
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		context("capacity %zu", cases[i].asked);
		r = make(cases[i].asked, 0, SHMRING_HANDLE);
		CHECK_EQ(shmring_get_info(r, &info), 0);
		EXPECT_EQ(info.capacity, cases[i].got);
		shmring_close(r);
	}
}

static size_t pages_mapped(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	size_t pages = 0;

	CHECK(f && fscanf(f, "%zu", &pages) == 1);
	fclose(f);
	return pages;
}

/* No addresses left for the mapping, as for large rings in a 32-bit program. */
static void test_addresses(void)
{
	struct shmring_options opt = { .capacity = 4 << 20, .role = SHMRING_PRODUCER };
	struct rlimit old, limit;

	CHECK(!getrlimit(RLIMIT_AS, &old));
	limit = old;
	limit.rlim_cur = pages_mapped() * page_size() + (7 << 20);
	CHECK(!setrlimit(RLIMIT_AS, &limit));
	EXPECT_EQ(try_create(NULL, &opt), -ENOMEM);
	CHECK(!setrlimit(RLIMIT_AS, &old));
	EXPECT_EQ(try_create(NULL, &opt), 0);
}

static void test_names(void)
{
	static const char *const bad[] = { "", "/", ".", "..", "a/b", "/a/b", "//a", "a/", "\x01",
					   "a\nb", "\x7f", "\xc3\xa4", "/.", "/..",
		"a123456789012345678901234567890123456789012345678901234567890123" };
	struct shmring *r;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("name \"%s\"", bad[i]);
		EXPECT_EQ(try_create(bad[i], NULL), -EINVAL);
		EXPECT_EQ(shmring_attach(&r, bad[i], SHMRING_HANDLE), -EINVAL);
		EXPECT_EQ(shmring_unlink(bad[i]), -EINVAL);
	}
	EXPECT_EQ(shmring_attach(&r, NULL, SHMRING_HANDLE), -EINVAL);
	EXPECT_EQ(shmring_unlink(NULL), -EINVAL);
	context("the longest name");
	EXPECT_EQ(try_create("a12345678901234567890123456789012345678901234567890123456789012",
			     NULL), 0);
}

static void test_attach(void)
{
	const char *name = unique("attach");
	struct shmring *r, *again, *same;

	EXPECT_EQ(shmring_attach(&r, name, SHMRING_HANDLE), -ENOENT);
	EXPECT_EQ(shmring_unlink(name), -ENOENT);
	CHECK_EQ(shmring_create(&r, name, NULL), 0);
	EXPECT_EQ(try_create(name, NULL), -EEXIST);
	EXPECT_EQ(shmring_attach(&again, name, (enum shmring_role)3), -EINVAL);
	EXPECT_EQ(shmring_attach(&again, name, (enum shmring_role)77), -EINVAL);
	EXPECT_EQ(shmring_attach_fd(&again, shmring_fd(r), (enum shmring_role)3), -EINVAL);
	CHECK_EQ(shmring_attach(&again, name, SHMRING_PRODUCER), 0);
	same = r;
	EXPECT_EQ(shmring_attach(&r, name, SHMRING_PRODUCER), -EBUSY);
	EXPECT_EQ(shmring_attach_fd(&r, shmring_fd(same), SHMRING_PRODUCER), -EBUSY);
	EXPECT(r == same);
	shmring_close(again);
	EXPECT_EQ(shmring_attach(&again, name, SHMRING_PRODUCER), 0);
	shmring_close(again);
	EXPECT_EQ(shmring_unlink(name), 0);
	EXPECT_EQ(shmring_attach(&again, name, SHMRING_PRODUCER), -ENOENT);
	shmring_close(r);
}

static int open_file(void)
{
	FILE *f = tmpfile();

	return f ? fileno(f) : -1;
}

static void test_attach_fd_of_something_else(void)
{
	int pipes[2], fds[4];
	struct shmring *r;
	size_t i;

	EXPECT_EQ(shmring_attach_fd(&r, -1, SHMRING_HANDLE), -EBADF);
	EXPECT_EQ(shmring_attach_fd(&r, 999, SHMRING_CONSUMER), -EBADF);
	CHECK(!pipe(pipes));
	fds[0] = pipes[0];
	fds[1] = pipes[1];
	fds[2] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[3] = open_file();
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		context("attach_fd, file %zu", i);
		EXPECT_EQ(shmring_attach_fd(&r, fds[i], SHMRING_HANDLE), -EINVAL);
		EXPECT_EQ(shmring_attach_fd(&r, fds[i], SHMRING_CONSUMER), -EINVAL);
		EXPECT_EQ(shmring_attach_fd(&r, fds[i], SHMRING_PRODUCER), -EINVAL);
		EXPECT(fcntl(fds[i], F_GETFD) >= 0);
	}
}

static void test_wrong_side(void)
{
	struct pair pair = make_pair(0, 0);
	struct shmring *handle = attach(pair.p, SHMRING_HANDLE);
	uint64_t n = 0;
	size_t len;

	EXPECT_EQ(shmring_wait_data(pair.p, NULL), -EBADF);
	EXPECT_EQ(shmring_wait_data(handle, NULL), -EBADF);
	EXPECT_EQ(shmring_wait_space(pair.c, 8, NULL), -EBADF);
	EXPECT_EQ(shmring_wait_space(handle, 8, NULL), -EBADF);
	EXPECT_EQ(shmring_send(pair.c, &n, 8, NULL), -EBADF);
	EXPECT_EQ(shmring_send(handle, &n, 8, NULL), -EBADF);
	EXPECT_EQ(shmring_recv(pair.p, &n, 8, NULL), -EBADF);
	EXPECT_EQ(shmring_recv(handle, &n, 8, NULL), -EBADF);
	EXPECT(!shmring_reserve(pair.c, 8) && !shmring_reserve(handle, 8));
	EXPECT(!shmring_peek(pair.p, &len) && !shmring_peek(handle, &len));
	EXPECT_EQ(shmring_commit(pair.c, 8), -EINVAL);
	EXPECT_EQ(shmring_release(pair.p), -EINVAL);
	EXPECT_EQ(shmring_poll_fd(handle), -EBADF);
	EXPECT_EQ(shmring_set_lowat(handle, 1), -EBADF);
	shmring_publish(pair.c);
	shmring_discard(pair.c);
	/* None of the refused messages has arrived. */
	send_number(pair.p, 5);
	EXPECT_EQ(receive_number(pair.c), 5);
	shmring_close(handle);
	close_pair(&pair);
}

static void test_wait_arguments(void)
{
	static const struct shmring_wait bad[] = {
		{ .policy = (enum shmring_policy)(SHMRING_EAGER + 1) }, { .policy = (enum shmring_policy)~0u },
		{ .flags = 2 }, { .flags = 1u << 31 }, { .min_bytes = 65537 },
		{ .min_bytes = SIZE_MAX },
	};
	struct pair pair = make_pair(65536, 0);
	uint64_t n = 0;
	size_t i;

	send_number(pair.p, 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("wait, case %zu", i);
		EXPECT_EQ(shmring_wait_data(pair.c, &bad[i]), -EINVAL);
		if (!bad[i].min_bytes) {
			EXPECT_EQ(shmring_wait_space(pair.p, 8, &bad[i]), -EINVAL);
			EXPECT_EQ(shmring_send(pair.p, &n, 8, &bad[i]), -EINVAL);
			EXPECT_EQ(shmring_recv(pair.c, &n, 8, &bad[i]), -EINVAL);
		}
	}
	EXPECT_EQ(shmring_wait_space(pair.p, 65536, NULL), -EMSGSIZE);
	EXPECT_EQ(shmring_wait_space(pair.p, SIZE_MAX, NULL), -EMSGSIZE);
	EXPECT_EQ(shmring_set_policy(pair.p, (enum shmring_policy)9), -EINVAL);
	EXPECT_EQ(shmring_set_policy(pair.p, SHMRING_SPIN), 0);
	EXPECT_EQ(receive_number(pair.c), 1);
	EXPECT_EQ(receive_now(pair.c), -EAGAIN);
	close_pair(&pair);
}

static int without_descriptors(void *arg)
{
	struct shmring *r = make(0, 0, SHMRING_HANDLE), *more;
	struct shmring_options opt = { .role = SHMRING_PRODUCER };
	int lowest = dup(0);
	struct rlimit limit;

	(void)arg;
	close(lowest);
	limit = (struct rlimit){ (rlim_t)lowest, (rlim_t)lowest };
	CHECK(!setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(shmring_create(&more, NULL, NULL), -EMFILE);
	EXPECT_EQ(shmring_create(&more, NULL, &opt), -EMFILE);
	EXPECT_EQ(shmring_attach_fd(&more, shmring_fd(r), SHMRING_CONSUMER), -EMFILE);
	shmring_close(r);
	return TEST_PASS;
}

/* No addresses left to map the endpoint: the role is given back. */
static int without_addresses(void *arg)
{
	const size_t capacity = 16 << 20;
	struct shmring *r = make(capacity, 0, SHMRING_HANDLE), *more;
	struct rlimit old, tight;

	(void)arg;
	CHECK(!getrlimit(RLIMIT_AS, &old));
	tight = (struct rlimit){ 2 * capacity, old.rlim_max };
	CHECK(!setrlimit(RLIMIT_AS, &tight));
	EXPECT_EQ(shmring_attach_fd(&more, shmring_fd(r), SHMRING_CONSUMER), -ENOMEM);
	CHECK(!setrlimit(RLIMIT_AS, &old));
	CHECK_EQ(shmring_attach_fd(&more, shmring_fd(r), SHMRING_CONSUMER), 0);
	shmring_close(more);
	shmring_close(r);
	return TEST_PASS;
}

/* If no backend is asked for, the module is taken if there is one, for names, too. */
static int choose_backends(void *arg)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD };
	bool has_module = !access("/dev/shmring", R_OK | W_OK);
	const char *name = unique("choice");
	struct shmring *r, *same;

	(void)arg;
	setenv("SHMRING_BACKEND", "pigeons", 1);
	EXPECT_EQ(try_create(NULL, NULL), -EINVAL);
	EXPECT_EQ(shmring_attach(&r, name, SHMRING_HANDLE), -EINVAL);
	EXPECT_EQ(shmring_unlink(name), -EINVAL);
	setenv("SHMRING_BACKEND", "", 1);
	EXPECT_EQ(try_create(NULL, NULL), 0);
	setenv("SHMRING_BACKEND", "auto", 1);
	EXPECT_EQ(try_create(NULL, NULL), 0);
	unsetenv("SHMRING_BACKEND");
	CHECK_EQ(shmring_create(&r, NULL, NULL), 0);
	EXPECT(!strcmp(shmring_backend_name(r), has_module ? "kmod" : "memfd"));
	shmring_close(r);
	CHECK_EQ(shmring_create(&r, name, &opt), 0);
	EXPECT_EQ(shmring_attach(&same, name, SHMRING_HANDLE), has_module ? -ENOENT : 0);
	if (!has_module)
		shmring_close(same);
	/* The other backend must not create a second ring of this name. */
	EXPECT_EQ(try_create(name, NULL), -EEXIST);
	EXPECT_EQ(shmring_unlink(name), has_module ? -ENOENT : 0);
	shmring_close(r);
	EXPECT_EQ(try_create(name, NULL), 0);
	EXPECT_EQ(shmring_attach(&same, name, SHMRING_HANDLE), -ENOENT);
	return TEST_PASS;
}

static void test_deadline(void)
{
	uint64_t now = now_ns();
	uint64_t soon = shmring_deadline(1000000000);

	EXPECT(soon >= now + 1000000000 && soon <= now_ns() + 1000000000);
	EXPECT_EQ(shmring_deadline(UINT64_MAX), UINT64_MAX);
	EXPECT(shmring_deadline(UINT64_MAX - 1) >= UINT64_MAX - 1);
	EXPECT(shmring_deadline(0) != 0);
}

int main(void)
{
	need_backend();
	RUN(test_create);
	RUN(test_limits);
	RUN(test_capacity_is_rounded_up);
	RUN(test_addresses);
	RUN(test_names);
	RUN(test_attach);
	RUN(test_attach_fd_of_something_else);
	RUN(test_wrong_side);
	RUN(test_wait_arguments);
	EXPECT_EQ(in_child(without_descriptors, NULL), TEST_PASS);
	EXPECT_EQ(in_child(without_addresses, NULL), TEST_PASS);
	EXPECT_EQ(in_child(choose_backends, NULL), TEST_PASS);
	RUN(test_deadline);
	shmring_close(NULL);
	return finish();
}
