// SPDX-License-Identifier: MIT
/*
 * How often does a call load, and store, each word that both sides see? Counted on the module
 * as it is shipped, by the processor: through perf, debug registers watch the kernel's own
 * addresses of these words, for the task that makes the call. Each instruction that touches a
 * word counts, whether inlined or atomic or neither. User space's accesses do not count: it has
 * other addresses for the same frames.
 *
 * A word that the other side may write is dangerous if it is read twice and checked once. So
 * each step of a call, which decides one thing once, may load such a word once; and a call may
 * take the steps that the table gives it. A wait that arms looks again afterwards, and so does
 * one that was woken: each look is a step. Any further load has a step of its own with a name.
 *
 * A kprobe on the kernel's function that maps a ring's pages gives their addresses. x86 cannot
 * watch loads alone, and has four registers: so every call is made again for each four words,
 * once to count all accesses, and once to count stores.
 */
#include "abi.h"

#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define TRACING		"/sys/kernel/tracing/"
#define EVENT		"shmring_loads/frame"

/* The words, and in whose page they are. */
enum page { KERNEL_PAGE, CONSUMER_PAGE, PRODUCER_PAGE, DATA_PAGE, NR_PAGES };

#define LANE(member)	KERNEL_PAGE, SHMRING_LANE_OFFSET + offsetof(struct shmring_lane, member)

static const struct word {
	const char *name;
	enum page page;
	size_t offset;
	size_t size;
} words[] = {
	/* User space writes these. */
	{ "head", PRODUCER_PAGE, offsetof(struct shmring_producer, head), 8 },
	{ "tail", CONSUMER_PAGE, offsetof(struct shmring_consumer, tail), 8 },
	{ "producer.refused", PRODUCER_PAGE, offsetof(struct shmring_producer, refused), 8 },
	{ "consumer.refused", CONSUMER_PAGE, offsetof(struct shmring_consumer, refused), 8 },
	{ "data", DATA_PAGE, 0, 8 },
	/* The kernel writes these, on behalf of either side. */
	{ "consumer.wake_at", LANE(consumer.wake_at), 8 },
	{ "producer.wake_at", LANE(producer.wake_at), 8 },
	{ "consumer.fence_until", LANE(consumer.fence_until), 8 },
	{ "producer.fence_until", LANE(producer.fence_until), 8 },
	{ "consumer.state", LANE(consumer.state), 4 },
	{ "producer.state", LANE(producer.state), 4 },
	{ "end", LANE(producer.end), 8 },
};

#define NR_WORDS	ARRAY_SIZE(words)
#define NR_USERS_WORDS	5	/* the first of them */
#define AT_ONCE		4	/* as many as there are debug registers */

/* The words that a step touches, "name" once or "name:times". */
static const struct step {
	const char *name;
	const char *loads;
	const char *stores;
} steps[] = {
	/* Is there data, or space? */
	{ "data?", "head tail producer.state", "" },
	{ "enough?", "producer.wake_at", "" },	/* there is some, but less than was asked for */
	{ "end?", "tail end producer.state", "" },
	{ "space?", "head tail consumer.state", "" },
	/* Arm: at which position to be woken; is the fence due; does the other side wait? */
	{ "arm-data", "head tail consumer.wake_at producer.wake_at", "consumer.wake_at" },
	{ "arm-space", "head tail producer.wake_at consumer.wake_at", "producer.wake_at" },
	/* For the next byte, whatever the other side waits for. */
	{ "arm-next", "head tail consumer.wake_at", "consumer.wake_at" },
	/* For more than was seen. */
	{ "arm-edge", "head consumer.wake_at producer.wake_at", "consumer.wake_at" },
	/* Of an armed side that is ready: is its position one of the present owner? */
	{ "remember-data", "producer.state", "" },
	{ "remember-space", "consumer.state", "" },
	{ "fence-data", "consumer.fence_until", "consumer.fence_until" },
	{ "fence-space", "producer.fence_until", "producer.fence_until" },
	{ "disarm-data", "", "consumer.wake_at" },
	{ "disarm-space", "", "producer.wake_at" },
	/* Is a consumer armed; and, under the lock, still? */
	{ "consumer?", "consumer.wake_at", "" },
	{ "producer?", "producer.wake_at", "" },
	{ "wake-consumer", "consumer.wake_at", "consumer.wake_at" },
	{ "wake-producer", "producer.wake_at", "producer.wake_at" },
	/* All that QUERY and /proc/shmring show. */
	{ "show", "head tail consumer.state producer.state producer.refused consumer.refused",
	  "" },
	{ "moved?", "tail", "" },	/* during the load of head: shmring_positions() */
	/* Roles. */
	{ "begin-producer", "", "producer.state consumer.wake_at" },
	{ "begin-consumer", "", "consumer.state producer.wake_at" },
	{ "end-producer", "head tail", "head end producer.state consumer.wake_at producer.wake_at" },
	{ "end-consumer", "head tail", "tail consumer.state consumer.wake_at producer.wake_at" },
};

/* A ring; this process has mapped both sides. */
struct scene {
	const char *name;
	int ring;
	struct endpoint p, c;
	uint64_t kernel[NR_PAGES];	/* the kernel's addresses of the pages */
	struct actor a;			/* a process that sleeps on an endpoint of this one */
	pid_t watched;			/* the process that makes the call; 0: this one */
	int fd;				/* a file for the call, beside the endpoints */
};

#define CAPACITY	page_size()
#define SOME		64	/* bytes */

/* Each prepares a call. */
static void empty(struct scene *s) { (void)s; }
static void some(struct scene *s) { set_position(&s->p, SOME); }
static void full(struct scene *s) { set_position(&s->p, CAPACITY); }
static void head_is_false(struct scene *s) { set_position(&s->p, 3 * CAPACITY); }
static void tail_is_false(struct scene *s) { set_position(&s->c, 3 * CAPACITY); }
static void no_producer(struct scene *s) { drop(&s->p); }
static void no_consumer(struct scene *s) { drop(&s->c); }
static void end_of_data(struct scene *s) { some(s); no_producer(s); }

static void fall_asleep(struct scene *s, const struct endpoint *e, uint64_t bytes)
{
	uint64_t before = sleeps(s->ring, e->role);

	s->a = actor_on(e->fd, e->role);
	start_verb(&s->a, VERB_WAIT, bytes, bytes, 0);
	await_sleep(&s->a, s->ring, before);
}

static void consumer_asleep(struct scene *s) { fall_asleep(s, &s->c, SOME); }

static void producer_asleep(struct scene *s)
{
	full(s);
	fall_asleep(s, &s->p, SOME);
}

static void consumer_short(struct scene *s)
{
	some(s);
	fall_asleep(s, &s->p, CAPACITY);
}

static void consumer_to_sleep(struct scene *s)
{
	s->a = actor_on(s->c.fd, CONSUMER);
	s->watched = s->a.pid;
}

static void producer_to_sleep(struct scene *s)
{
	full(s);
	s->a = actor_on(s->p.fd, PRODUCER);
	s->watched = s->a.pid;
}

static void new_epoll(struct scene *s)
{
	s->fd = epoll_create1(EPOLL_CLOEXEC);
	CHECK(s->fd >= 0);
}

static void watch_data(struct scene *s, uint32_t events)
{
	struct epoll_event ev = { .events = events };

	CHECK(!epoll_ctl(s->fd, EPOLL_CTL_ADD, s->c.fd, &ev));
}

static void epoll_some(struct scene *s) { some(s); new_epoll(s); }
static void epoll_watched(struct scene *s) { epoll_some(s); watch_data(s, EPOLLIN); }

static void open_file(struct scene *s, const char *path)
{
	s->fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(s->fd >= 0);
}

static void fdinfo(struct scene *s)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->c.fd);
	open_file(s, path);
}

static void proc(struct scene *s) { open_file(s, "/proc/shmring"); }

static void consumer_unmapped(struct scene *s)
{
	drop(&s->c);
	s->fd = attach(s->ring, CONSUMER);
	CHECK(s->fd >= 0);
}

/* The calls. */
static void expect_data(struct scene *s, uint64_t bytes, uint64_t deadline, int ret)
{
	EXPECT_EQ(wait_data(s->c.fd, bytes, 0, deadline), ret);
}

static void expect_space(struct scene *s, uint64_t deadline, int ret)
{
	EXPECT_EQ(wait_space(s->p.fd, SOME, 0, deadline), ret);
}

#define PAST	1	/* a deadline */

static void wait_for_data(struct scene *s) { expect_data(s, SOME, 0, 0); }
static void wait_for_more(struct scene *s) { expect_data(s, CAPACITY, 0, 0); }
static void no_data_yet(struct scene *s) { expect_data(s, SOME, PAST, -ETIMEDOUT); }
static void no_data_ever(struct scene *s) { expect_data(s, SOME, 0, -ENODATA); }
static void wait_for_space(struct scene *s) { expect_space(s, 0, 0); }
static void no_space_yet(struct scene *s) { expect_space(s, PAST, -ETIMEDOUT); }
static void no_space_ever(struct scene *s) { expect_space(s, 0, -EPIPE); }

/* The actor sleeps until @wake has been called. */
static void sleep_until(struct scene *s, void (*wake)(struct scene *s), int ret)
{
	uint64_t before = sleeps(s->ring, s->a.role);

	start_verb(&s->a, VERB_WAIT, SOME, SOME, 0);
	await_sleep(&s->a, s->ring, before);
	wake(s);
	EXPECT_EQ(result_of(&s->a), ret);
}

static void move_head(struct scene *s) { move(&s->p, SOME); }
static void move_tail(struct scene *s) { move(&s->c, SOME); }
static void sleep_for_data(struct scene *s) { sleep_until(s, move_head, 0); }
static void sleep_for_space(struct scene *s) { sleep_until(s, move_tail, 0); }
static void sleep_for_end(struct scene *s) { sleep_until(s, no_producer, -ENODATA); }

static int events_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

static void poll_data(struct scene *s) { EXPECT_EQ(events_of(s->c.fd), POLLIN); }
static void poll_space(struct scene *s) { EXPECT_EQ(events_of(s->p.fd), POLLOUT); }
static void poll_nothing(struct scene *s) { EXPECT_EQ(events_of(s->c.fd), 0); }
static void poll_no_space(struct scene *s) { EXPECT_EQ(events_of(s->p.fd), 0); }
static void poll_end(struct scene *s) { EXPECT_EQ(events_of(s->c.fd), POLLIN | POLLHUP); }
static void poll_broken(struct scene *s) { EXPECT_EQ(events_of(s->p.fd), POLLERR | POLLHUP); }

static void sleep_in_poll(struct scene *s)
{
	start_verb(&s->a, VERB_POLL, POLLIN, PATIENCE_S * 1000, 0);
	AWAIT(s->c.lane->consumer.wake_at != SHMRING_NO_WAKE && state_of(s->a.pid) == 'S');
	move_head(s);
	EXPECT_EQ(result_of(&s->a), POLLIN);
}

static void epoll_level(struct scene *s) { watch_data(s, EPOLLIN); }
static void epoll_edge(struct scene *s) { watch_data(s, EPOLLIN | EPOLLET); }

static void epoll_get(struct scene *s)
{
	struct epoll_event ev;

	EXPECT_EQ(epoll_wait(s->fd, &ev, 1, 0), 1);
}

static void expect_wake(int fd) { EXPECT_EQ(call(fd, SHMRING_IOC_WAKE, NULL), 0); }
static void wake_consumer(struct scene *s) { expect_wake(s->p.fd); }
static void wake_producer(struct scene *s) { expect_wake(s->c.fd); }
static void query_it(struct scene *s) { query(s->c.fd); }

static void read_it(struct scene *s)
{
	char text[4096];

	EXPECT(read(s->fd, text, sizeof(text)) > 0);
}

static void attach_producer(struct scene *s) { EXPECT(attach(s->ring, PRODUCER) >= 0); }
static void attach_consumer(struct scene *s) { EXPECT(attach(s->ring, CONSUMER) >= 0); }
static void attach_again(struct scene *s) { EXPECT_EQ(attach(s->ring, CONSUMER), -EBUSY); }
static void narrow_it(struct scene *s) { EXPECT(narrow(s->ring, SHMRING_RIGHT_CONSUME) >= 0); }
static void open_it(struct scene *s) { EXPECT(open_ring(s->name, SHMRING_RIGHT_ALL) >= 0); }
static void unlink_it(struct scene *s) { EXPECT_EQ(unlink_ring(s->name), 0); }
static void unmap_producer(struct scene *s) { unmap(&s->p); }
static void unmap_consumer(struct scene *s) { unmap(&s->c); }
static void close_it(struct scene *s) { EXPECT_EQ(close(s->fd), 0); }
static void close_mapped(struct scene *s) { EXPECT_EQ(close(s->c.fd), 0); }

static void map_it(struct scene *s)
{
	map_region(s->fd, &s->p.q.consumer, PROT_READ | PROT_WRITE);
}

static const struct try {
	const char *name;
	void (*before)(struct scene *s);
	void (*call)(struct scene *s);
	const char *steps;
} tries[] = {
	{ "WAIT_DATA, there is", some, wait_for_data, "data?" },
	{ "WAIT_DATA, false head", head_is_false, wait_for_data, "data?" },
	{ "WAIT_DATA, less than asked for, producer asleep", consumer_short, wait_for_more,
	  "data? enough?" },
	{ "WAIT_DATA, none, deadline passed", empty, no_data_yet,
	  "data? arm-data fence-data data? disarm-data data?" },
	{ "WAIT_DATA, none, deadline passed, producer fences", no_data_yet, no_data_yet,
	  "data? arm-data data? disarm-data data?" },
	{ "WAIT_DATA, sleeps, woken", consumer_to_sleep, sleep_for_data,
	  "data? arm-data fence-data data? data? remember-data disarm-data" },
	{ "WAIT_DATA, sleeps, producer goes", consumer_to_sleep, sleep_for_end,
	  "data? arm-data fence-data data? end? disarm-data" },
	{ "WAIT_DATA, end of stream", no_producer, no_data_ever, "end?" },
	{ "WAIT_SPACE, there is", some, wait_for_space, "space?" },
	{ "WAIT_SPACE, false tail", tail_is_false, wait_for_space, "space?" },
	{ "WAIT_SPACE, none, deadline passed", full, no_space_yet,
	  "space? arm-space fence-space space? disarm-space space?" },
	{ "WAIT_SPACE, sleeps, woken", producer_to_sleep, sleep_for_space,
	  "space? arm-space fence-space space? space? remember-space disarm-space" },
	{ "WAIT_SPACE, consumer gone", no_consumer, no_space_ever, "space?" },
	{ "poll, data", some, poll_data, "data?" },
	{ "poll, no data", empty, poll_nothing,
	  "data? arm-next fence-data data?" },
	{ "poll, space", empty, poll_space, "space?" },
	{ "poll, no space", full, poll_no_space,
	  "space? arm-space fence-space space?" },
	{ "poll, last data", end_of_data, poll_end, "end?" },
	{ "poll, consumer gone", no_consumer, poll_broken, "space?" },
	{ "poll, sleeps, woken", consumer_to_sleep, sleep_in_poll,
	  "data? arm-next fence-data data? data?" },
	{ "EPOLL_CTL_ADD, level, data", epoll_some, epoll_level, "data?" },
	{ "EPOLL_CTL_ADD, edge, data", epoll_some, epoll_edge,
	  "data? arm-edge fence-data data? remember-data" },
	{ "EPOLL_CTL_ADD, edge, no data", new_epoll, epoll_edge,
	  "data? arm-next fence-data data?" },
	{ "epoll_wait, level, data", epoll_watched, epoll_get, "data?" },
	{ "WAKE, nobody", some, wake_consumer, "consumer?" },
	{ "WAKE, a consumer", consumer_asleep, wake_consumer, "consumer? wake-consumer" },
	{ "WAKE, a producer", producer_asleep, wake_producer, "producer? wake-producer" },
	{ "QUERY", some, query_it, "show moved?" },
	{ "fdinfo", fdinfo, read_it, "show moved?" },
	{ "/proc/shmring", proc, read_it, "show moved?" },
	{ "ATTACH, producer", no_producer, attach_producer, "begin-producer" },
	{ "ATTACH, consumer", no_consumer, attach_consumer, "begin-consumer" },
	{ "ATTACH, role is taken", empty, attach_again, "" },
	{ "ATTACH, no role", empty, narrow_it, "" },
	{ "OPEN", empty, open_it, "" },
	{ "UNLINK", empty, unlink_it, "" },
	{ "mmap", consumer_unmapped, map_it, "" },
	{ "munmap, producer's last", some, unmap_producer, "end-producer" },
	{ "munmap, producer's last, false head", head_is_false, unmap_producer, "end-producer" },
	{ "munmap, consumer's last", some, unmap_consumer, "end-consumer" },
	{ "close, mapped", some, close_mapped, "" },
	{ "close, never mapped", consumer_unmapped, close_it, "end-consumer" },
};

static bool put(const char *path, const char *text, int flags)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	return ok;
}

/*
 * A kprobe on the function that maps a frame: it records the address, the frame, and where the
 * kernel has its map of all memory.
 */
static void trace_frames(void)
{
	if (access(TRACING "kprobe_events", W_OK))
		skip("no kprobe events: %s", strerror(errno));
	put(TRACING "events/" EVENT "/enable", "0", 0);
	put(TRACING "kprobe_events", "-:" EVENT "\n", O_APPEND);
	if (!put(TRACING "kprobe_events", "p:" EVENT
		 " vmf_insert_pfn at=$arg2:x64 frame=$arg3:x64 base=@page_offset_base:x64\n",
		 O_APPEND))
		skip("no kprobe on vmf_insert_pfn() that knows page_offset_base: %s",
		     strerror(errno));
	CHECK(put(TRACING "events/" EVENT "/enable", "1", 0));
}

static void trace_no_frames(void)
{
	CHECK(put(TRACING "events/" EVENT "/enable", "0", 0));
	CHECK(put(TRACING "kprobe_events", "-:" EVENT "\n", O_APPEND));
}

/* The trace since the last read. */
static void read_trace(char *text, size_t size)
{
	int fd = open(TRACING "trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	CHECK(fd >= 0);
	while (size > 1 && (n = read(fd, text, size - 1)) > 0) {
		text += n;
		size -= (size_t)n;
	}
	*text = '\0';
	CHECK(size > 1);
	close(fd);
}

/* The kernel's address of the page of the last mmap(), from its trace. */
static uint64_t kernel_address(const char *trace, const void *mapped)
{
	unsigned long long at, frame, base;
	uint64_t found = 0;

	while ((trace = strstr(trace, " at="))) {
		if (sscanf(trace, " at=%llx frame=%llx base=%llx", &at, &frame, &base) == 3 &&
		    at == (uintptr_t)mapped)
			found = base + frame * page_size();
		trace++;
	}
	CHECK(found);
	return found;
}

static void set(struct scene *s)
{
	static char trace[1 << 16];

	*s = (struct scene){ .name = unique("loads"), .fd = -1 };
	s->ring = create(s->name, CAPACITY, 0600, 0);
	CHECK(s->ring >= 0);
	s->p = endpoint(s->ring, PRODUCER);
	s->c = endpoint(s->ring, CONSUMER);
	read_trace(trace, sizeof(trace));
	s->kernel[KERNEL_PAGE] = kernel_address(trace, s->c.status);
	s->kernel[CONSUMER_PAGE] = kernel_address(trace, s->c.consumer);
	s->kernel[PRODUCER_PAGE] = kernel_address(trace, s->c.producer);
	s->kernel[DATA_PAGE] = kernel_address(trace, s->c.data);
}

/* A debug register, for the kernel's accesses on behalf of @pid (0: this process); or -errno. */
static int watch(pid_t pid, uint64_t address, size_t size, unsigned int type)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = type,
		.bp_addr = address,
		.bp_len = size,
		.exclude_user = 1,
		.exclude_hv = 1,
		.disabled = 1,
	};
	long fd = syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : (int)fd;
}

static void control_all(const int *fds, unsigned long request)
{
	int i;

	for (i = 0; i < AT_ONCE; i++)
		CHECK(!ioctl(fds[i], request, 0));
}

static long long value(int fd)
{
	uint64_t n;

	CHECK_EQ(read(fd, &n, sizeof(n)), sizeof(n));
	return (long long)n;
}

struct measurement {
	const struct try *try;
	size_t first;		/* word */
	unsigned int type;	/* HW_BREAKPOINT_* */
	long long *counts;	/* of all words; shared */
};

static int measure(void *arg)
{
	const struct measurement *m = arg;
	int fds[AT_ONCE];
	struct scene s;
	int i;

	context("%s", m->try->name);
	set(&s);
	m->try->before(&s);
	for (i = 0; i < AT_ONCE; i++) {
		const struct word *w = &words[m->first + i];

		fds[i] = watch(s.watched, s.kernel[w->page] + w->offset, w->size, m->type);
		CHECK(fds[i] >= 0);
	}
	control_all(fds, PERF_EVENT_IOC_ENABLE);
	m->try->call(&s);
	control_all(fds, PERF_EVENT_IOC_DISABLE);
	for (i = 0; i < AT_ONCE; i++)
		m->counts[m->first + i] = value(fds[i]);
	return TEST_PASS;
}

/* How often a step touches @name. strchr() matches the end of the list, too. */
static long long times(const char *list, const char *name)
{
	size_t len = strlen(name);
	const char *p = list;

	while ((p = strstr(p, name))) {
		if ((p == list || p[-1] == ' ') && strchr(" :", p[len]))
			return p[len] == ':' ? atol(p + len + 1) : 1;
		p += len;
	}
	return 0;
}

static const struct step *find_step(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		if (strlen(steps[i].name) == len && !memcmp(steps[i].name, name, len))
			return &steps[i];
	printf("no such step: %s\n", name);
	exit(TEST_FAIL);
}

/* Expect the accesses of all steps of a call together. */
static void expect(const struct try *t, const long long *loads, const long long *stores)
{
	long long want_loads[NR_WORDS] = { 0 }, want_stores[NR_WORDS] = { 0 };
	const struct step *step;
	const char *p;
	size_t i, len;

	for (p = t->steps; *p; p += len + (p[len] == ' ')) {
		len = strcspn(p, " ");
		step = find_step(p, len);
		for (i = 0; i < NR_WORDS; i++) {
			want_loads[i] += times(step->loads, words[i].name);
			want_stores[i] += times(step->stores, words[i].name);
		}
	}
	for (i = 0; i < NR_WORDS; i++) {
		context("%s: %s", t->name, words[i].name);
		EXPECT_EQ(loads[i], want_loads[i]);
		EXPECT_EQ(stores[i], want_stores[i]);
	}
}

/* No step may load a word twice that user space can write. */
static void test_steps(void)
{
	size_t i, w;

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		for (w = 0; w < NR_USERS_WORDS; w++)
			EXPECT(times(steps[i].loads, words[w].name) <= 1);
}

static void print(const long long *counts)
{
	size_t i;

	for (i = 0; i < NR_WORDS; i++)
		if (counts[i])
			printf(counts[i] == 1 ? " %s" : " %s:%lld", words[i].name, counts[i]);
	printf(" |");
}

static void measure_all(const struct try *t, unsigned int type, long long *counts)
{
	struct measurement m = { .try = t, .type = type, .counts = counts };

	for (m.first = 0; m.first < NR_WORDS; m.first += AT_ONCE)
		CHECK_EQ(in_child(measure, &m), TEST_PASS);
}

static void test_try(const struct try *t, long long *touched, long long *stores)
{
	size_t i;

	measure_all(t, HW_BREAKPOINT_RW, touched);
	measure_all(t, HW_BREAKPOINT_W, stores);
	for (i = 0; i < NR_WORDS; i++)
		touched[i] -= stores[i];
	printf("| %s | %s |", t->name, t->steps);
	print(touched);
	print(stores);
	putchar('\n');
	expect(t, touched, stores);
}

int main(void)
{
	long long *counts = share(2 * NR_WORDS * sizeof(*counts));
	size_t i;
	int keep;

	need_root();
	control();
	RUN(test_steps);
	trace_frames();
	/*
	 * The kernel rewrites its scheduler for the first event and after the last one.
	 * QEMU 7.2 may not survive what Linux does there hundreds of times.
	 */
	keep = watch(0, (uintptr_t)&keep, sizeof(keep), HW_BREAKPOINT_W);
	if (keep < 0)
		skip("no debug registers: %s", strerror(-keep));
	printf("| call | steps | loads | stores |\n|---|---|---|---|\n");
	for (i = 0; i < ARRAY_SIZE(tries); i++)
		test_try(&tries[i], counts, counts + NR_WORDS);
	trace_no_frames();
	return finish();
}
