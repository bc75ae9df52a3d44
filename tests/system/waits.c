// SPDX-License-Identifier: MIT
#include "waits.h"

#include <pthread.h>
#include <time.h>

#define SLACK		16		/* wake-ups at the start and the end of the sides */

struct shared {
	uint64_t received;
	uint64_t waits;		/* of the side that is under test */
	uint64_t looks;		/* that found nothing, of the side that is under test */
	uint64_t wakes;		/* that the other side made */
	uint64_t spurious;	/* waits that found nothing */
};

/* One process: its end of the ring, and the threads that share it. */
struct side {
	const struct way *way;
	struct shmring *r;
	bool tested;
	pthread_mutex_t lock;	/* a struct shmring belongs to one thread at a time */
	uint64_t n;		/* the next message */
	uint64_t looks;		/* that found nothing */
	uint64_t state;		/* random */
};

static struct shared *shared;
static uint64_t nr_messages, seed;
static const struct way *tested_way;
static enum shmring_role tested_role;

struct timespec *timespec_of(struct timespec *ts, uint64_t ns)
{
	*ts = (struct timespec){ .tv_sec = (time_t)(ns / 1000000000),
				 .tv_nsec = (long)(ns % 1000000000) };
	return ns ? ts : NULL;
}

static void nap_ns(uint64_t ns)
{
	struct timespec ts;

	if (timespec_of(&ts, ns))
		nanosleep(&ts, NULL);
}

/* ------------------------------------------------------------- messages */

static size_t length_of(uint64_t n)
{
	uint64_t state = seed ^ n;
	uint64_t r = random_u64(&state);

	return (size_t)(r % 16 ? r / 16 % 64 : r / 16 % (WAITS_MAX_LEN + 1));
}

static unsigned char byte_of(uint64_t n, size_t i)
{
	return (unsigned char)((n + seed) * 0x9e3779b97f4a7c15u >> 32) + (unsigned char)i;
}

static void check(const unsigned char *from, size_t len, uint64_t n)
{
	size_t i;

	CHECK_EQ(len, length_of(n));
	for (i = 0; i < len; i++)
		if (from[i] != byte_of(n, i))
			CHECK_EQ(from[i], byte_of(n, i));
}

/* ------------------------------------------------------------- one step */

/* Receive one message. Returns 0, -EAGAIN if there is none, or the error of an ended peer. */
static int receive_one(struct side *s)
{
	const unsigned char *from;
	size_t len;
	int ret;

	while (!(from = shmring_peek(s->r, &len))) {
		s->looks++;
		ret = shmring_wait_data(s->r, &nowait);
		if (ret)
			return ret;
	}
	check(from, len, s->n);
	CHECK_EQ(shmring_release(s->r), 0);
	s->n++;
	__atomic_store_n(&shared->received, s->n, __ATOMIC_RELEASE);
	return 0;
}

static int send_one(struct side *s)
{
	size_t i, len = length_of(s->n);
	unsigned char *to;
	int ret;

	while (!(to = shmring_reserve(s->r, len))) {
		s->looks++;
		ret = shmring_wait_space(s->r, len, &nowait);
		if (ret)
			return ret;
	}
	for (i = 0; i < len; i++)
		to[i] = byte_of(s->n, i);
	CHECK_EQ(shmring_commit(s->r, len), 0);
	s->n++;
	return 0;
}

/*
 * Random naps. The side that is waited for naps more. Now and then the producer waits until all
 * messages have arrived: if a consumer has lost its wake-up, no later message can wake it.
 */
static void dawdle(const struct side *s, uint64_t r, uint64_t sent)
{
	if (r % (s->tested ? 256 : 24) == 0)
		nap_ns(1 + r / 256 % 300000);
	if (s->tested || s->r->role != SHMRING_PRODUCER || r / 1024 % 16)
		return;
	while (__atomic_load_n(&shared->received, __ATOMIC_ACQUIRE) < sent)
		nap_ns(1);
}

/* Waits for the side that is not under test. */
static int wait_plainly(struct side *s)
{
	struct shmring_wait w = { .policy = SHMRING_BLOCK };

	if (s->r->role == SHMRING_PRODUCER)
		return shmring_wait_space(s->r, length_of(s->n), &w);
	/* More bytes than can come before the producer has to wait for space. */
	if (s->way->greedy)
		w.min_bytes = WAITS_CAPACITY;
	else if (random_u64(&s->state) % 4 == 0)
		w.min_bytes = random_u64(&s->state) % WAITS_CAPACITY;
	return shmring_wait_data(s->r, &w);
}

/* ---------------------------------------------------------------- sides */

/*
 * For a run that stands still. SIGUSR1 makes a side print its state and disturbs no sleeper;
 * SIGUSR2 makes it call WAKE, in case one was lost.
 */
static sigset_t questions(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	return set;
}

static void *answer_questions(void *arg)
{
	const struct side *s = arg;
	struct shmring *r = s->r;
	sigset_t set = questions();
	int sig;

	while (!sigwait(&set, &sig)) {
		if (sig == SIGUSR2) {
			__shmring_wake(r);
			continue;
		}
		printf("%s: message %llu of %zu bytes; head %llu, tail %llu, consumer.wake_at %lld, "
		       "producer.wake_at %lld, fence_until %lld and %lld\n",
		       r->role == SHMRING_PRODUCER ? "producer" : "consumer",
		       (unsigned long long)s->n, length_of(s->n),
		       (unsigned long long)__atomic_load_n(&r->producer->head, __ATOMIC_RELAXED),
		       (unsigned long long)__atomic_load_n(&r->consumer->tail, __ATOMIC_RELAXED),
		       (long long)__atomic_load_n(&r->lane->consumer.wake_at, __ATOMIC_RELAXED),
		       (long long)__atomic_load_n(&r->lane->producer.wake_at, __ATOMIC_RELAXED),
		       (long long)__atomic_load_n(&r->lane->consumer.fence_until, __ATOMIC_RELAXED),
		       (long long)__atomic_load_n(&r->lane->producer.fence_until, __ATOMIC_RELAXED));
		fflush(stdout);
	}
	return NULL;
}

static void *run_thread(void *arg)
{
	struct side *s = arg;
	struct waiter w = { .r = s->r, .fd = -1 };
	uint64_t r, timeout, spurious = 0, n = 0;
	bool waited = false;
	int ret;

	pthread_mutex_lock(&s->lock);
	w.seed = random_u64(&s->state);
	if (s->tested && s->way->begin)
		s->way->begin(&w);
	while (s->n < nr_messages) {
		r = random_u64(&s->state);
		ret = s->r->role == SHMRING_PRODUCER ? send_one(s) : receive_one(s);
		n = s->n;
		if (!ret) {
			waited = false;
			pthread_mutex_unlock(&s->lock);
			dawdle(s, r, n);
			pthread_mutex_lock(&s->lock);
			continue;
		}
		CHECK_EQ(ret, -EAGAIN);
		if (!s->tested) {
			ret = wait_plainly(s);
			CHECK(ret == 0);
			continue;
		}
		spurious += waited;
		waited = true;
		w.len = length_of(s->n);
		timeout = r % 4 ? 0 : 1 + r / 4 % 300000;
		if (s->way->threads > 1)
			pthread_mutex_unlock(&s->lock);
		s->way->wait(&w, timeout);
		if (s->way->threads > 1)
			pthread_mutex_lock(&s->lock);
	}
	if (s->tested && s->way->end)
		s->way->end(&w);
	if (s->tested) {
		shared->waits += w.waits;
		shared->spurious += spurious;
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int run_side(struct shmring *r)
{
	struct side s = { .way = tested_way, .r = r, .tested = r->role == tested_role,
			  .lock = PTHREAD_MUTEX_INITIALIZER,
			  .state = seed + (uint64_t)r->role };
	unsigned int i, nr = s.tested && s.way->threads ? s.way->threads : 1;
	struct shmring_info info = SHMRING_INFO_INIT;
	pthread_t threads[4], answers;
	sigset_t set = questions();

	CHECK(!pthread_sigmask(SIG_BLOCK, &set, NULL));
	CHECK(!pthread_create(&answers, NULL, answer_questions, &s));
	for (i = 1; i < nr; i++)
		CHECK(!pthread_create(&threads[i], NULL, run_thread, &s));
	run_thread(&s);
	CHECK_EQ(shmring_get_info(r, &info), 0);
	if (!s.tested)
		shared->wakes = info.wakes;
	else
		shared->looks = s.looks;
	/* A wait in another thread must end when the other side ends. */
	for (i = 1; i < nr; i++)
		CHECK(!pthread_join(threads[i], NULL));
	return TEST_PASS;
}

static bool has_ended(pid_t pid)
{
	return state_of(pid) == 'Z';
}

static uint64_t received_so_far(void)
{
	return __atomic_load_n(&shared->received, __ATOMIC_ACQUIRE);
}

/* Is the process asleep, or busy without progress? */
static void print_state(pid_t pid)
{
	struct timespec used = { 0 };
	clockid_t clock;

	if (!clock_getcpuclockid(pid, &clock))
		clock_gettime(clock, &used);
	printf("pid %d: state %c, %lld.%03ld s of CPU time\n", pid, state_of(pid),
	       (long long)used.tv_sec, used.tv_nsec / 1000000);
	fflush(stdout);
}

/* Do messages arrive within a second after both sides have got @sig? */
static bool goes_on_after(const pid_t *pids, int sig)
{
	uint64_t before = received_so_far(), end = now_ns() + 1000000000;

	kill(pids[0], sig);
	kill(pids[1], sig);
	while (now_ns() < end)
		nap();
	return received_so_far() != before;
}

/*
 * A stall of the machine ends by itself. After a lost wake-up a WAKE is needed. If that does
 * not help either, the state of the sides is printed.
 */
static void explain(const pid_t *pids)
{
	const char *verdict = "a WAKE does not help";
	unsigned long long received = received_so_far();
	int i;

	for (i = 0; i < 4; i++) {
		print_state(pids[i % 2]);
		nap();
	}
	if (goes_on_after(pids, SIGUSR1))
		verdict = "it goes on by itself";
	else if (goes_on_after(pids, SIGUSR2))
		verdict = "a WAKE helps";
	printf("stands still for %d s: %s, %s waits, SHMRING_SEED=%llu, after message %llu: %s\n",
	       PATIENCE_S, tested_way->name,
	       tested_role == SHMRING_PRODUCER ? "producer" : "consumer",
	       (unsigned long long)seed, received, verdict);
}

/* Until both sides have ended, or nothing has moved for too long. */
static void watch(const pid_t *pids)
{
	uint64_t received, last = 0, since = now_ns();

	while (!has_ended(pids[0]) || !has_ended(pids[1])) {
		nap();
		received = received_so_far();
		if (received != last) {
			last = received;
			since = now_ns();
		}
		if (now_ns() - since < PATIENCE_NS)
			continue;
		explain(pids);
		CHECK(!"messages arrive");
	}
}

static void report(void)
{
	printf("%s, %s waits: %llu messages, %llu waits (%llu for nothing), %llu wakes: "
	       "%llu per million messages\n", tested_way->name,
	       tested_role == SHMRING_PRODUCER ? "producer" : "consumer",
	       (unsigned long long)nr_messages, (unsigned long long)shared->waits,
	       (unsigned long long)shared->spurious, (unsigned long long)shared->wakes,
	       (unsigned long long)(shared->wakes * 1000000 / nr_messages));
	fflush(stdout);
}

void test_way(const struct way *way, enum shmring_role role)
{
	const char *only = getenv("SHMRING_WAY");
	struct shmring *ring;
	pid_t pids[2];

	if (only && !strstr(way->name, only))
		return;
	ring = make(WAITS_CAPACITY, 0, SHMRING_HANDLE);
	if (!shared)
		shared = share(sizeof(*shared));
	memset(shared, 0, sizeof(*shared));
	nr_messages = setting("SHMRING_MESSAGES", 10000000) / 500 + 1;
	seed = setting("SHMRING_SEED", now_ns());
	tested_way = way;
	tested_role = role;
	context("%s, %s waits, SHMRING_SEED=%llu", way->name,
		role == SHMRING_PRODUCER ? "producer" : "consumer", (unsigned long long)seed);
	pids[0] = start_as(ring, SHMRING_CONSUMER, run_side);
	pids[1] = start_as(ring, SHMRING_PRODUCER, run_side);
	watch(pids);
	EXPECT_EQ(end_of(pids[0]), TEST_PASS);
	EXPECT_EQ(end_of(pids[1]), TEST_PASS);
	EXPECT_EQ(shared->received, nr_messages);
	report();
	/* At most one wake-up for each wait; without the module for each look, which arms for poll. */
	EXPECT(shared->wakes <= (on_memfd() ? shared->looks : shared->waits) *
				(way->edges ? 2 : 1) + SLACK);
	shmring_close(ring);
}
