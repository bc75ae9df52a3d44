// SPDX-License-Identifier: MIT
/* The producers and the hubs that are killed. */
#include "fan_in.h"

#include <poll.h>

#include "fan_in_dump.h"

#define HELD_FOR	3000000		/* ns for which a hub may sleep and hold messages */

static enum shmring_policy any_policy(uint64_t *seed)
{
	static const enum shmring_policy policies[] = {
		SHMRING_ADAPTIVE, SHMRING_ADAPTIVE, SHMRING_BLOCK, SHMRING_BLOCK, SHMRING_BLOCK,
		SHMRING_EAGER, SHMRING_EAGER, SHMRING_SPIN,
	};

	return policies[random_u64(seed) % ARRAY_SIZE(policies)];
}

/* Once in @rarely times. */
static void pause_now_and_then(uint64_t *seed, uint64_t rarely, uint64_t ns)
{
	if (random_u64(seed) % rarely == 0)
		pause_ns(random_u64(seed) % ns);
}

int find_ring(struct shmring **r, const struct shmring_options *opt)
{
	return ring_name ? shmring_attach_opt(r, ring_name, opt) :
			   shmring_attach_fd_opt(r, ring_fd, opt);
}

int find_ring_as_hub(struct shmring_hub **h, const struct shmring_hub_options *opt)
{
	return ring_name ? shmring_hub_attach(h, ring_name, opt) :
			   shmring_hub_attach_fd(h, ring_fd, opt);
}

/* ------------------------------------------------------------------ producers */

static size_t any_length(const struct shmring *r, uint64_t *seed)
{
	size_t most = random_u64(seed) % 16 ? 256 : MAX_MESSAGE;

	if (ring_slot_size)
		return ring_slot_size;
	if (most > shmring_max_len(r))
		most = shmring_max_len(r);
	return sizeof(struct message) + random_u64(seed) % (most - sizeof(struct message));
}

static int send_one(struct shmring *r, uint64_t life, uint64_t number, uint64_t *seed)
{
	uint64_t message[MAX_MESSAGE / 8 + 1];
	size_t len = any_length(r, seed);
	ssize_t ret;

	write_message(message, life, number, len);
	ret = shmring_send(r, message, len, NULL);
	if (ret >= 0)
		CHECK_EQ(ret, len);
	return ret < 0 ? (int)ret : 0;
}

static int stage_one(struct shmring *r, uint64_t life, uint64_t number, uint64_t *seed)
{
	size_t len = any_length(r, seed);
	void *to;
	int ret;

	while (!(to = shmring_reserve(r, len))) {
		ret = shmring_wait_space(r, len, NULL);	/* publishes, too */
		if (ret)
			return ret;
	}
	write_message(to, life, number, len);
	return shmring_stage(r, len);
}

/* Returns how many of up to @nr messages from @first on were sent. */
static uint64_t send_some(struct shmring *r, uint64_t life, uint64_t first, uint64_t nr,
			  uint64_t *seed)
{
	uint64_t i;
	int ret = 0;

	if (nr == 1) {
		ret = send_one(r, life, first, seed);
		CHECK(!ret || ret == -EPIPE);	/* there is no hub now */
		return !ret;
	}
	for (i = 0; i < nr && !ret; i++)
		ret = stage_one(r, life, first + i, seed);
	CHECK(!ret || ret == -EPIPE);
	shmring_publish(r);
	return ret ? i - 1 : i;
}

static void send_all(struct shmring *r, uint64_t life, uint64_t nr, uint64_t *seed)
{
	struct life *l = &record->lives[life];
	uint64_t n = 0, batch, sent;

	while (n < nr && !get(&record->stop)) {
		batch = random_u64(seed) % 2 ? 1 : 2 + random_u64(seed) % 8;
		set(&l->begun, n + batch);
		sent = send_some(r, life, n, batch, seed);
		n += sent;
		set(&l->sent, n);
		set(&l->begun, n);
		if (sent < batch)
			pause_ns(50000);
		pause_now_and_then(seed, 32, 1000000);
	}
}

/* NULL: no lane was free until the end. */
static struct shmring *attach_producer(uint64_t *seed)
{
	struct shmring_options opt = { .role = SHMRING_PRODUCER, .policy = any_policy(seed) };
	struct shmring *r = NULL;
	int ret;

	while (!get(&record->stop)) {
		ret = find_ring(&r, &opt);
		if (!ret)
			return r;
		CHECK(ret == -EBUSY || (ret == -ETIMEDOUT && on_memfd()));
		pause_ns(random_u64(seed) % 300000);
	}
	return NULL;
}

static uint64_t new_life(uint64_t party)
{
	uint64_t life = __atomic_fetch_add(&record->nr_lives, 1, __ATOMIC_SEQ_CST);

	CHECK(life < MAX_LIVES);
	record->lives[life].party = party;
	return life;
}

static void live(uint64_t party, uint64_t *seed)
{
	struct shmring *r;

	set(&record->doing[party], SETUP);
	r = attach_producer(seed);
	if (!r)
		return;
	CHECK_EQ(shmring_used(r), 0);	/* a lane is given out drained */
	dumped_ring = r;
	set(&record->doing[party], AT_WORK);
	send_all(r, new_life(party), 1 + random_u64(seed) % (random_u64(seed) % 4 ? 300 : 5000),
		 seed);
	set(&record->doing[party], CLOSING);
	dumped_ring = NULL;
	shmring_close(r);
}

int produce(void *arg)
{
	uint64_t party = (uint64_t)(uintptr_t)arg, seed = record->seed ^ party << 32 ^ now_ns();

	dump_on_request();
	while (!get(&record->stop))
		live(party, &seed);
	set(&record->doing[party], ABSENT);
	return TEST_PASS;
}

/* ----------------------------------------------------------------------- hubs */

/* One attachment of a hub, and what it holds in each lane: messages of this life. */
struct hub {
	struct shmring_hub *h;
	uint64_t number;
	uint64_t seed;
	uint64_t *doing;
	unsigned int holding;		/* lanes */
	struct life *held[SHMRING_LANES_MAX];
};

static void release(struct hub *hub, unsigned int lane)
{
	struct life *l = hub->held[lane];
	uint64_t read = l->read;

	hub->held[lane] = NULL;
	hub->holding--;
	set(&l->releasing, read);
	CHECK_EQ(shmring_release(shmring_hub_endpoint(hub->h, lane)), 0);
	set(&l->released, read);
}

static void release_all(struct hub *hub)
{
	unsigned int lane;

	for (lane = 0; hub->holding; lane++)
		if (hub->held[lane])
			release(hub, lane);
}

/* As a message of its own, which was peeked at before: it is known which one it will be. */
static void receive_peeked(struct shmring *r, struct life *l, size_t len)
{
	uint64_t message[MAX_MESSAGE / 8 + 1];

	set(&l->releasing, l->read);
	CHECK_EQ(shmring_recv(r, message, sizeof(message), &nowait), len);
	set(&l->released, l->read);
	check_message(message, len);
}

/* Take up to @nr messages of a lane that has one. */
static void take(struct hub *hub, struct shmring *r, uint64_t nr)
{
	unsigned int lane = shmring_hub_lane(hub->h, r);
	const void *from;
	struct life *l;
	size_t len = 0;

	from = shmring_peek(r, &len);
	CHECK(from);
	do {
		l = judge_message(from, len, hub->number, lane);
		pause_now_and_then(&hub->seed, 1024, 1000000);
		if (!hub->held[lane] && random_u64(&hub->seed) % 4 == 0) {
			receive_peeked(r, l, len);
			continue;
		}
		check_message(from, len);	/* still */
		hub->holding += !hub->held[lane];
		hub->held[lane] = l;
		CHECK_EQ(shmring_advance(r), 0);
	} while (--nr && (from = shmring_peek(r, &len)));
	if (hub->held[lane] && random_u64(&hub->seed) % 8)
		release(hub, lane);
}

static int sleep_in_poll(struct hub *hub)
{
	struct pollfd fd = { .events = POLLIN };
	int ret;

	fd.fd = shmring_hub_poll_fd(hub->h);
	CHECK(fd.fd >= 0);
	if (shmring_hub_next(hub->h))
		return 0;
	ret = shmring_hub_wait(hub->h, &nowait);
	if (ret != -EAGAIN)
		return ret;
	set(hub->doing, IN_POLL);
	CHECK_EQ(poll(&fd, 1, -1), 1);
	return 0;
}

/*
 * Mostly without a deadline: it would hide a wake-up that was lost. But messages that the hub holds
 * keep lanes of dead producers from those that wait for a lane.
 */
static int sleep_somehow(struct hub *hub)
{
	struct shmring_wait w = { 0 };
	int ret;

	if (hub->holding && random_u64(&hub->seed) % 2)
		release_all(hub);
	set(hub->doing, WAITING);
	/* Less often with memfd, where the death of a hub that has polled takes long: inotify. */
	if (!hub->holding && random_u64(&hub->seed) % (on_memfd() ? 64 : 4) == 0)
		return sleep_in_poll(hub);
	if (hub->holding || random_u64(&hub->seed) % 16 == 0)
		w.deadline = shmring_deadline(random_u64(&hub->seed) % HELD_FOR);
	w.flags = random_u64(&hub->seed) % 8 ? 0 : SHMRING_NOWAIT;
	ret = shmring_hub_wait(hub->h, &w);
	CHECK(ret != -ETIMEDOUT || w.deadline);
	CHECK(ret != -EAGAIN || w.flags);
	CHECK(ret != -EDEADLK || hub->holding);
	return ret == -EAGAIN ? 0 : ret;
}

/* Go on @nr times; @last: until the end of all streams. */
static void serve(struct hub *hub, uint64_t nr, bool last)
{
	struct shmring *r;
	int ret = 0;

	while (last || nr--) {
		set(hub->doing, AT_WORK);
		pause_now_and_then(&hub->seed, 256, 2000000);
		r = shmring_hub_next(hub->h);
		if (r) {
			take(hub, r, 1 + random_u64(&hub->seed) % 16);
			continue;
		}
		ret = sleep_somehow(hub);
		if (!ret)
			continue;
		CHECK(ret == -ENODATA || ret == -ETIMEDOUT || ret == -EDEADLK);
		release_all(hub);
		if (ret == -ENODATA && last)
			return;
		if (ret == -ENODATA)
			pause_ns(50000);
	}
}

static void attach_hub(struct hub *hub, bool last)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	int ret;

	opt.policy = any_policy(&hub->seed);
	opt.flags = last || random_u64(&hub->seed) % 2 ? SHMRING_HUB_EOF : 0;
	while ((ret = find_ring_as_hub(&hub->h, &opt))) {
		/* The hub before is gone when its process is, unless there is another one. */
		CHECK((ret == -EBUSY && record->rivals) || (ret == -ETIMEDOUT && on_memfd()));
		pause_ns(random_u64(&hub->seed) % 1000000);
	}
	hub->number = __atomic_add_fetch(&record->nr_hubs, 1, __ATOMIC_SEQ_CST);
}

/* Attach, read, and close: with messages that were not released, now and then. */
static void be_hub(uint64_t player, uint64_t *seed, bool last)
{
	struct hub hub = { .doing = &record->doing[player], .seed = random_u64(seed) };

	set(hub.doing, SETUP);
	attach_hub(&hub, last);
	dumped_hub = hub.h;
	serve(&hub, random_u64(seed) % 2 ? UINT64_MAX : random_u64(seed) % 2000, last);
	if (random_u64(seed) % 2)
		release_all(&hub);
	set(hub.doing, CLOSING);
	dumped_hub = NULL;
	shmring_hub_close(hub.h);
}

int run_hub(void *player)
{
	uint64_t seed = record->seed ^ now_ns();

	dump_on_request();
	for (;;)
		be_hub((uintptr_t)player, &seed, false);
}

int run_last_hub(void *player)
{
	uint64_t seed = record->seed ^ now_ns();

	dump_on_request();
	be_hub((uintptr_t)player, &seed, true);
	return TEST_PASS;
}
