// SPDX-License-Identifier: MIT
/*
 * Millions of messages from one process to another: random lengths, random naps on either side,
 * every way to send and to receive. Each message arrives once, whole, and in order, or the
 * program fails.
 *
 * SHMRING_MESSAGES is their number (default: ten million), SHMRING_SEED the seed of what is
 * random.
 */
#include "lib.h"

#include <time.h>

#define MAX_LEN		1000
#define CAPACITY	16384
#define NAP_EVERY	10000	/* messages, about */

enum way { COPY, IN_PLACE, BATCH, MIXED, NR_WAYS };

static const char *const way_names[] = { "copied", "in place", "in batches", "mixed" };

#define SLACK		16	/* wake-ups at the start and the end of the sides */

static struct shmring_info *producer;	/* the producer's counters at its end */
static enum way way;
static enum shmring_policy policy;
static uint64_t nr_messages, base_seed;

/* The length of message @n, for both sides: mostly short, now and then long. */
static size_t length_of(uint64_t n)
{
	uint64_t state = base_seed ^ n;
	uint64_t r = random_u64(&state);

	return (size_t)(r % 64 ? r / 64 % 48 : r / 64 % (MAX_LEN + 1));
}

static unsigned char byte_of(uint64_t n, size_t i)
{
	return (unsigned char)(n * 0x9e3779b97f4a7c15u >> 32) + (unsigned char)i;
}

static void fill(unsigned char *to, size_t len, uint64_t n)
{
	size_t i;

	for (i = 0; i < len; i++)
		to[i] = byte_of(n, i);
}

static void check(const unsigned char *from, size_t len, uint64_t n)
{
	size_t i;

	CHECK_EQ(len, length_of(n));
	for (i = 0; i < len; i++)
		if (from[i] != byte_of(n, i))
			CHECK_EQ(from[i], byte_of(n, i));
}

/* Now and then a pause of random length: asleep, or only slow. */
static void dawdle(uint64_t *state)
{
	uint64_t r = random_u64(state);
	struct timespec ts = { .tv_nsec = (long)((r >> 32) % 200000) };
	volatile long spin;

	if (r % NAP_EVERY)
		return;
	if (r / NAP_EVERY % 2)
		nanosleep(&ts, NULL);
	else
		for (spin = 0; spin < ts.tv_nsec; spin++)
			;
}

static enum way way_of(uint64_t n)
{
	return way == MIXED ? (enum way)(n / 1000 % MIXED) : way;
}

static void *reserve(struct shmring *r, size_t len)
{
	void *to;

	while (!(to = shmring_reserve(r, len)))
		CHECK_EQ(shmring_wait_space(r, len, NULL), 0);
	return to;
}

static void send_one(struct shmring *r, uint64_t n)
{
	unsigned char buf[MAX_LEN];
	size_t len = length_of(n);

	switch (way_of(n)) {
	case COPY:
		fill(buf, len, n);
		CHECK_EQ(shmring_send(r, buf, len, NULL), len);
		break;
	case IN_PLACE:
		fill(reserve(r, MAX_LEN), len, n);
		CHECK_EQ(shmring_commit(r, len), 0);
		break;
	default:
		fill(reserve(r, len), len, n);
		CHECK_EQ(shmring_stage(r, len), 0);
		if (n % 16 == 15)
			shmring_publish(r);
	}
}

static const void *peek(struct shmring *r, size_t *len)
{
	const void *from;

	while (!(from = shmring_peek(r, len)))
		CHECK_EQ(shmring_wait_data(r, NULL), 0);
	return from;
}

static void receive_one(struct shmring *r, uint64_t n)
{
	unsigned char buf[MAX_LEN];
	const void *from;
	size_t len;

	switch (way_of(n)) {
	case COPY:
		len = (size_t)shmring_recv(r, buf, sizeof(buf), NULL);
		check(buf, len, n);
		break;
	case IN_PLACE:
		from = peek(r, &len);
		check(from, len, n);
		CHECK_EQ(shmring_release(r), 0);
		break;
	default:
		from = peek(r, &len);
		check(from, len, n);
		CHECK_EQ(shmring_advance(r), 0);
		if (n % 8 == 7)
			CHECK_EQ(shmring_release(r), 0);
	}
}

static int send_all(struct shmring *r)
{
	uint64_t n, state = base_seed + 1;

	CHECK_EQ(shmring_set_policy(r, policy), 0);
	for (n = 0; n < nr_messages; n++) {
		send_one(r, n);
		dawdle(&state);
	}
	shmring_publish(r);
	CHECK_EQ(shmring_get_info(r, producer), 0);
	return TEST_PASS;
}

/*
 * Each sleep may cost the other side one wake-up; messages cost none. A wake-up that comes when
 * its sleeper has just found the message itself ends the next sleep too early, which costs
 * another one: with busy CPUs that is one in twenty.
 */
static void report(const char *side, uint64_t sleeps, uint64_t wakes)
{
	printf("%s, policy %d, %llu messages: the %s slept %llu times, woken %llu times: "
	       "%llu per million messages\n", way_names[way], policy,
	       (unsigned long long)nr_messages, side, (unsigned long long)sleeps,
	       (unsigned long long)wakes, (unsigned long long)(wakes * 1000000 / nr_messages));
	EXPECT(wakes <= 2 * sleeps + SLACK);
}

static void test_stream(void)
{
	struct shmring *c = make(CAPACITY, 0, SHMRING_CONSUMER);
	uint64_t n, state = base_seed + 2;
	struct shmring_info info = SHMRING_INFO_INIT;
	size_t len;
	pid_t pid;

	context("%s, policy %d, seed %#llx", way_names[way], policy,
		(unsigned long long)base_seed);
	CHECK_EQ(shmring_set_policy(c, policy), 0);
	pid = start_as(c, SHMRING_PRODUCER, send_all);
	for (n = 0; n < nr_messages; n++) {
		receive_one(c, n);
		dawdle(&state);
	}
	EXPECT_EQ(end_of(pid), TEST_PASS);
	/* Release what was stepped past at the end: then nothing is left. */
	shmring_release(c);
	EXPECT(!shmring_peek(c, &len));
	EXPECT_EQ(shmring_wait_data(c, NULL), -ENODATA);
	CHECK_EQ(shmring_get_info(c, &info), 0);
	EXPECT_EQ(info.used, 0);
	report("consumer", info.sleeps, producer->wakes);
	report("producer", producer->sleeps, info.wakes);
	shmring_close(c);
}

int main(void)
{
	static const enum shmring_policy policies[] = { SHMRING_BLOCK, SHMRING_ADAPTIVE };
	size_t i;

	need_backend();
	producer = share(sizeof(*producer));
	nr_messages = setting("SHMRING_MESSAGES", 10000000) / (NR_WAYS * ARRAY_SIZE(policies));
	base_seed = setting("SHMRING_SEED", now_ns());
	for (i = 0; i < ARRAY_SIZE(policies); i++) {
		policy = policies[i];
		for (way = COPY; way < NR_WAYS; way++)
			test_stream();
	}
	return finish();
}
