// SPDX-License-Identifier: MIT
/*
 * Many producers and a hub that are killed at random times, each followed by another one: while
 * they attach, send, read, sleep and close.
 *
 * These promises are checked:
 *
 *   - Messages that a producer has committed are read once, and in its order, by the hubs, of
 *     which each begins with the first message that the hub before has not released. Messages
 *     that a producer was just committing when it was killed may be read or not.
 *   - A lane is given to another producer only after all that was in it has been released. In
 *     the end all lanes can be attached to, and work.
 *   - No side sleeps on: each producer's messages go on to be read.
 *   - Nothing is left behind: no ring, name, descriptor, child, use of the module.
 *
 * SHMRING_KILLS is the number of kills; SHMRING_SEED decides their order and victims.
 */
#include "fan_in.h"
#include "left.h"

#include <sys/wait.h>

#define PER_RING	100		/* kills, before there is a new ring */
#define HUB		MAX_PARTIES	/* the number of the first among the players */
#define PLAYERS		(MAX_PARTIES + MAX_HUBS)
#define RUN_OUT		(MAX_LIVES / 2)	/* lives; then there is a new ring, too */

static struct shmring *handle;
static pid_t player[PLAYERS];
static unsigned int parties, rivals, lanes;	/* rivals: processes that try to be the hub */
static uint64_t kills, messages, repeated, lives, hubs, longest;

/* ------------------------------------------------------------------- watching */

static void print_file(const char *path)
{
	FILE *f = fopen(path, "re");
	int c;

	while (f && (c = getc(f)) != EOF)
		putchar(c);
	if (f)
		fclose(f);
}

/* What hangs: the processes, their endpoints and lives. */
static void dump_all(void)
{
	static const char *const doing[] = {
		"absent", "in set-up", "at work", "waiting", "in poll", "closing",
	};
	unsigned int i;

	for (i = 0; i < PLAYERS; i++) {
		if (!player[i])
			continue;
		printf("%s %u: %s, state %c, received %llu\n", i >= HUB ? "hub" : "party", i,
		       doing[record->doing[i]], state_of(player[i]),
		       i >= HUB ? (unsigned long long)record->received :
				  (unsigned long long)record->received_of[i]);
		fflush(stdout);
		kill(player[i], SIGUSR1);
		pause_ns(100000000);
	}
	if (!on_memfd())
		print_file("/proc/shmring");
}

/* Has a process ended that was not killed? It has printed why. */
static bool has_one_failed(void)
{
	siginfo_t info = { 0 };

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

static bool have_all_received(const uint64_t since[MAX_PARTIES])
{
	unsigned int i;

	for (i = 0; i < parties; i++)
		if (get(&record->received_of[i]) == since[i])
			return false;
	return true;
}

/*
 * With memfd a hub that has polled closes an inotify descriptor, and the kernel may take 20 s for
 * that (seen on 6.18: fsnotify_destroy_group() waits in flush_work). So do not count that time.
 */
static bool is_one_closing(void)
{
	unsigned int i;

	for (i = HUB; on_memfd() && i < HUB + rivals; i++)
		if (player[i] && get(&record->doing[i]) == CLOSING)
			return true;
	return false;
}

/* Messages are read: any, or some of each party. */
static void await_progress(bool of_all)
{
	uint64_t since[MAX_PARTIES], received = get(&record->received);
	uint64_t began = now_ns(), took = 0;

	memcpy(since, record->received_of, sizeof(since));
	while (of_all ? !have_all_received(since) : get(&record->received) == received) {
		CHECK(!has_one_failed());
		if (is_one_closing())
			began = now_ns();
		took = now_ns() - began;
		if (took > PATIENCE_NS) {
			dump_all();
			CHECK(!"messages go on to be read");
		}
		pause_ns(20000);
	}
	if (took > longest)
		longest = took;
}

/* ------------------------------------------------------------------------ game */

static void start_missing(void)
{
	unsigned int i;

	for (i = 0; i < parties; i++)
		if (!player[i])
			player[i] = start(produce, (void *)(uintptr_t)i);
	for (i = HUB; i < HUB + rivals; i++)
		if (!player[i])
			player[i] = start(run_hub, (void *)(uintptr_t)i);
}

static void kill_player(unsigned int i)
{
	CHECK(!kill(player[i], SIGKILL));
}

static void reap_player(unsigned int i)
{
	CHECK_EQ(end_of(player[i]), 128 + SIGKILL);
	player[i] = 0;
	kills++;
}

/* Kill one, or one and a hub, or, more rarely, all producers at once. */
static void kill_some(uint64_t *seed)
{
	unsigned int first = (unsigned int)(random_u64(seed) % parties), i;
	bool victim[PLAYERS] = { false }, hub = random_u64(seed) % 3 == 0;

	if (random_u64(seed) % 32 == 0)
		memset(victim, true, parties);
	victim[HUB + random_u64(seed) % rivals] = hub;
	victim[first] = !hub || random_u64(seed) % 2;
	for (i = 0; i < PLAYERS; i++)
		if (victim[i])
			kill_player(i);
	for (i = 0; i < PLAYERS; i++)
		if (victim[i])
			reap_player(i);
}

static void play_round(uint64_t *seed)
{
	if (random_u64(seed) % 8 == 0)
		pause_ns(random_u64(seed) % 3000000);
	start_missing();
	if (random_u64(seed) % 4)
		await_progress(random_u64(seed) % 16 == 0);
	if (random_u64(seed) % 4)
		pause_ns(random_u64(seed) % (random_u64(seed) % 8 ? 300000 : 5000000));
	kill_some(seed);
}

/* A process that is not killed must end. */
static void await_end(unsigned int i)
{
	uint64_t end = now_ns() + PATIENCE_NS;
	siginfo_t info = { 0 };

	for (;;) {
		CHECK(!waitid(P_PID, (id_t)player[i], &info, WEXITED | WNOHANG | WNOWAIT));
		if (info.si_pid)
			break;
		if (now_ns() > end && !is_one_closing()) {
			dump_all();
			CHECK(!"a process ends");
		}
		pause_ns(100000);
	}
	CHECK_EQ(end_of(player[i]), TEST_PASS);
	player[i] = 0;
}

static void close_all(struct shmring *r[], unsigned int nr)
{
	while (nr)
		shmring_close(r[--nr]);
}

/*
 * The producers stop, and those that are idle. The hubs, which may wait for more, are killed, and
 * another one reads the rest.
 */
static void end_game(struct shmring *idle[], unsigned int nr_idle)
{
	unsigned int i;

	start_missing();
	await_progress(true);
	set(&record->stop, 1);
	for (i = 0; i < parties; i++)
		await_end(i);
	for (i = HUB; i < HUB + rivals; i++) {
		kill_player(i);
		reap_player(i);
	}
	close_all(idle, nr_idle);
	record->rivals = false;
	player[HUB] = start(run_last_hub, (void *)(uintptr_t)HUB);
	await_end(HUB);
	judge_end();
}

/* ----------------------------------------------------------------------- lanes */

static void attach_producers(struct shmring *r[], unsigned int nr)
{
	const struct shmring_options opt = { .role = SHMRING_PRODUCER, .policy = SHMRING_BLOCK };
	unsigned int i;

	for (i = 0; i < nr; i++) {
		context("after %llu kills, lane %u", (unsigned long long)kills, i);
		CHECK_EQ(find_ring(&r[i], &opt), 0);
		CHECK_EQ(shmring_used(r[i]), 0);
	}
}

/* Each lane has a place for a producer, and the hub reads what it sends. */
static void expect_all_lanes(void)
{
	uint64_t message[MAX_MESSAGE / 8 + 1] = { 0 };
	struct shmring *r[SHMRING_LANES_MAX], *extra, *from;
	bool seen[SHMRING_LANES_MAX] = { false };
	struct shmring_wait w = { .deadline = shmring_deadline(PATIENCE_NS) };
	size_t len = ring_slot_size ? ring_slot_size : 8;
	struct shmring_hub *h;
	unsigned int i, lane;

	CHECK_EQ(find_ring_as_hub(&h, NULL), 0);
	attach_producers(r, lanes);
	EXPECT_EQ(find_ring(&extra, &(struct shmring_options){ .role = SHMRING_PRODUCER }), -EBUSY);
	for (i = 0; i < lanes; i++)
		CHECK_EQ(shmring_send(r[i], message, len, NULL), len);
	for (i = 0; i < lanes; i++) {
		CHECK_EQ(shmring_hub_wait(h, &w), 0);
		from = shmring_hub_next(h);
		CHECK(from);
		lane = shmring_hub_lane(h, from);
		CHECK(!seen[lane]);
		seen[lane] = true;
		CHECK_EQ(shmring_recv(from, message, sizeof(message), &nowait), len);
	}
	EXPECT(!shmring_hub_next(h));
	close_all(r, lanes);
	shmring_hub_close(h);
}

/* ------------------------------------------------------------------------ rings */

static unsigned int any_lanes(uint64_t *seed)
{
	static const unsigned int some[] = { 1, 2, 3, 4, 4, 6, 8, 70 };

	return some[random_u64(seed) % ARRAY_SIZE(some)];
}

static void make_ring(uint64_t *seed)
{
	const struct shmring_options as_handle = { .role = SHMRING_HANDLE };
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_hub *h;

	opt.lanes = lanes;
	opt.capacity = random_u64(seed) % 2 ? 4096 : 65536;
	opt.slot_size = random_u64(seed) % 3 ? 0 : 64;
	opt.flags = random_u64(seed) % 2 ? SHMRING_QUEUE : 0;
	if (opt.slot_size && random_u64(seed) % 2)
		opt.flags |= SHMRING_MARKS;
	ring_name = random_u64(seed) % 2 ? unique("kill_hub") : NULL;
	ring_slot_size = opt.slot_size;
	context("after %llu kills: %u lanes of %zu, slots of %zu, flags %#x, %u parties, %u hubs",
		(unsigned long long)kills, lanes, opt.capacity, opt.slot_size, opt.flags, parties,
		rivals);
	CHECK_EQ(shmring_hub_create(&h, ring_name, &opt), 0);
	ring_fd = shmring_hub_fd(h);
	CHECK_EQ(find_ring(&handle, &as_handle), 0);
	ring_fd = shmring_fd(handle);
	shmring_hub_close(h);
}

/* Idle producers take lanes, so that the others get lanes further on. */
static void play(uint64_t *seed, uint64_t nr)
{
	struct shmring *idle[SHMRING_LANES_MAX];
	uint64_t until = kills + nr;
	unsigned int nr_idle;

	memset(record, 0, sizeof(*record));
	record->seed = random_u64(seed);
	lanes = any_lanes(seed);
	nr_idle = lanes > MAX_PARTIES ? lanes - 8 : 0;
	parties = (unsigned int)(1 + random_u64(seed) % (lanes - nr_idle + 4));
	rivals = random_u64(seed) % 3 ? 1 : MAX_HUBS;
	record->rivals = rivals > 1;
	make_ring(seed);
	attach_producers(idle, nr_idle);
	while (kills < until && get(&record->nr_lives) < RUN_OUT)
		play_round(seed);
	end_game(idle, nr_idle);
	expect_all_lanes();
	shmring_close(handle);
	messages += record->received;
	repeated += record->repeated;
	lives += record->nr_lives;
	hubs += record->nr_hubs;
}

int main(void)
{
	uint64_t want = setting("SHMRING_KILLS", 300), seed = setting("SHMRING_SEED", 1);
	uint64_t began = now_ns();
	int fds;

	need_backend();
	printf("kill_hub: seed %llu, backend %s\n", (unsigned long long)seed,
	       on_memfd() ? "memfd" : "kmod");
	record = share(sizeof(*record));
	fds = nr_fds();
	while (kills < want && !finish()) {
		play(&seed, want - kills < PER_RING ? want - kills : PER_RING);
		expect_nothing_left("kill_hub", fds);
	}
	printf("kill_hub: %llu SIGKILLs, %llu messages, %llu of them again, %llu lives, %llu hubs, longest silence %.0f ms, %.1f s\n",
	       (unsigned long long)kills, (unsigned long long)messages,
	       (unsigned long long)repeated, (unsigned long long)lives, (unsigned long long)hubs,
	       (double)longest / 1e6, (double)(now_ns() - began) / 1e9);
	return finish();
}
