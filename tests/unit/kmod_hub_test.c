// SPDX-License-Identifier: MIT
/* What a hub asks the module for: here the test is the module. Lanes are memory of this process. */
#include "rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <shmring/hub.h>

#include "hub.h"

#define LANES	3
#define CAPACITY (4 * page_size())
#define NR_FDS	256

enum kind { NONE, CONTROL, RING, LANE, SET };

static struct {
	enum kind kind[NR_FDS];		/* of each descriptor */
	unsigned int lane[NR_FDS];
	unsigned char *memory[LANES];	/* as the other side and the module see it */
	int files[LANES], set_file;
	struct shmring_waitset *set;
	struct shmring_ioc_create create;
	struct shmring_ioc_query query;
	struct shmring_ioc_lowat lowat;
	struct shmring_ioc_waitset_wait wait;
	unsigned int added, kicked, lowats, waits;
	struct shmring_ioc_kick kick;
	unsigned long fails;		/* this request, ... */
	int error;			/* ... so */
	void (*in_wait)(void);		/* what happens while the hub sleeps */
} fake;

static int new_fd(enum kind kind, unsigned int lane)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_true(fd > 2 && fd < NR_FDS);
	fake.kind[fd] = kind;
	fake.lane[fd] = lane;
	return fd;
}

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	return strcmp(path, "/dev/shmring") ? __real_open(path, flags, 0) : new_fd(CONTROL, 0);
}

static int wait_ioctl(const struct shmring_ioc_waitset_wait *w)
{
	fake.wait = *w;
	fake.waits++;
	if (w->flags & SHMRING_WAITSET_F_COOL)
		return 0;
	fake.set->hot[0] = 0;
	if (fake.in_wait)
		fake.in_wait();
	if (fake.set->hot[0])
		return 0;
	errno = ETIMEDOUT;
	return -1;
}

static int query_ioctl(int fd, struct shmring_ioc_query *q)
{
	*q = fake.query;
	if (fake.kind[fd] != LANE)
		return 0;
	q->role = SHMRING_ROLE_CONSUMER;
	q->own_lane = fake.lane[fd];
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct shmring_ioc_waitset_change *change;
	const struct shmring_ioc_attach *attach;
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	errno = fake.error;
	if (request == fake.fails)
		return -1;
	switch (request) {
	case SHMRING_IOC_CREATE:
		fake.create = *(struct shmring_ioc_create *)arg;
		return new_fd(RING, 0);
	case SHMRING_IOC_QUERY:
		return query_ioctl(fd, arg);
	case SHMRING_IOC_ATTACH:
		attach = arg;
		assert_int_equal(attach->role, SHMRING_ROLE_CONSUMER);
		assert_int_equal(attach->flags, SHMRING_ATTACH_F_LANE);
		return new_fd(LANE, attach->lane);
	case SHMRING_IOC_WAITSET_CREATE:
		assert_int_equal(((struct shmring_ioc_waitset_create *)arg)->max, LANES);
		return new_fd(SET, 0);
	case SHMRING_IOC_WAITSET_CHANGE:
		change = arg;
		assert_int_equal(fake.kind[change->fd], LANE);
		assert_int_equal(fake.lane[change->fd], change->index);
		fake.set->hot[0] |= 1ull << change->index;
		fake.added++;
		return 0;
	case SHMRING_IOC_WAITSET_WAIT:
		return wait_ioctl(arg);
	case SHMRING_IOC_SET_LOWAT:
		fake.lowat = *(struct shmring_ioc_lowat *)arg;
		fake.lowats++;
		return 0;
	case SHMRING_IOC_KICK:
		fake.kicked++;
		fake.kick = *(struct shmring_ioc_kick *)arg;
		return 0;
	}
	return 0;
}

void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if ((flags & MAP_SHARED) && fake.kind[fd] == LANE)
		fd = fake.files[fake.lane[fd]];
	else if ((flags & MAP_SHARED) && fake.kind[fd] == SET)
		fd = fake.set_file;
	return __real_mmap(at, len, prot, flags, fd, offset);
}

/* ------------------------------------------------------------------ set-up */

static void *memory_of(int *file, size_t size)
{
	void *memory;

	*file = memfd_create("module", MFD_CLOEXEC);
	assert_true(*file >= 0 && !ftruncate(*file, (off_t)size));
	memory = __real_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
	assert_true(memory != MAP_FAILED);
	return memory;
}

static size_t lane_size(void)
{
	return 3 * page_size() + 2 * CAPACITY;
}

static struct shmring_lane *lane_of(unsigned int i)
{
	return (void *)(fake.memory[i] + SHMRING_LANE_OFFSET);
}

static int setup(void **state)
{
	const uint64_t page = page_size();
	unsigned int i;

	(void)state;
	memset(&fake, 0, sizeof(fake));
	for (i = 0; i < LANES; i++) {
		fake.memory[i] = memory_of(&fake.files[i], lane_size());
		*(struct shmring_status *)(void *)fake.memory[i] = (struct shmring_status){
			.magic = SHMRING_MAGIC, .abi = SHMRING_ABI, .capacity = CAPACITY,
			.nr_lanes = 1, .align = 8,
		};
		lane_of(i)->producer.wake_at = SHMRING_NO_WAKE;
		lane_of(i)->consumer.wake_at = SHMRING_NO_WAKE;
	}
	fake.set = memory_of(&fake.set_file, page);
	fake.set->magic = SHMRING_MAGIC;
	fake.set->max = LANES;
	fake.query = (struct shmring_ioc_query){
		.capacity = CAPACITY, .align = 8, .topology = SHMRING_TOPOLOGY_FAN_IN,
		.nr_lanes = LANES, .kernel = { 0, page }, .consumer = { page, page },
		.producer = { 2 * page, page }, .data = { 3 * page, 2 * CAPACITY },
	};
	return 0;
}

static int teardown(void **state)
{
	unsigned int i;

	(void)state;
	for (i = 0; i < LANES; i++) {
		munmap(fake.memory[i], lane_size());
		close(fake.files[i]);
	}
	munmap(fake.set, page_size());
	close(fake.set_file);
	return 0;
}

static int create_hub(struct shmring_hub **h)
{
	const struct shmring_hub_options opt = {
		.capacity = CAPACITY, .lanes = LANES, .lanes_per_user = 2, .flags = SHMRING_HUB_EOF,
		.policy = SHMRING_BLOCK, .backend = SHMRING_KMOD,
	};

	return shmring_hub_create(h, "hub", &opt);
}

static struct shmring_hub *new_hub(void)
{
	struct shmring_hub *h;

	assert_int_equal(create_hub(&h), 0);
	return h;
}

/* A record of 8 bytes in a lane, as its producer writes it. */
static void publish(unsigned int lane)
{
	struct shmring_producer *p = (void *)(fake.memory[lane] + 2 * page_size());
	struct shmring_record *rec =
		(void *)(fake.memory[lane] + 3 * page_size() + p->head % CAPACITY);

	rec->len = 8;
	rec->flags = 0;
	__atomic_store_n(&p->head, p->head + 16, __ATOMIC_RELEASE);
}

static unsigned int nr_open(void)
{
	unsigned int n = 0;
	int fd;

	for (fd = 0; fd < NR_FDS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ------------------------------------------------------------------- tests */

static void create_asks_for_lanes(void **state)
{
	struct shmring_hub *h = new_hub();
	unsigned int i;

	(void)state;
	assert_int_equal(fake.create.topology, SHMRING_TOPOLOGY_FAN_IN);
	assert_int_equal(fake.create.nr_lanes, LANES);
	assert_int_equal(fake.create.lanes_per_user, 2);
	assert_int_equal(fake.create.flags, 0);
	assert_int_equal(fake.added, LANES);
	assert_int_equal(shmring_hub_lanes(h), LANES);
	for (i = 0; i < LANES; i++)
		assert_int_equal(shmring_hub_lane(h, shmring_hub_endpoint(h, i)), i);
	assert_int_equal(fake.kind[shmring_hub_poll_fd(h)], SET);
	assert_int_equal(fake.kind[shmring_hub_fd(h)], RING);
	shmring_hub_close(h);
}

static void failure_leaves_no_descriptor(void **state)
{
	static const struct {
		unsigned long request;
		int error, want;
	} rows[] = {
		{ SHMRING_IOC_CREATE, E2BIG, -EOPNOTSUPP },
		{ SHMRING_IOC_CREATE, EDQUOT, -EDQUOT },
		{ SHMRING_IOC_ATTACH, EBUSY, -EBUSY },
		{ SHMRING_IOC_QUERY, EINVAL, -EPROTO },
		{ SHMRING_IOC_WAITSET_CREATE, EMFILE, -EMFILE },
		{ SHMRING_IOC_WAITSET_CHANGE, EBUSY, -EBUSY },
	};
	struct shmring_hub *h;
	unsigned int before, i;

	(void)state;
	shmring_hub_close(new_hub());
	before = nr_open();
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		fake.fails = rows[i].request;
		fake.error = rows[i].error;
		assert_int_equal(create_hub(&h), rows[i].want);
		assert_int_equal(nr_open(), before);
	}
}

/* Another set than was asked for, a ring without lanes, or with too many. */
static void false_answers_are_refused(void **state)
{
	struct shmring_hub *h;

	(void)state;
	fake.set->max = 1;
	assert_int_equal(create_hub(&h), -EPROTO);
	fake.set->max = LANES;
	fake.query.nr_lanes = SHMRING_LANES_MAX + 1;
	assert_int_equal(create_hub(&h), -EPROTO);
	fake.query.nr_lanes = 0;
	assert_int_equal(create_hub(&h), -EPROTO);
	fake.query.nr_lanes = 1;
	fake.query.topology = SHMRING_TOPOLOGY_RING;
	assert_int_equal(create_hub(&h), -EPROTO);
	fake.query.topology = SHMRING_TOPOLOGY_WORK + 1;
	assert_int_equal(create_hub(&h), -EPROTO);
}

static void publish_and_wake(void)
{
	publish(2);
	fake.set->hot[0] = 1 << 2;
}

/* The module's bits alone say where to look. */
static void hot_lanes_are_looked_at(void **state)
{
	struct shmring_wait w = { .deadline = shmring_deadline(20000000000) };
	struct shmring_hub *h = new_hub();
	struct shmring *lane;

	(void)state;
	fake.in_wait = publish_and_wake;
	assert_int_equal(shmring_hub_wait(h, &w), 0);
	assert_int_equal(fake.wait.deadline, w.deadline);
	publish(1);
	lane = shmring_hub_next(h);
	assert_int_equal(shmring_hub_lane(h, lane), 2);
	assert_non_null(shmring_peek(lane, &(size_t){ 0 }));
	assert_int_equal(shmring_release(lane), 0);
	assert_null(shmring_hub_next(h));
	fake.set->hot[0] |= 1 << 1;
	assert_int_equal(shmring_hub_lane(h, shmring_hub_next(h)), 1);
	shmring_hub_close(h);
}

/* Bytes that are held are no news: the module is told of them, once. */
static void held_bytes_are_no_news(void **state)
{
	struct shmring_hub *h = new_hub();
	struct shmring *lane;

	(void)state;
	publish(0);
	lane = shmring_hub_next(h);
	assert_non_null(shmring_peek(lane, &(size_t){ 0 }));
	assert_int_equal(shmring_advance(lane), 0);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	assert_int_equal(fake.lowat.bytes, 17);
	assert_int_equal(fake.wait.flags, SHMRING_WAITSET_F_COOL);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	assert_int_equal(fake.lowats, 1);
	assert_int_equal(shmring_release(lane), 0);
	assert_int_equal(fake.lowat.bytes, 1);
	shmring_hub_close(h);
}

/* A false head ends its producer's role; the lane is taken back once that is over. */
static void liar_is_kicked(void **state)
{
	struct shmring_producer *p = (void *)(fake.memory[0] + 2 * page_size());
	struct shmring_hub *h = new_hub();

	(void)state;
	lane_of(0)->producer.state = SHMRING_PEER_LIVE;
	lane_of(0)->producer.epoch = 1;
	p->head = 5 * CAPACITY;
	assert_null(shmring_hub_next(h));
	assert_int_equal(fake.kicked, 1);
	assert_int_equal(fake.kick.epoch, 1);
	assert_null(shmring_hub_next(h));
	assert_int_equal(fake.kicked, 1);
	p->head = 0;
	lane_of(0)->producer.state = SHMRING_PEER_GONE;
	lane_of(0)->producer.end = 0;
	assert_int_equal(shmring_hub_wait(h, &nowait), -ENODATA);
	lane_of(0)->producer.state = SHMRING_PEER_LIVE;
	lane_of(0)->producer.epoch = 2;
	publish(0);
	assert_int_equal(shmring_hub_wait(h, &nowait), 0);
	assert_int_equal(shmring_hub_lane(h, shmring_hub_next(h)), 0);
	shmring_hub_close(h);
}

/* Between the false value and the kick another producer has come: it keeps its role and its lane. */
static void next_producer_is_not_kicked(void **state)
{
	struct shmring_producer *p = (void *)(fake.memory[0] + 2 * page_size());
	struct shmring_hub *h = new_hub();
	struct shmring *lane = shmring_hub_endpoint(h, 0);

	(void)state;
	lane_of(0)->producer.state = SHMRING_PEER_LIVE;
	lane_of(0)->producer.epoch = 1;
	p->head = 5 * CAPACITY;
	assert_null(shmring_peek(lane, &(size_t){ 0 }));
	p->head = 0;
	lane_of(0)->producer.epoch = 2;
	assert_null(shmring_hub_next(h));
	assert_int_equal(fake.kicked, 0);
	publish(0);
	assert_int_equal(shmring_hub_wait(h, &nowait), 0);
	assert_int_equal(shmring_hub_lane(h, shmring_hub_next(h)), 0);
	shmring_hub_close(h);
}

/*
 * A producer that was kicked, and still has its mapping, sends more, which the hub takes, and then
 * a false head. The next producer begins at the hub's tail, as the module settles it.
 */
static void lane_goes_on_beyond_the_end(void **state)
{
	struct shmring_producer *p = (void *)(fake.memory[0] + 2 * page_size());
	struct shmring_hub *h = new_hub();
	struct shmring *lane;
	int i;

	(void)state;
	lane_of(0)->producer.epoch = 1;
	lane_of(0)->producer.end = 16;
	lane_of(0)->producer.state = SHMRING_PEER_GONE;
	for (i = 0; i < 2; i++) {
		publish(0);
		lane = shmring_hub_next(h);
		assert_non_null(lane);
		assert_non_null(shmring_peek(lane, &(size_t){ 0 }));
		assert_int_equal(shmring_release(lane), 0);
	}
	p->head = 5 * CAPACITY;
	assert_null(shmring_hub_next(h));
	p->head = 32;
	lane_of(0)->producer.epoch = 2;
	lane_of(0)->producer.state = SHMRING_PEER_LIVE;
	publish(0);
	assert_int_equal(shmring_hub_wait(h, &nowait), 0);
	assert_int_equal(shmring_hub_lane(h, shmring_hub_next(h)), 0);
	shmring_hub_close(h);
}

static void *guarded;	/* lane 1's kernel page, as the hub has it mapped */

/* The hub has passed lane 0 and looks at lane 1: a producer comes there, and this one goes. */
static void change_producers(int sig)
{
	(void)sig;
	mprotect(guarded, page_size(), PROT_READ);
	lane_of(0)->producer.epoch++;
	lane_of(0)->producer.state = SHMRING_PEER_LIVE;
	lane_of(1)->producer.state = SHMRING_PEER_GONE;
}

/* There is a producer at each moment, though not in the same lane: that is not the end. */
static void end_is_of_one_moment(void **state)
{
	const struct sigaction change = { .sa_handler = change_producers };
	struct shmring_hub *h = new_hub();
	struct sigaction before;

	(void)state;
	lane_of(1)->producer.epoch = 1;		/* it is just attaching, ... */
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	lane_of(1)->producer.state = SHMRING_PEER_LIVE;
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	fake.set->hot[0] = 0;
	guarded = (char *)h->lanes[1]->lane - SHMRING_LANE_OFFSET;
	assert_int_equal(sigaction(SIGSEGV, &change, &before), 0);
	assert_int_equal(mprotect(guarded, page_size(), PROT_NONE), 0);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_int_equal(lane_of(0)->producer.epoch, 1);
	lane_of(0)->producer.state = SHMRING_PEER_GONE;
	assert_int_equal(shmring_hub_wait(h, &nowait), -ENODATA);
	shmring_hub_close(h);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(create_asks_for_lanes),
		TEST(failure_leaves_no_descriptor),
		TEST(false_answers_are_refused),
		TEST(hot_lanes_are_looked_at),
		TEST(held_bytes_are_no_news),
		TEST(liar_is_kicked),
		TEST(next_producer_is_not_kicked),
		TEST(lane_goes_on_beyond_the_end),
		TEST(end_is_of_one_moment),
	};

	return cmocka_run_group_tests_name("kmod_hub", tests, NULL, NULL);
}
