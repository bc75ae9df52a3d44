// SPDX-License-Identifier: MIT
/*
 * Producers and consumers that are killed at random times, each followed by another one.
 *
 * These promises are checked:
 *
 *   - Messages that a producer has committed arrive, once and in order, whichever side
 *     dies. Messages that it was just committing may arrive or not.
 *   - A consumer's successor starts with the first message that was not released. Messages
 *     that its predecessor had peeked at, or stepped past, come again. shmring_recv()
 *     copies and then releases: the message that it was about to return may be lost with
 *     its caller.
 *   - The surviving side notices the death, or the successor, and does not sleep on.
 *   - Nothing is left behind: no ring, name, descriptor, child, use of the module.
 *
 * SHMRING_KILLS is the number of kills; SHMRING_SEED decides their order and victims.
 */
#include "left.h"
#include "lib.h"

#include <sched.h>
#include <time.h>

#define PER_RING	100		/* kills, before there is a new ring */
#define MAX_PRODUCERS	(PER_RING + 2)
#define PATIENCE	60000000000ull	/* ns: a side that takes longer sleeps for ever */
#define SOON		10000000	/* ns in which a peer should notice */
#define MAX_LEN		256

/* A message's number: the producer's, in its upper half, and its own. */
static uint64_t number(uint64_t producer, uint64_t n)
{
	return producer << 32 | n;
}

static uint64_t producer_of(uint64_t number)
{
	return number >> 32;
}

/* The state that outlives the killed processes. The next number to read, or to be released. */
struct record {
	uint64_t begun[MAX_PRODUCERS];	/* messages that it has tried to send ... */
	uint64_t sent[MAX_PRODUCERS];	/* ... and has sent */
	uint64_t read;
	uint64_t released;
	uint64_t unsure;		/* messages that recv may have taken along */
	uint64_t received;		/* whenever a message is, for the process that watches */
	uint64_t attached[3];		/* by role: whether there is one */
	uint64_t noticed[3];		/* by role: when it noticed the other side's death */
	uint64_t producer;		/* the number of the present producer */
	uint64_t stop;
	uint64_t seed;
};

static struct record *record;
static struct shmring *handle;
static uint32_t slot_size;

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static void pause_ns(uint64_t ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = (long)ns }, NULL);
}

/* ----------------------------------------------------------------- messages */

static uint32_t length_of(uint64_t number)
{
	return slot_size ? slot_size : 8 + (uint32_t)(random_u64(&number) % (MAX_LEN - 8));
}

static void write_message(unsigned char *to, uint64_t number)
{
	uint32_t i, len = length_of(number);

	memcpy(to, &number, sizeof(number));
	for (i = sizeof(number); i < len; i++)
		to[i] = (unsigned char)(number + i);
}

/* Its number. */
static uint64_t read_message(const unsigned char *from, size_t len)
{
	uint64_t number;
	uint32_t i;

	CHECK(len >= sizeof(number));
	memcpy(&number, from, sizeof(number));
	CHECK_EQ(len, length_of(number));
	for (i = sizeof(number); i < len; i++)
		CHECK_EQ(from[i], (unsigned char)(number + i));
	return number;
}

/* ----------------------------------------------------------------- producers */

/* The other side has died: record that, and wait for its successor. */
static void note_death(enum shmring_role self, enum shmring_role peer)
{
	/*
	 * A successor may come and be killed between two looks: then this death was noticed,
	 * too.
	 */
	do {
		set(&record->noticed[self], now_ns());
		pause_ns(20000);
	} while (!get(&record->attached[peer]) && !get(&record->stop));
	sched_yield();
}

static int send_one(struct shmring *r, uint64_t number)
{
	unsigned char message[MAX_LEN];

	write_message(message, number);
	return (int)shmring_send(r, message, length_of(number), NULL);
}

static int stage_one(struct shmring *r, uint64_t number)
{
	uint32_t len = length_of(number);
	unsigned char *to;
	int ret;

	while (!(to = shmring_reserve(r, len))) {
		ret = shmring_wait_space(r, len, NULL);	/* publishes, too */
		if (ret)
			return ret;
	}
	write_message(to, number);
	return shmring_stage(r, len);
}

/* Returns how many of up to @nr messages from @first on were sent. */
static uint64_t send_some(struct shmring *r, uint64_t first, uint64_t nr)
{
	uint64_t i;
	int ret = 0;

	if (nr == 1) {
		ret = send_one(r, first);
		if (ret >= 0)
			return 1;
		CHECK_EQ(ret, -EPIPE);
		return 0;
	}
	for (i = 0; i < nr && !ret; i++)
		ret = stage_one(r, first + i);
	if (ret) {
		CHECK_EQ(ret, -EPIPE);
		i--;
	}
	shmring_publish(r);
	return i;
}

static int produce(struct shmring *r)
{
	uint64_t self = get(&record->producer), n = 0, nr, sent;
	uint64_t seed = record->seed ^ number(self, 1);

	set(&record->attached[SHMRING_PRODUCER], 1);
	while (!get(&record->stop)) {
		nr = 1 + random_u64(&seed) % 4;
		set(&record->begun[self], n + nr);
		sent = send_some(r, number(self, n), nr);
		n += sent;
		set(&record->sent[self], n);
		if (sent < nr)
			note_death(SHMRING_PRODUCER, SHMRING_CONSUMER);
	}
	return TEST_PASS;
}

/* ----------------------------------------------------------------- consumers */

/* May @next come where @at was expected? */
static bool follows(uint64_t at, uint64_t next)
{
	uint64_t producer = producer_of(at), n = at - number(producer, 0);

	if (next == at)
		return true;
	/* Another producer's first message, after all messages of those before. */
	if (producer_of(next) <= producer || next != number(producer_of(next), 0) ||
	    n < get(&record->sent[producer]) || n > get(&record->begun[producer]))
		return false;
	while (++producer < producer_of(next))
		if (get(&record->sent[producer]))
			return false;
	return true;
}

/* May @next come where @at was expected, if up to @unsure messages were lost with a reader? */
static bool follows_some(uint64_t at, uint64_t next, uint64_t unsure)
{
	uint64_t producer = producer_of(at);

	if (follows(at, next))
		return true;
	if (!unsure--)
		return false;
	if (follows_some(at + 1, next, unsure))
		return true;
	while (++producer <= producer_of(next))
		if (follows(at, number(producer, 0)) &&
		    follows_some(number(producer, 1), next, unsure))
			return true;
	return false;
}

/* A successor may get again what was read, but not what was released. */
static bool may_start_with(uint64_t first)
{
	uint64_t read = get(&record->read);

	return (first >= get(&record->released) && first <= read) ||
	       follows_some(read, first, get(&record->unsure));
}

/* The reader's place in the stream, and its counts. */
struct reader {
	uint64_t next;
	bool started;
};

static void accept(struct reader *reader, uint64_t number)
{
	if (!(reader->started ? follows(reader->next, number) : may_start_with(number))) {
		printf("message %#llx: expected %#llx; read %#llx, released %#llx, sent %llu, begun %llu\n",
		       (unsigned long long)number, (unsigned long long)reader->next,
		       (unsigned long long)record->read, (unsigned long long)record->released,
		       (unsigned long long)record->sent[producer_of(reader->next)],
		       (unsigned long long)record->begun[producer_of(reader->next)]);
		CHECK(!"a message is lost, or comes twice, or too early");
	}
	reader->started = true;
	reader->next = number + 1;
	set(&record->received, get(&record->received) + 1);
}

/* As a message of its own; -EAGAIN: nothing there. */
static int receive_one(struct shmring *r, struct reader *reader)
{
	unsigned char message[MAX_LEN];
	ssize_t ret = shmring_recv(r, message, sizeof(message), NULL);

	if (ret < 0)
		return (int)ret;
	accept(reader, read_message(message, (size_t)ret));
	set(&record->read, reader->next);
	set(&record->released, reader->next);
	return 0;
}

static int receive_batch(struct shmring *r, struct reader *reader, uint64_t nr)
{
	const void *from;
	size_t len;
	int ret;

	while (!(from = shmring_peek(r, &len))) {
		ret = shmring_wait_data(r, NULL);
		if (ret)
			return ret;
	}
	do {
		accept(reader, read_message(from, len));
		set(&record->read, reader->next);
		CHECK_EQ(shmring_advance(r), 0);
	} while (--nr && (from = shmring_peek(r, &len)));
	CHECK_EQ(shmring_release(r), 0);
	set(&record->released, reader->next);
	return 0;
}

/* All messages that any producer has sent have arrived. */
static int expect_end(const struct reader *reader)
{
	uint64_t last = get(&record->producer);

	CHECK(follows(reader->started ? reader->next : get(&record->read), number(last + 1, 0)) ||
	      (!reader->started && may_start_with(number(last + 1, 0))));
	return TEST_PASS;
}

static int consume(struct shmring *r)
{
	struct reader reader = { .next = get(&record->read) };
	uint64_t seed = record->seed ^ reader.next ^ now_ns();
	bool copies = random_u64(&seed) % 2;
	int ret;

	set(&record->unsure, get(&record->unsure) + copies);
	set(&record->attached[SHMRING_CONSUMER], 1);
	for (;;) {
		ret = copies ? receive_one(r, &reader) :
			       receive_batch(r, &reader, 1 + random_u64(&seed) % 8);
		/* The messages that earlier readers were unsure of are accounted for. */
		if (!ret && get(&record->unsure) != copies)
			set(&record->unsure, copies);
		if (!ret)
			continue;
		CHECK_EQ(ret, -ENODATA);
		if (get(&record->stop))
			return expect_end(&reader);
		note_death(SHMRING_CONSUMER, SHMRING_PRODUCER);
	}
}

/* ------------------------------------------------------------------- figures */

static const uint64_t classes[] = { 100000, 1000000, 10000000, 100000000, 1000000000, PATIENCE };
static const char *const class_names[] = { "0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "1 min" };
static uint64_t noticed_within[ARRAY_SIZE(classes)], noticed, longest, kills, messages;

static void count_notice(uint64_t ns)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(classes) - 1 && ns > classes[i])
		i++;
	noticed_within[i]++;
	noticed++;
	if (ns > longest)
		longest = ns;
}

static void print_figures(uint64_t began)
{
	uint64_t late = 0;
	size_t i;

	printf("kill: %llu SIGKILLs, %llu messages, %.1f s\n", (unsigned long long)kills,
	       (unsigned long long)messages, (double)(now_ns() - began) / 1e9);
	printf("kill: %llu deaths were noticed, within", (unsigned long long)noticed);
	for (i = 0; i < ARRAY_SIZE(classes); i++) {
		printf(" %s: %llu", class_names[i], (unsigned long long)noticed_within[i]);
		if (classes[i] > SOON)
			late += noticed_within[i];
	}
	printf("; longest %.3f ms; %llu after more than %d ms\n", (double)longest / 1e6,
	       (unsigned long long)late, SOON / 1000000);
}

/* ----------------------------------------------------------------------- game */

static pid_t player[3];		/* by role */

static enum shmring_role other(enum shmring_role role)
{
	return role == SHMRING_PRODUCER ? SHMRING_CONSUMER : SHMRING_PRODUCER;
}

static bool comes_true(uint64_t *word, uint64_t at_least)
{
	uint64_t end = now_ns() + PATIENCE;

	while (get(word) < at_least) {
		if (now_ns() > end)
			return false;
		pause_ns(20000);
	}
	return true;
}

/* Both are there, and messages move. */
static void run_both(void)
{
	enum shmring_role role;

	for (role = SHMRING_PRODUCER; role <= SHMRING_CONSUMER; role++) {
		if (player[role])
			continue;
		if (role == SHMRING_PRODUCER)
			set(&record->producer, get(&record->producer) + 1);
		player[role] = start_as(handle, role,
					role == SHMRING_PRODUCER ? produce : consume);
		CHECK(comes_true(&record->attached[role], 1));
	}
	CHECK(comes_true(&record->received, get(&record->received) + 1));
}

static void kill_side(enum shmring_role role)
{
	set(&record->attached[role], 0);
	CHECK(!kill(player[role], SIGKILL));
}

static void reap(enum shmring_role role)
{
	CHECK_EQ(end_of(player[role]), 128 + SIGKILL);
	player[role] = 0;
	kills++;
}

/* Only now and then: without the module it takes 50 ms and more. */
static void await_notice(enum shmring_role peer, uint64_t since, uint64_t *seed)
{
	if (random_u64(seed) % (on_memfd() ? 64 : 2))
		return;
	CHECK(comes_true(&record->noticed[peer], since));
	count_notice(get(&record->noticed[peer]) - since);
}

static void play_round(uint64_t *seed)
{
	enum shmring_role role = random_u64(seed) % 2 ? SHMRING_PRODUCER : SHMRING_CONSUMER;
	bool both = random_u64(seed) % 4 == 0;
	uint64_t since;

	run_both();
	if (random_u64(seed) % 4)
		pause_ns(random_u64(seed) % (random_u64(seed) % 8 ? 200000 : 3000000));
	since = now_ns();
	kill_side(role);
	if (both)
		kill_side(other(role));
	reap(role);
	if (both)
		reap(other(role));
	else
		await_notice(other(role), since, seed);
}

static void end_game(void)
{
	run_both();
	set(&record->stop, 1);
	CHECK_EQ(end_of(player[SHMRING_PRODUCER]), TEST_PASS);
	CHECK_EQ(end_of(player[SHMRING_CONSUMER]), TEST_PASS);
	player[SHMRING_PRODUCER] = player[SHMRING_CONSUMER] = 0;
	messages += record->received;
}

static void play(uint64_t *seed, uint64_t nr)
{
	struct shmring_options opt = {
		.capacity = random_u64(seed) % 2 ? 4096 : 65536,
		.slot_size = random_u64(seed) % 3 ? 0 : 64,
	};
	uint64_t i;

	slot_size = (uint32_t)opt.slot_size;
	memset(record, 0, sizeof(*record));
	record->seed = random_u64(seed);
	CHECK_EQ(shmring_create(&handle, random_u64(seed) % 2 ? unique("kill") : NULL, &opt), 0);
	for (i = 0; i < nr; i++)
		play_round(seed);
	end_game();
	shmring_close(handle);
}

int main(void)
{
	uint64_t want = setting("SHMRING_KILLS", 500), seed = setting("SHMRING_SEED", 1);
	uint64_t began = now_ns();
	int fds;

	need_backend();
	printf("kill: seed %llu, backend %s\n", (unsigned long long)seed,
	       on_memfd() ? "memfd" : "kmod");
	record = share(sizeof(*record));
	fds = nr_fds();
	while (kills < want && !finish()) {
		context("the ring after %llu kills", (unsigned long long)kills);
		play(&seed, want - kills < PER_RING ? want - kills : PER_RING);
		expect_nothing_left("kill", fds);
	}
	print_figures(began);
	return finish();
}
