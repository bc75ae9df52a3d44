// SPDX-License-Identifier: MIT
/*
 * Which answers to the module's ioctls the library accepts from a descriptor: here the test gives
 * the answers.
 */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* The answers of the fake descriptor, and the library's calls to it. */
static struct {
	struct shmring_ioc_query ring, endpoint;
	int ring_fd;		/* its copies answer as the ring does */
	int endpoint_fd;	/* what ATTACH returns */
	int calls, attached, mapped;
	uint64_t attached_lowat;	/* of the last ATTACH */
	bool attach_fills;	/* no descriptor is free after ATTACH */
	uint64_t lowat;		/* of the last SET_LOWAT, and how many there were */
	int lowats;
	struct shmring_ioc_access access;	/* of the last SET_ACCESS */
	uint64_t step;		/* bytes by which both positions move on at each QUERY */
	int queries, still_after;
	uint32_t lane;		/* of the last QUERY */
	int query_error, good_queries;	/* QUERY fails after so many that do not; 0: none does */
	int later_error;	/* of opening /dev/shmring after CREATE, OPEN or UNLINK */
	int device_error;	/* error of opening /dev/shmring; 0: it opens as the ring's file */
	int answer;		/* error of CREATE, OPEN and UNLINK */
} fake;

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode;
	va_list ap;

	va_start(ap, flags);
	mode = va_arg(ap, mode_t);
	va_end(ap);
	if (strcmp(path, "/dev/shmring"))
		return __real_open(path, flags, mode);
	if (!fake.device_error)
		return dup(fake.ring_fd);
	errno = fake.device_error;
	return -1;
}

/* Messages pass until a QUERY finds the ring empty and at rest. */
static void move_on(struct shmring_ioc_query *q)
{
	uint64_t passed = (uint64_t)fake.queries;
	bool still = fake.still_after && fake.queries >= fake.still_after;

	if (still)
		passed = (uint64_t)fake.still_after;
	/* The head is read first; the tail, read later, has moved on meanwhile. */
	q->head += passed * fake.step;
	q->tail += (passed + !still) * fake.step;
	fake.queries++;
}

/* As many descriptors as there are now. The limit stays until teardown(). */
static void allow_no_more_fds(void)
{
	struct rlimit limit;
	int lowest = dup(fake.ring_fd);

	assert_true(lowest > 3 && !close(lowest));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)lowest;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int attach_ioctl(const struct shmring_ioc_attach *a)
{
	fake.attached++;
	fake.attached_lowat = a->lowat;
	if (fake.attach_fills)
		allow_no_more_fds();
	return fake.endpoint_fd;
}

static int query_ioctl(int fd, struct shmring_ioc_query *q)
{
	if (fake.query_error && fake.queries >= fake.good_queries) {
		errno = fake.query_error;
		return -1;
	}
	fake.lane = q->lane;
	*q = fake.attached && fd == fake.endpoint_fd ? fake.endpoint : fake.ring;
	q->lane = fake.lane;
	move_on(q);
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	struct shmring_ioc_query *q;
	va_list ap;

	va_start(ap, request);
	q = va_arg(ap, void *);
	va_end(ap);
	fake.calls++;
	if (request == SHMRING_IOC_SET_LOWAT) {
		fake.lowat = ((struct shmring_ioc_lowat *)(void *)q)->bytes;
		fake.lowats++;
		return 0;
	}
	if (request == SHMRING_IOC_SET_ACCESS)
		fake.access = *(struct shmring_ioc_access *)(void *)q;
	if (request == SHMRING_IOC_ATTACH)
		return attach_ioctl((const struct shmring_ioc_attach *)(void *)q);
	if (request == SHMRING_IOC_QUERY)
		return query_ioctl(fd, q);
	if (fake.later_error)
		fake.device_error = fake.later_error;
	errno = fake.answer;
	return -1;
}

void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (!(flags & MAP_SHARED))
		return __real_mmap(at, len, prot, flags, fd, offset);
	fake.mapped++;
	errno = ENODEV;
	return MAP_FAILED;
}

static void answer_well(void)
{
	const uint64_t page = page_size();

	fake.ring = (struct shmring_ioc_query){
		.rights = SHMRING_RIGHT_ALL,
		.capacity = 4 * page,
		.align = 8,
		.kernel = { 0, page },
		.consumer = { page, page },
		.producer = { 2 * page, page },
		.data = { 3 * page, 8 * page },
	};
	fake.endpoint = fake.ring;
	fake.endpoint.role = SHMRING_PRODUCER;
}

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.answer = ENOTTY;
	fake.ring_fd = eventfd(0, EFD_CLOEXEC);
	fake.endpoint_fd = eventfd(0, EFD_CLOEXEC);
	answer_well();
	return fake.ring_fd < 0 || fake.endpoint_fd < 0;
}

static int teardown(void **state)
{
	struct rlimit limit;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(fake.ring_fd);
	close(fake.endpoint_fd);
	return 0;
}

static int attach_producer(int fd)
{
	struct shmring *r;

	return shmring_attach_fd(&r, fd, SHMRING_PRODUCER);
}

static void known_layout_is_mapped(void **state)
{
	(void)state;
	assert_int_equal(attach_producer(fake.ring_fd), -ENODEV);
	assert_int_equal(fake.mapped, 1);
}

/* A file of a file system that may be one in user space: the library calls no ioctl on it. */
static void file_of_a_file_system_is_no_ring(void **state)
{
	FILE *file = tmpfile();
	int pipes[2], device = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(file && device >= 0 && !pipe(pipes));
	assert_int_equal(attach_producer(fileno(file)), -EINVAL);
	assert_int_equal(attach_producer(device), -EINVAL);
	assert_int_equal(attach_producer(pipes[0]), -EINVAL);
	assert_int_equal(fake.calls, 0);
	fclose(file);
	close(device);
	close(pipes[0]);
	close(pipes[1]);
}

/* One field of QUERY's answer, and values that it cannot have. */
struct claim {
	size_t offset, size;
	uint64_t values[6];
};

#define FIELD(name, ...)	{ offsetof(struct shmring_ioc_query, name),		\
				  sizeof(((struct shmring_ioc_query *)0)->name),	\
				  { __VA_ARGS__ } }
#define POSITION(name)		FIELD(name.offset, 1, 4096 + 8, 1ull << 20, 1ull << 62, ~0ull,	\
				      ~0ull << 12)
#define LENGTH(name)		FIELD(name.length, 0, 1, 4096 - 8, 1ull << 40, 1ull << 63, ~0ull)

static const struct claim claims[] = {
	FIELD(features, 1, 1ull << 63, 1, 1, 1, 1),
	FIELD(capacity, 0, 8, 3 * 4096, 1ull << 31, 1ull << 63, ~0ull),
	FIELD(align, 0, 3, 4, 24, 8192, 1u << 31),
	FIELD(slots, 1, 2, 512, 1ull << 32, 1ull << 62, ~0ull),
	FIELD(slot_size, 1u << 31, ~0u, 1u << 30, 1u << 29, 1u << 28, 1u << 27),
	POSITION(kernel), POSITION(consumer), POSITION(producer), POSITION(data),
	LENGTH(kernel), LENGTH(consumer), LENGTH(producer), LENGTH(data),
};

static void try_claim(struct shmring_ioc_query *q, const struct claim *claim, uint64_t value)
{
	answer_well();
	if (claim->size == sizeof(uint32_t))
		*(uint32_t *)(void *)((char *)q + claim->offset) = (uint32_t)value;
	else
		*(__u64 *)(void *)((char *)q + claim->offset) = value;
	fake.attached = 0;
	assert_int_equal(attach_producer(fake.ring_fd), -EPROTO);
	assert_int_equal(fake.mapped, 0);
}

static void try_claims(struct shmring_ioc_query *q)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(claims); i++)
		for (j = 0; j < ARRAY_SIZE(claims[i].values); j++)
			try_claim(q, &claims[i], claims[i].values[j]);
}

static void ring_of_another_layout_is_not_attached_to(void **state)
{
	(void)state;
	try_claims(&fake.ring);
	assert_int_equal(fake.attached, 0);
}

static void endpoint_of_another_layout_is_not_mapped(void **state)
{
	(void)state;
	try_claims(&fake.endpoint);
}

/*
 * ATTACH may return any number: if it is no endpoint, the caller's file of that number stays
 * open.
 */
static void what_attach_returns_is_an_endpoint_or_stays_open(void **state)
{
	int pipes[2], old = fake.endpoint_fd;

	(void)state;
	assert_true(!pipe(pipes));
	fake.endpoint_fd = pipes[1];
	assert_int_equal(attach_producer(fake.ring_fd), -EPROTO);
	assert_true(fcntl(pipes[1], F_GETFD) >= 0);
	fake.endpoint_fd = old;
	fake.endpoint.role = SHMRING_CONSUMER;
	assert_int_equal(attach_producer(fake.ring_fd), -EPROTO);
	assert_true(fcntl(old, F_GETFD) >= 0);
	assert_int_equal(fake.mapped, 0);
	close(pipes[0]);
	close(pipes[1]);
}

/* Not every file that is like a ring's answers QUERY, and none answers without memory. */
static void ring_that_does_not_answer_is_not_attached_to(void **state)
{
	static const int errors[][2] = {
		{ ENOTTY, -EINVAL }, { EFAULT, -EINVAL }, { ENOMEM, -ENOMEM }, { EBADF, -EBADF },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		fake.query_error = errors[i][0];
		assert_int_equal(attach_producer(fake.ring_fd), errors[i][1]);
	}
	assert_int_equal(fake.attached, 0);
}

static int attach_with_lowat(uint64_t lowat)
{
	const struct shmring_options opt = { .role = SHMRING_PRODUCER, .lowat = lowat };
	struct shmring *r;

	/* The attach before this one has closed it, as its mmap failed. */
	if (fcntl(fake.endpoint_fd, F_GETFD) < 0)
		fake.endpoint_fd = eventfd(0, EFD_CLOEXEC);
	return shmring_attach_fd_opt(&r, fake.ring_fd, &opt);
}

/* ATTACH takes no more than messages can fill. */
static void lowat_is_the_endpoints_from_the_start(void **state)
{
	const uint64_t capacity = fake.ring.capacity;

	(void)state;
	fake.ring.slot_size = 1000;
	fake.ring.slots = capacity / 1000;
	assert_int_equal(attach_with_lowat(100), -ENODEV);	/* mmap's */
	assert_int_equal(fake.attached_lowat, 100);
	assert_int_equal(attach_with_lowat(capacity), -ENODEV);
	assert_int_equal(fake.attached_lowat, capacity / 1000 * 1000);
	assert_int_equal(attach_with_lowat(0), -ENODEV);
	assert_int_equal(fake.attached_lowat, 0);
	assert_int_equal(fake.attached, 3);
	assert_int_equal(attach_with_lowat(capacity + 1), -EINVAL);
	/* The ring has answered once, to the library's first question. */
	fake.queries = 0;
	fake.good_queries = 1;
	fake.query_error = ENOMEM;
	assert_int_equal(attach_with_lowat(100), -ENOMEM);
	assert_int_equal(fake.attached, 3);
}

/* ---------------------------------------------------------- which backend it is */

static char name[SHMRING_NAME_MAX];

/* A live memfd ring of that name; afterwards no backend is asked for. */
static struct shmring *make_memfd_ring(void)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD };
	static int nr;
	struct shmring *r;

	snprintf(name, sizeof(name), "unit-kmod-%x-%d", run_id(), nr++);
	assert_int_equal(shmring_create(&r, name, &opt), 0);
	assert_string_equal(shmring_backend_reason(r), "the caller asked for it");
	unsetenv("SHMRING_BACKEND");
	return r;
}

static void assert_all_return(int want)
{
	struct shmring *r;

	assert_int_equal(shmring_attach(&r, name, SHMRING_HANDLE), want);
	assert_int_equal(shmring_attach(&r, name, SHMRING_CONSUMER), want);
	assert_int_equal(shmring_unlink(name), want);
}

/* Another user may have planted the memfd ring of that name. */
static void error_of_the_module_is_final(void **state)
{
	static const int answers[] = { ENOENT, EACCES, EPERM, ENOMEM };
	struct shmring *r = make_memfd_ring();
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		fake.answer = answers[i];
		assert_all_return(-answers[i]);
	}
	fake.answer = EDQUOT;
	shmring_close(r);
	assert_int_equal(shmring_create(&r, name, NULL), -EDQUOT);
}

static void device_of_others_is_not_passed_over(void **state)
{
	struct shmring *r = make_memfd_ring(), *other;

	(void)state;
	fake.device_error = EACCES;
	assert_all_return(-EACCES);
	assert_int_equal(shmring_create(&other, name, NULL), -EACCES);
	assert_int_equal(shmring_create(&other, NULL, NULL), -EACCES);
	fake.device_error = EPERM;
	assert_all_return(-EACCES);
	fake.device_error = EMFILE;
	assert_all_return(-EMFILE);
	shmring_close(r);
}

static void without_a_device_there_is_memfd(void **state)
{
	static const int errors[] = { ENOENT, ENXIO, ENODEV };
	struct shmring *r = make_memfd_ring(), *other;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		fake.device_error = errors[i];
		assert_int_equal(shmring_attach(&other, name, SHMRING_HANDLE), 0);
		assert_string_equal(shmring_backend_reason(other), "there is no /dev/shmring");
		shmring_close(other);
	}
	shmring_close(r);
}

/* Otherwise there would be two rings of one name, and each side would wait on another ring. */
static void name_of_a_memfd_ring_is_not_made_again(void **state)
{
	struct shmring *r = make_memfd_ring(), *other;

	(void)state;
	fake.answer = EDQUOT;		/* the module would create it, but for its limit */
	assert_int_equal(shmring_create(&other, name, NULL), -EEXIST);
	shmring_close(r);
	assert_int_equal(shmring_create(&other, name, NULL), -EDQUOT);
}

/* The name is not there, and before it is, the device is not to be opened any more. */
static void wait_for_a_name_returns_the_modules_error(void **state)
{
	struct shmring *r;

	(void)state;
	unsetenv("SHMRING_BACKEND");
	fake.answer = ENOENT;
	fake.later_error = EMFILE;
	assert_int_equal(shmring_attach_wait(&r, "unit-kmod-none", SHMRING_CONSUMER, NULL),
			 -EMFILE);
}

/* ----------------------------------------------------------- numbers 0, 1 and 2 */

static void no_descriptor_is_below_three(void **state)
{
	int in = fcntl(0, F_DUPFD_CLOEXEC, 10), low, high;

	(void)state;
	assert_true(in >= 0 && !close(0));
	low = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(low, 0);
	high = shmring_keep_fd(low);
	assert_true(high > 2 && fcntl(high, F_GETFD) == FD_CLOEXEC);
	assert_true(fcntl(0, F_GETFD) < 0);
	assert_int_equal(shmring_keep_fd(high), high);
	assert_int_equal(shmring_keep_fd(-EMFILE), -EMFILE);
	close(high);
	assert_int_equal(dup2(in, 0), 0);
	close(in);
}

/* The kernel gave the endpoint a number that must not be kept, and there is no other. */
static void endpoint_without_a_number_is_closed(void **state)
{
	int in = fcntl(0, F_DUPFD_CLOEXEC, 10), ret;

	(void)state;
	assert_true(in >= 0);
	assert_int_equal(dup2(fake.endpoint_fd, 0), 0);
	close(fake.endpoint_fd);
	fake.endpoint_fd = 0;
	fake.attach_fills = true;
	ret = attach_producer(fake.ring_fd);
	fake.endpoint_fd = -1;
	assert_true(fcntl(0, F_GETFD) < 0);
	assert_int_equal(dup2(in, 0), 0);
	close(in);
	assert_int_equal(ret, -EMFILE);
	assert_int_equal(fake.mapped, 0);
}

static struct shmring *new_handle(void)
{
	struct shmring *r;

	assert_int_equal(shmring_attach_fd(&r, fake.ring_fd, SHMRING_HANDLE), 0);
	return r;
}

/* Positions may move in any way while they are read. */
static void used_is_never_more_than_the_ring(void **state)
{
	struct shmring *r = new_handle();
	struct shmring_info info = SHMRING_INFO_INIT;

	(void)state;
	fake.ring.head = 1000 * fake.ring.capacity;
	fake.ring.tail = fake.ring.head - 100;
	assert_int_equal(shmring_get_info(r, &info), 0);
	assert_int_equal(info.used, 100);
	fake.step = 3 * fake.ring.capacity;
	assert_int_equal(shmring_get_info(r, &info), 0);
	assert_int_equal(info.used, 0);
	fake.ring.tail -= 10 * fake.step;
	assert_int_equal(shmring_get_info(r, &info), 0);
	assert_int_equal(info.used, fake.ring.capacity);
	shmring_close(r);
}

/* The head is read, messages pass, and then the tail is read. */
static void used_is_of_one_moment(void **state)
{
	struct shmring *r = new_handle();
	struct shmring_info info = SHMRING_INFO_INIT;

	(void)state;
	fake.ring.head = 0;
	fake.ring.tail = 0;
	fake.still_after = fake.queries + 2;
	fake.step = 100;
	assert_int_equal(shmring_get_info(r, &info), 0);
	assert_int_equal(info.used, 0);
	assert_int_equal(fake.queries, fake.still_after + 1);
	shmring_close(r);
}

/* An older module leaves the members 0 that say which lanes there are. */
static void info_is_of_the_lane(void **state)
{
	struct shmring *r = new_handle();
	struct shmring_info info = SHMRING_INFO_INIT;

	(void)state;
	assert_int_equal(shmring_get_info(r, &info), 0);
	assert_int_equal(info.topology, SHMRING_TOPOLOGY_RING);
	assert_int_equal(info.nr_lanes, 1);
	fake.ring.topology = SHMRING_TOPOLOGY_FAN_IN;
	fake.ring.nr_lanes = 3;
	assert_int_equal(shmring_lane_info(r, 2, &info), 0);
	assert_int_equal(fake.lane, 2);
	assert_int_equal(info.topology, SHMRING_TOPOLOGY_FAN_IN);
	assert_int_equal(info.nr_lanes, 3);
	assert_int_equal(shmring_get_info(r, &info), 0);
	assert_int_equal(fake.lane, 0);
	fake.query_error = EINVAL;	/* no such lane */
	assert_int_equal(shmring_lane_info(r, 3, &info), -EINVAL);
	shmring_close(r);
}

static void info_of_a_ring_that_does_not_answer_is_an_error(void **state)
{
	struct shmring *r = new_handle();
	struct shmring_info info = SHMRING_INFO_INIT;

	(void)state;
	fake.query_error = ENOMEM;
	assert_int_equal(shmring_get_info(r, &info), -ENOMEM);
	fake.good_queries = fake.queries + 1;
	assert_int_equal(shmring_get_info(r, &info), -ENOMEM);
	shmring_close(r);
}

static void poll_is_told_of_another_number_only(void **state)
{
	struct shmring *r = new_handle();

	(void)state;
	r->priv->backend->arm_poll(r, 3008);
	assert_int_equal(fake.lowat, 3008);
	r->priv->backend->arm_poll(r, 3008);
	assert_int_equal(fake.lowats, 1);
	r->priv->backend->arm_poll(r, 16);
	assert_int_equal(fake.lowat, 16);
	assert_int_equal(fake.lowats, 2);
	shmring_close(r);
}

/* An unchanged id is not mentioned, and a module without the call is not able to. */
static void access_is_asked_for_by_parts(void **state)
{
	struct shmring *r = new_handle();

	(void)state;
	fake.answer = EPERM;
	assert_int_equal(shmring_chmod(r, 0640), -EPERM);
	assert_int_equal(fake.access.valid, SHMRING_ACCESS_MODE);
	assert_int_equal(fake.access.mode, 0640);
	assert_int_equal(shmring_chown(r, 7, (gid_t)-1), -EPERM);
	assert_int_equal(fake.access.valid, SHMRING_ACCESS_UID);
	assert_int_equal(fake.access.uid, 7);
	assert_int_equal(shmring_chown(r, (uid_t)-1, 8), -EPERM);
	assert_int_equal(fake.access.valid, SHMRING_ACCESS_GID);
	assert_int_equal(fake.access.gid, 8);
	assert_int_equal(shmring_chown(r, (uid_t)-1, (gid_t)-1), -EPERM);
	assert_int_equal(fake.access.valid, 0);
	fake.answer = ENOTTY;
	assert_int_equal(shmring_chmod(r, 0640), -EOPNOTSUPP);
	assert_int_equal(shmring_chown(r, 0, 0), -EOPNOTSUPP);
	shmring_close(r);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(known_layout_is_mapped),
		TEST(file_of_a_file_system_is_no_ring),
		TEST(ring_of_another_layout_is_not_attached_to),
		TEST(endpoint_of_another_layout_is_not_mapped),
		TEST(what_attach_returns_is_an_endpoint_or_stays_open),
		TEST(ring_that_does_not_answer_is_not_attached_to),
		TEST(lowat_is_the_endpoints_from_the_start),
		TEST(error_of_the_module_is_final),
		TEST(device_of_others_is_not_passed_over),
		TEST(without_a_device_there_is_memfd),
		TEST(name_of_a_memfd_ring_is_not_made_again),
		TEST(wait_for_a_name_returns_the_modules_error),
		TEST(no_descriptor_is_below_three),
		TEST(endpoint_without_a_number_is_closed),
		TEST(used_is_never_more_than_the_ring),
		TEST(used_is_of_one_moment),
		TEST(info_is_of_the_lane),
		TEST(info_of_a_ring_that_does_not_answer_is_an_error),
		TEST(poll_is_told_of_another_number_only),
		TEST(access_is_asked_for_by_parts),
	};

	return cmocka_run_group_tests_name("kmod", tests, NULL, NULL);
}
