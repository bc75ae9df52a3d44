// SPDX-License-Identifier: MIT
/*
 * Two threads and the memfd backend, from every start and with every policy: each message
 * arrives once, whole and in order. Both ends use one mapping, so that the thread sanitizer
 * sees one address for each word.
 */
#include "rig.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#define MESSAGES	40000
#define SPUN		15000	/* slow, where other processes want the CPUs */
#define POLLED		2000
#define BATCH		8
#define LONGEST		2000

struct ends {
	struct shmring *p, *c;
	uint64_t nr;		/* messages */
	struct shmring_wait wait;	/* until a deadline, so that nothing hangs */
	const char *wrong;	/* an error that the consumer has found; NULL: none */
	uint64_t slept;		/* ns */
};

/* ------------------------------------------------------------------- set-up */

/* A ring that has been used up to this position. */
static struct shmring *ring_at(uint64_t start, size_t capacity)
{
	const struct shmring_options opt = { .capacity = capacity, .backend = SHMRING_MEMFD };
	const off_t page = (off_t)sysconf(_SC_PAGESIZE);
	struct shmring *r;
	int i;

	assert_int_equal(shmring_create(&r, NULL, &opt), 0);
	for (i = 1; i <= 2; i++)
		assert_int_equal(pwrite(shmring_fd(r), &start, sizeof(start), i * page),
				 sizeof(start));
	return r;
}

static struct ends *new_ends(uint64_t start, size_t capacity, enum shmring_policy policy)
{
	struct shmring *r = ring_at(start, capacity);
	struct ends *ends = calloc(1, sizeof(*ends));

	assert_non_null(ends);
	ends->wait.deadline = shmring_deadline(60000000000);
	assert_int_equal(shmring_attach_fd(&ends->p, shmring_fd(r), SHMRING_PRODUCER), 0);
	assert_int_equal(shmring_attach_fd(&ends->c, shmring_fd(r), SHMRING_CONSUMER), 0);
	assert_int_equal(shmring_set_policy(ends->p, policy), 0);
	assert_int_equal(shmring_set_policy(ends->c, policy), 0);
	if (policy == SHMRING_BLOCK)	/* without a look before each sleep */
		ends->p->priv->spin.alone = ends->c->priv->spin.alone = true;
	assert_int_equal(ends->p->producer->head, start);
	shmring_close(r);
	return ends;
}

/* All regions but the data, so that @to can be closed first. */
static void share_the_words(struct shmring *to, const struct shmring *from)
{
	to->lane = from->lane;
	to->producer = from->producer;
	to->consumer = from->consumer;
}

static void share_the_mapping(struct ends *ends)
{
	share_the_words(ends->c, ends->p);
	ends->c->data = ends->p->data;
}

static void close_ends(struct ends *ends)
{
	shmring_close(ends->c);
	shmring_close(ends->p);
	free(ends);
}

/* ------------------------------------------------------------------ messages */

/* Mostly short; both sides compute it from the message's number. */
static size_t length_of(uint64_t id)
{
	uint64_t seed = id, which = random_u64(&seed);

	return random_u64(&seed) % (which % 64 ? 100 : LONGEST);
}

/* In place, some at a time. False: it is over. */
static bool produce_batch(struct ends *ends, uint64_t first, uint64_t nr)
{
	struct shmring *p = ends->p;
	size_t len;
	uint64_t i;
	void *to;

	for (i = first; i < first + nr; i++) {
		len = length_of(i);
		while (!(to = shmring_reserve(p, len)))
			if (shmring_wait_space(p, len, &ends->wait))
				return false;
		write_message(to, len, i);
		shmring_stage(p, len);
	}
	shmring_publish(p);
	return true;
}

static bool produce_copy(struct ends *ends, uint64_t id)
{
	unsigned char buf[LONGEST];
	size_t len = length_of(id);

	write_message(buf, len, id);
	return shmring_send(ends->p, buf, len, &ends->wait) == (ssize_t)len;
}

static void produce(struct ends *ends)
{
	uint64_t id = 0, n;
	bool goes_on = true;

	for (; goes_on && id < ends->nr; id += n) {
		n = length_of(~id) % 3 || id + BATCH > ends->nr ? 1 : BATCH;
		goes_on = n == 1 ? produce_copy(ends, id) : produce_batch(ends, id, n);
	}
}

/* Step past the messages that are there; true: one was wrong. */
static bool consume_batch(struct shmring *c, uint64_t *id)
{
	const void *from;
	size_t len;
	int i;

	for (i = 0; i < BATCH && (from = shmring_peek(c, &len)); i++) {
		if (len != length_of(*id) || !is_message(from, len, *id))
			return true;
		++*id;
		shmring_advance(c);
	}
	if (i)
		shmring_release(c);
	return false;
}

static bool consume_copy(struct shmring *c, uint64_t *id, const struct shmring_wait *w)
{
	unsigned char buf[LONGEST];
	ssize_t got = shmring_recv(c, buf, sizeof(buf), w);

	if (got == -EAGAIN)
		return false;
	if (got < 0 || (size_t)got != length_of(*id) || !is_message(buf, (size_t)got, *id))
		return true;
	++*id;
	return false;
}

/* An error ends the producer, too. */
static void *done(struct ends *ends)
{
	if (ends->wrong)
		__atomic_store_n(&ends->c->lane->consumer.state, SHMRING_PEER_GONE,
				 __ATOMIC_SEQ_CST);
	return NULL;
}

static void *consume(void *arg)
{
	struct ends *ends = arg;
	uint64_t id = 0;

	while (id < ends->nr && !ends->wrong) {
		if (length_of(id) % 2 ? consume_copy(ends->c, &id, &ends->wait) :
					consume_batch(ends->c, &id))
			ends->wrong = "a message, or its length";
		else if (id < ends->nr && shmring_wait_data(ends->c, &ends->wait))
			ends->wrong = "a wait";
	}
	return done(ends);
}

/* --------------------------------------------------------------------- tests */

static void run_both(struct ends *ends, void *(*consumer)(void *))
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, consumer, ends), 0);
	produce(ends);
	pthread_join(thread, NULL);
	if (ends->wrong)
		fail_msg("wrong: %s", ends->wrong);
}

static void pass_them(struct ends *ends, uint64_t nr)
{
	share_the_mapping(ends);
	ends->nr = nr;
	run_both(ends, consume);
	assert_null(shmring_reserve(ends->c, 0));
	assert_int_equal(shmring_wait_data(ends->c, &nowait), -EAGAIN);
	close_ends(ends);
}

static void pass_messages(void **state, uint64_t nr, size_t capacity, enum shmring_policy policy)
{
	const struct start *start = *state;
	struct ends *ends = new_ends(start->at, capacity, policy);

	pass_them(ends, nr);
}

/* BLOCK as in a program, with its looks before a sleep. */
static void looking_threads_pass_every_message(void **state)
{
	const struct start *start = *state;
	struct ends *ends = new_ends(start->at, 16384, SHMRING_DEFAULT);

	assert_int_equal(shmring_set_policy(ends->p, SHMRING_BLOCK), 0);
	assert_int_equal(shmring_set_policy(ends->c, SHMRING_BLOCK), 0);
	pass_them(ends, MESSAGES);
}

static void blocking_threads_pass_every_message(void **state)
{
	pass_messages(state, MESSAGES, 16384, SHMRING_BLOCK);
}

static void adaptive_threads_pass_every_message(void **state)
{
	pass_messages(state, MESSAGES, 16384, SHMRING_ADAPTIVE);
}

static void spinning_threads_pass_every_message(void **state)
{
	pass_messages(state, SPUN, 65536, SHMRING_SPIN);
}

static void *consume_by_poll(void *arg)
{
	struct ends *ends = arg;
	struct pollfd p = { .events = POLLIN, .fd = shmring_poll_fd(ends->c) };
	uint64_t id = 0;

	while (id < ends->nr && !ends->wrong) {
		if (consume_copy(ends->c, &id, &nowait))
			ends->wrong = "a message, or its length";
		else if (shmring_wait_data(ends->c, &nowait) == -EAGAIN && id < ends->nr &&
			 poll(&p, 1, 10000) != 1)
			ends->wrong = "poll, which nobody woke";
	}
	return done(ends);
}

static void polling_thread_gets_every_message(void **state)
{
	const struct start *start = *state;
	struct ends *ends = new_ends(start->at, 65536, SHMRING_BLOCK);

	share_the_mapping(ends);
	ends->nr = POLLED;
	run_both(ends, consume_by_poll);
	close_ends(ends);
}

/* A sleeper looks for itself now and then; a wake-up comes sooner. */
static void *sleep_for_one(void *arg)
{
	struct ends *ends = arg;
	uint64_t begin = shmring_deadline(0);

	if (shmring_wait_data(ends->c, &ends->wait) || shmring_release(ends->c) != -EINVAL)
		ends->wrong = "a wait";
	ends->slept = shmring_deadline(0) - begin;
	return NULL;
}

static void wake_one(struct ends *ends)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, sleep_for_one, ends), 0);
	while (__atomic_load_n(&ends->p->lane->consumer.wake_at, __ATOMIC_RELAXED) == SHMRING_NO_WAKE)
		usleep(100);
	usleep(2000);
	put(ends->p, 8, 1);
	pthread_join(thread, NULL);
	take(ends->c, 8, 1);
	assert_null(ends->wrong);
}

static void sleeper_is_woken(void **state)
{
	const struct start *start = *state;
	struct ends *ends = new_ends(start->at, 4096, SHMRING_BLOCK);
	int tries = 0;

	do {	/* other processes may want the CPUs */
		wake_one(ends);
	} while (ends->slept >= SHMRING_CHECK_NS && ++tries < 20);
	assert_true(ends->slept < SHMRING_CHECK_NS);
	close_ends(ends);
}

/* Each end closes in its own thread, while the other one sleeps. */
static void *consume_to_the_end(void *arg)
{
	struct ends *ends = arg;
	uint64_t id = 0;

	while (!shmring_wait_data(ends->c, &ends->wait) && !consume_batch(ends->c, &id))
		;
	ends->wrong = shmring_wait_data(ends->c, &ends->wait) == -ENODATA && id == 3 ? NULL : "the end";
	return NULL;
}

static void sleeping_consumer_is_woken_by_the_end(void **state)
{
	const struct start *start = *state;
	struct ends *ends = new_ends(start->at, 4096, SHMRING_BLOCK);
	pthread_t thread;

	share_the_words(ends->p, ends->c);
	assert_int_equal(pthread_create(&thread, NULL, consume_to_the_end, ends), 0);
	ends->nr = 3;
	produce(ends);
	shmring_close(ends->p);
	ends->p = NULL;
	pthread_join(thread, NULL);
	assert_null(ends->wrong);
	close_ends(ends);
}

static void *produce_to_the_end(void *arg)
{
	struct ends *ends = arg;
	ssize_t ret;

	while ((ret = shmring_send(ends->p, "message", 8, &ends->wait)) > 0)
		;
	ends->wrong = ret == -EPIPE ? NULL : "the end";
	return NULL;
}

static void sleeping_producer_is_woken_by_the_end(void **state)
{
	const struct start *start = *state;
	struct ends *ends = new_ends(start->at, 4096, SHMRING_BLOCK);
	pthread_t thread;

	share_the_words(ends->c, ends->p);
	assert_int_equal(pthread_create(&thread, NULL, produce_to_the_end, ends), 0);
	usleep(1000);
	shmring_close(ends->c);
	ends->c = NULL;
	pthread_join(thread, NULL);
	assert_null(ends->wrong);
	close_ends(ends);
}

/* These tests get their start as their state, without rig.c's setup. */
static int keep(void **state)
{
	(void)state;
	return 0;
}

#define TEST(fn)	cmocka_unit_test_setup_teardown(fn, keep, keep)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sleeper_is_woken),
		TEST(blocking_threads_pass_every_message),
		TEST(looking_threads_pass_every_message),
		TEST(adaptive_threads_pass_every_message),
		TEST(spinning_threads_pass_every_message),
		TEST(polling_thread_gets_every_message),
		TEST(sleeping_consumer_is_woken_by_the_end),
		TEST(sleeping_producer_is_woken_by_the_end),
	};

	return run_at_every_start("threads", tests, ARRAY_SIZE(tests));
}
