// SPDX-License-Identifier: MIT
/*
 * A hostile peer writes any value to every word that it can write, at full speed; a victim uses
 * every call of the library. The victim gets EBADMSG, or messages that lie within the ring. Each
 * of its waits ends, at the latest by the deadline or a signal. Each EBADMSG is counted, and
 * every process can read the count.
 *
 * With the module the peer writes its own region, as a producer also the data, and makes every
 * ioctl. Without the module it writes all words that both sides share, but not the geometry:
 * there the peer is trusted (shmring(7)), and the victim must only survive.
 *
 * SHMRING_SECONDS is the time for each role of the peer, SHMRING_SEED the seed.
 */
#include "lib.h"

#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>

#if __has_include(<liburing.h>)
#define HAVE_URING	1
#include <shmring_uring.h>
#else
#define HAVE_URING	0
#endif

#define CAPACITY	65536
#define PATIENCE	60000000000ull	/* ns: no call takes as long */
#define SIGNAL_US	3000		/* between two signals */

/* The victim's counts, updated while it runs. */
struct score {
	uint64_t calls;		/* of the victim; it hangs if they stand still */
	uint64_t attached;
	uint64_t messages;
	uint64_t refused;	/* endpoints that returned EBADMSG */
	uint64_t timeouts;
	uint64_t signals;
	uint64_t gone;		/* EPIPE and ENODATA */
	uint64_t rings;		/* waits through io_uring */
	uint64_t writes;		/* the peer's turns */
	uint64_t stop;
};

static struct score *score;
static struct shmring *handle;
static uint64_t seed;
static uint64_t refused, messages;	/* in all games */

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void count(uint64_t *word)
{
	__atomic_store_n(word, *word + 1, __ATOMIC_RELAXED);
}

static uint64_t below(uint64_t n)
{
	return random_u64(&seed) % n;
}

/* ---------------------------------------------------------------- the peer */

/* Everything that the hostile peer can reach. */
struct hostile {
	struct shmring *r;
	enum shmring_role role;
	__u64 *own, *other;	/* the positions */
	unsigned char *data;	/* NULL: not to be written */
	void *extra;		/* memfd: the data again, for a consumer */
	bool subtle;		/* mostly does what an honest peer would */
};

/* Mostly near what the other side expects: a value that is far off ends the endpoint at once. */
static uint64_t false_near(uint64_t position)
{
	static const uint64_t steps[] = {
		0, 8, 16, 24, 1, 4, 7, 4096, CAPACITY - 8, CAPACITY, CAPACITY + 8, 2 * CAPACITY,
		1ull << 32, 1ull << 63, ~0ull,
	};

	switch (below(16)) {
	case 0:
		return random_u64(&seed);
	case 1:
		return position - steps[below(ARRAY_SIZE(steps))];
	case 2:
		return position + steps[below(ARRAY_SIZE(steps))];
	default:
		return position + below(CAPACITY / 8) * 8;
	}
}

static uint32_t false_length(void)
{
	static const uint32_t lengths[] = {
		0, 1, 8, 4096, CAPACITY - 8, CAPACITY - 7, CAPACITY, 2 * CAPACITY, 1u << 31,
		~0u, ~0u - 7, ~0u - 8, ~0u - 15,
	};

	return below(8) ? (uint32_t)below(300) : lengths[below(ARRAY_SIZE(lengths))];
}

/* Record headers from the other side's position on, or words anywhere. */
static void corrupt_data(struct hostile *h)
{
	uint64_t at = __atomic_load_n(h->other, __ATOMIC_RELAXED) & ~7ull;
	struct shmring_record rec;
	int i;

	for (i = 0; i < 8; i++) {
		rec.len = false_length();
		rec.flags = below(64) ? 0 : (uint32_t)random_u64(&seed);
		memcpy(h->data + at % CAPACITY, &rec, sizeof(rec));
		at += (8 + (uint64_t)rec.len + 7) & ~7ull;
	}
	*(volatile uint64_t *)(void *)(h->data + below(CAPACITY / 8) * 8) = random_u64(&seed);
}

/* The whole page around a position: the other side must ignore it. */
static void scribble_beside_position(struct hostile *h)
{
	h->own[1 + below(page_size() / 8 - 1)] = random_u64(&seed);
}

/* With the module: ioctls that arm, interrupt and wake. */
static void make_calls(struct hostile *h)
{
	struct shmring_ioc_wait w = { .bytes = 1 + below(CAPACITY), .mark = below(CAPACITY + 1),
				      .deadline = below(2) ? 1 : now_ns() + 1000 };
	struct pollfd p = { .fd = shmring_fd(h->r), .events = POLLIN | POLLOUT };

	ioctl(p.fd, h->role == SHMRING_CONSUMER ? SHMRING_IOC_WAIT_DATA : SHMRING_IOC_WAIT_SPACE,
	      &w);
	poll(&p, 1, 0);
	ioctl(p.fd, SHMRING_IOC_WAKE, NULL);
}

/* Without the module the peer can also write the words that are the kernel's otherwise. */
static void forge_kernel_words(struct hostile *h)
{
	struct shmring_lane *lane = h->r->lane;
	__u64 *words[] = { &lane->consumer.wake_at, &lane->consumer.fence_until, &lane->producer.wake_at,
			   &lane->producer.fence_until, &lane->producer.end };
	__u32 *small[] = { &lane->consumer.state, &lane->producer.state, &lane->consumer.epoch,
			   &lane->producer.epoch, &lane->consumer.futex, &lane->producer.futex,
			   &lane->consumer.poll, &lane->producer.poll };
	uint32_t value = below(4) ? (uint32_t)below(4) : (uint32_t)random_u64(&seed);
	uint64_t position = false_near(*h->other);

	if (below(2))
		__atomic_store_n(words[below(ARRAY_SIZE(words))], position, __ATOMIC_RELAXED);
	else
		__atomic_store_n(small[below(ARRAY_SIZE(small))], value, __ATOMIC_RELAXED);
}

static void write_wildly(struct hostile *h)
{
	if (below(4))
		__atomic_store_n(h->own, false_near(*h->other), __ATOMIC_RELEASE);
	if (h->data && below(2))
		corrupt_data(h);
	if (on_memfd() && !below(8))
		forge_kernel_words(h);
	else if (!on_memfd() && !below(64))
		make_calls(h);
}

/* A correct record, whose length then changes while the victim reads it. */
static void forge_record(struct hostile *h)
{
	uint64_t head = *h->own, tail = __atomic_load_n(h->other, __ATOMIC_RELAXED);
	uint32_t len = h->r->slot_size ? h->r->slot_size : (uint32_t)below(300);
	uint64_t need = __shmring_footprint(h->r, len);
	struct shmring_record *rec = (void *)(h->data + (head & (CAPACITY - 8)));

	if (head - tail > CAPACITY || head % 8) {
		__atomic_store_n(h->own, tail, __ATOMIC_RELEASE);	/* an empty ring */
	} else if (head - tail + need <= CAPACITY) {
		*rec = (struct shmring_record){ .len = len };
		__atomic_store_n(h->own, head + need, __ATOMIC_RELEASE);
	}
	if (h->r->slot_size || below(16))
		return;
	rec = (void *)(h->data + (tail & (CAPACITY - 8)));
	len = __atomic_exchange_n(&rec->len, false_length(), __ATOMIC_RELAXED);
	__atomic_store_n(&rec->len, len, __ATOMIC_RELAXED);
}

static void forge_space(struct hostile *h)
{
	uint64_t tail = *h->own, used = __atomic_load_n(h->other, __ATOMIC_RELAXED) - tail;

	if (used > CAPACITY)
		__atomic_store_n(h->own, tail + used, __ATOMIC_RELEASE);	/* a full window */
	else
		__atomic_store_n(h->own, tail + below(used + 1) + (below(1000) ? 0 : CAPACITY),
				 __ATOMIC_RELEASE);
}

static void write_once(struct hostile *h)
{
	if (!h->subtle)
		write_wildly(h);
	else if (h->role == SHMRING_PRODUCER)
		forge_record(h);
	else
		forge_space(h);
	if (!below(8))
		scribble_beside_position(h);
	if (!below(16))
		__shmring_wake(h->r);
	if (!below(64))
		sched_yield();
	if (!below(8192))
		nap();		/* so that the victim sleeps */
	count(&score->writes);
}

static struct hostile new_hostile(enum shmring_role role)
{
	static unsigned int lives;
	struct hostile h = { .r = attach(handle, role), .role = role, .subtle = lives++ % 2 };

	h.own = role == SHMRING_PRODUCER ? &h.r->producer->head : &h.r->consumer->tail;
	h.other = role == SHMRING_PRODUCER ? &h.r->consumer->tail : &h.r->producer->head;
	if (role == SHMRING_PRODUCER) {
		h.data = h.r->data;
	} else if (on_memfd()) {
		h.extra = mmap(NULL, CAPACITY + page_size(), PROT_READ | PROT_WRITE, MAP_SHARED,
			       shmring_fd(h.r), (off_t)(3 * page_size()));
		CHECK(h.extra != MAP_FAILED);
		h.data = h.extra;
	}
	return h;
}

/* Attaches and closes again and again, too. */
static int be_hostile(void *arg)
{
	const enum shmring_role *role = arg;
	struct hostile h;

	seed = random_u64(&seed) + 1;
	while (!get(&score->stop)) {
		h = new_hostile(*role);
		while (!get(&score->stop) && below(20000))
			write_once(&h);
		if (h.extra)
			munmap(h.extra, CAPACITY + page_size());
		shmring_close(h.r);
	}
	return TEST_PASS;
}

/* --------------------------------------------------------------- the victim */

static volatile unsigned int sum;	/* of all that was received */

/* With a deadline, or until a signal comes. */
static const struct shmring_wait *some_wait(struct shmring_wait *w)
{
	static const enum shmring_policy policies[] = { SHMRING_ADAPTIVE, SHMRING_BLOCK,
							SHMRING_SPIN };

	memset(w, 0, sizeof(*w));
	if (!below(3)) {
		w->flags = SHMRING_NOWAIT;
		return w;
	}
	w->policy = policies[below(3)];
	if (w->policy == SHMRING_SPIN || below(2))
		w->deadline = shmring_deadline(below(2000000));
	return w;
}

/* The results that a call may have with such a peer. */
static long note(long ret)
{
	if (ret == -ETIMEDOUT)
		count(&score->timeouts);
	else if (ret == -EINTR)
		count(&score->signals);
	else if (ret == -EPIPE || ret == -ENODATA)
		count(&score->gone);
	else
		EXPECT(ret >= 0 || ret == -EAGAIN || ret == -EBADMSG || ret == -EDEADLK ||
		       ret == -EMSGSIZE);
	count(&score->calls);
	return ret;
}

static void expect_within(const struct shmring *r, const void *at, size_t len)
{
	const unsigned char *from = at;

	CHECK(len <= CAPACITY);
	CHECK(from >= r->data && from + len <= r->data + 2 * CAPACITY);
	count(&score->messages);
}

static long peek_some(struct shmring *r)
{
	const volatile unsigned char *from;
	unsigned int nr = (unsigned int)below(8);
	struct shmring_wait w;
	size_t len = 0, i;

	do {
		from = shmring_peek(r, &len);
		if (!from)
			return shmring_wait_data(r, some_wait(&w));
		expect_within(r, (const void *)from, len);
		for (i = 0; i < len; i++)
			sum += from[i];
		CHECK_EQ(shmring_advance(r), 0);
	} while (nr--);
	CHECK_EQ(shmring_release(r), 0);
	return 0;
}

static long receive_some(struct shmring *r)
{
	static unsigned char buf[CAPACITY];
	struct shmring_wait w;
	long ret = shmring_recv(r, buf, below(2) ? sizeof(buf) : 100, some_wait(&w));

	if (ret >= 0)
		count(&score->messages);
	return ret;
}

static long send_some(struct shmring *r)
{
	static unsigned char buf[CAPACITY];
	struct shmring_wait w;
	size_t len = r->slot_size ? r->slot_size : below(4) ? below(300) : below(CAPACITY);
	long ret = shmring_send(r, buf, len, some_wait(&w));

	if (ret >= 0)
		count(&score->messages);
	return ret;
}

static long stage_some(struct shmring *r)
{
	unsigned int nr = (unsigned int)below(8);
	size_t len = r->slot_size ? r->slot_size : below(1000);
	struct shmring_wait w;
	void *to;

	do {
		to = shmring_reserve(r, len);
		if (!to)
			return shmring_wait_space(r, len, some_wait(&w));
		expect_within(r, to, len);
		memset(to, 0x5a, len);
		CHECK_EQ(shmring_stage(r, len), 0);
	} while (nr--);
	shmring_publish(r);
	return 0;
}

static long poll_once(struct shmring *r)
{
	struct pollfd p = { .fd = shmring_poll_fd(r), .events = POLLIN | POLLOUT };

	CHECK(p.fd >= 0);
	return poll(&p, 1, below(2) ? 0 : 2) < 0 ? -errno : 0;
}

#if HAVE_URING
/* The wait ends, at the latest by the cancel. */
static void wait_through_uring(struct shmring *r)
{
	struct __kernel_timespec ts = { .tv_nsec = 1000000 };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int left = 1, ret;

	ret = io_uring_queue_init(4, &ring, 0);
	if (ret)
		return;
	if (r->role == SHMRING_CONSUMER)
		shmring_prep_wait_data(io_uring_get_sqe(&ring), r, 1 + below(CAPACITY));
	else
		shmring_prep_wait_space(io_uring_get_sqe(&ring), r,
					r->slot_size ? r->slot_size : below(CAPACITY));
	while ((ret = io_uring_submit(&ring)) == -EINTR)
		;
	CHECK_EQ(ret, 1);
	if (io_uring_wait_cqe_timeout(&ring, &cqe, &ts)) {
		shmring_prep_cancel(io_uring_get_sqe(&ring), r);
		while (io_uring_submit(&ring) == -EINTR)
			;
		left++;
	}
	while (left) {
		if (io_uring_wait_cqe(&ring, &cqe))
			continue;	/* a signal */
		io_uring_cqe_seen(&ring, cqe);
		left--;
	}
	io_uring_queue_exit(&ring);
	count(&score->rings);
	count(&score->calls);
}
#endif

static long call_once(struct shmring *r)
{
	struct shmring_info info = SHMRING_INFO_INIT;

	switch (below(32)) {
	case 0:
		return poll_once(r);
	case 1:
		return shmring_get_info(r, &info);
	default:
		break;
	}
	if (r->role == SHMRING_CONSUMER)
		return below(2) ? peek_some(r) : receive_some(r);
	return below(2) ? send_some(r) : stage_some(r);
}

/* After a false position the endpoint refuses every call, even if the position is right again. */
static void expect_refusal_for_good(struct shmring *r)
{
	struct shmring_wait w;
	size_t len;
	int i;

	for (i = 0; i < 3; i++) {
		if (r->role == SHMRING_CONSUMER) {
			EXPECT_EQ(shmring_wait_data(r, some_wait(&w)), -EBADMSG);
			EXPECT(!shmring_peek(r, &len));
		} else {
			EXPECT_EQ(shmring_wait_space(r, r->slot_size, some_wait(&w)), -EBADMSG);
		}
	}
	count(&score->refused);
}

static void suffer_once(enum shmring_role role)
{
	struct shmring *r = NULL;
	int ret = shmring_attach_fd(&r, shmring_fd(handle), role);
	unsigned int nr = 1 + (unsigned int)below(1000);

	if (ret == -EBUSY && on_memfd())
		return;		/* the peer has written that this role is taken */
	CHECK_EQ(ret, 0);
	count(&score->attached);
#if HAVE_URING
	if (!below(16))
		wait_through_uring(r);
#endif
	while (nr-- && !get(&score->stop)) {
		if (note(call_once(r)) == -EBADMSG) {
			expect_refusal_for_good(r);
			break;
		}
	}
	shmring_close(r);
}

static void interrupt(int sig)
{
	(void)sig;
}

static int suffer_as(void *arg)
{
	const enum shmring_role *role = arg;
	struct itimerval often = { { 0, SIGNAL_US }, { 0, SIGNAL_US } };
	struct sigaction act = { .sa_handler = interrupt };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (!get(&score->stop))
		suffer_once(*role);
	return TEST_PASS;
}

/* ---------------------------------------------------------------------- game */

static const char *name_of(enum shmring_role role)
{
	return role == SHMRING_PRODUCER ? "producer" : "consumer";
}

static void watch(pid_t victim, uint64_t until)
{
	uint64_t calls = get(&score->calls), since = now_ns();

	while (now_ns() < until) {
		nap();
		if (get(&score->calls) != calls) {
			calls = get(&score->calls);
			since = now_ns();
		}
		if (now_ns() - since < PATIENCE)
			continue;
		printf("the victim hangs, in state %c\n", state_of(victim));
		CHECK(!"each wait ends");
	}
}

/* The count is in the victim's own region, which the peer cannot write. */
static void expect_counted(enum shmring_role victim)
{
	struct shmring_ioc_query q = { 0 };

	if (on_memfd())
		return;
	CHECK(!ioctl(shmring_fd(handle), SHMRING_IOC_QUERY, &q));
	EXPECT_EQ(victim == SHMRING_CONSUMER ? q.consumer_refused : q.producer_refused, score->refused);
}

static void play(enum shmring_role role, size_t slot_size, uint64_t ns)
{
	enum shmring_role victims = role == SHMRING_PRODUCER ? SHMRING_CONSUMER : SHMRING_PRODUCER;
	pid_t hostile, victim;

	context("a hostile %s, slots of %zu bytes", name_of(role), slot_size);
	memset(score, 0, sizeof(*score));
	handle = make(CAPACITY, slot_size, SHMRING_HANDLE);
	hostile = start(be_hostile, &role);
	victim = start(suffer_as, &victims);
	watch(victim, now_ns() + ns);
	score->stop = 1;
	EXPECT_EQ(end_of(victim), TEST_PASS);
	EXPECT_EQ(end_of(hostile), TEST_PASS);
	expect_counted(victims);
	refused += score->refused;
	messages += score->messages;
	printf("hostile %s, %s: %llu writes, %llu calls on %llu endpoints: %llu messages, %llu EBADMSG, %llu timeouts, %llu signals, %llu gone, %llu through io_uring\n",
	       name_of(role), slot_size ? "slots" : "records", (unsigned long long)score->writes,
	       (unsigned long long)score->calls, (unsigned long long)score->attached,
	       (unsigned long long)score->messages, (unsigned long long)score->refused,
	       (unsigned long long)score->timeouts, (unsigned long long)score->signals,
	       (unsigned long long)score->gone, (unsigned long long)score->rings);
	fflush(stdout);
	shmring_close(handle);
}

int main(void)
{
	uint64_t ns = setting("SHMRING_SECONDS", 4) * 1000000000 / 2;

	seed = setting("SHMRING_SEED", 1);
	need_backend();
	printf("hostile: seed %llu, backend %s\n", (unsigned long long)seed,
	       on_memfd() ? "memfd" : "kmod");
	score = share(sizeof(*score));
	play(SHMRING_PRODUCER, 0, ns);
	play(SHMRING_PRODUCER, 64, ns);
	play(SHMRING_CONSUMER, 0, ns);
	play(SHMRING_CONSUMER, 64, ns);
	EXPECT(refused && messages);
	return finish();
}
