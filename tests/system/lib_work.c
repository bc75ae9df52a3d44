// SPDX-License-Identifier: MIT
/*
 * Work queues: each message to one worker, the idle one first; what a worker leaves that dies is
 * dealt again, with a count, and taken out after three workers.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <shmring/hub.h>

#include "lib.h"

#define WORKERS	4

static struct shmring_hub *make_queue(const char *name, unsigned int lanes, unsigned int depth)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_hub *h;

	opt.topology = SHMRING_WORK;
	opt.lanes = lanes;
	opt.depth = depth;
	opt.capacity = page_size();
	CHECK_EQ(shmring_hub_create(&h, name, &opt), 0);
	return h;
}

static struct shmring *worker(const char *name)
{
	struct shmring *r;

	CHECK_EQ(shmring_attach(&r, name, SHMRING_CONSUMER), 0);
	return r;
}

/* Deal a number; the lane, or -1: no worker can take it, or this one has just gone. */
static int deal(struct shmring_hub *h, uint64_t n)
{
	struct shmring *lane = shmring_hub_next(h);
	ssize_t ret;

	if (!lane)
		return -1;
	ret = shmring_send(lane, &n, sizeof(n), &nowait);
	if (ret == -EPIPE)
		return -1;
	CHECK_EQ(ret, sizeof(n));
	return (int)shmring_hub_lane(h, lane);
}

/* What the worker has in front; not released. 0: nothing. */
static uint64_t look(struct shmring *r)
{
	size_t len;
	const uint64_t *n = shmring_peek(r, &len);

	return n ? *n : 0;
}

static int wait_hub(struct shmring_hub *h)
{
	struct shmring_wait w = { .deadline = shmring_deadline(PATIENCE_NS) };

	return shmring_hub_wait(h, &w);
}

static int drain(struct shmring_hub *h)
{
	struct shmring_wait w = { .deadline = shmring_deadline(PATIENCE_NS) };

	return shmring_hub_drain(h, &w);
}

/* ---------------------------------------------------------------------- dealing */

static void test_each_to_one(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 3, 0);
	struct shmring *w[2];
	int first, second;

	EXPECT_EQ(deal(h, 1), -1);	/* nobody is there */
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);
	w[0] = worker(name);
	EXPECT_EQ(wait_hub(h), 0);
	w[1] = worker(name);
	first = deal(h, 1);
	second = deal(h, 2);
	EXPECT(first >= 0 && second >= 0 && first != second);
	/* One message each; the next goes to the worker that is done first. */
	EXPECT_EQ(deal(h, 3), -1);
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);
	EXPECT_EQ(look(w[0]) + look(w[1]), 3);
	EXPECT_EQ(shmring_deliveries(w[0]), 0);
	EXPECT_EQ(shmring_release(w[1]), 0);
	EXPECT_EQ(wait_hub(h), 0);
	EXPECT(deal(h, 3) >= 0);
	EXPECT_EQ(look(w[1]), 3);
	EXPECT_EQ(shmring_hub_drain(h, &nowait), -EAGAIN);
	EXPECT_EQ(shmring_release(w[0]), 0);
	EXPECT_EQ(shmring_release(w[1]), 0);
	EXPECT_EQ(shmring_hub_drain(h, &nowait), 0);
	shmring_close(w[0]);
	shmring_close(w[1]);
	EXPECT_EQ(deal(h, 4), -1);
	shmring_hub_close(h);
}

/* With a depth of 3, the shortest queue is served first. */
static void test_depth(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 2, 3);
	struct shmring *w[2] = { worker(name), worker(name) };
	int count[2] = { 0 }, i;

	for (i = 0; i < 6; i++)
		count[deal(h, (uint64_t)i + 1)]++;
	EXPECT_EQ(count[0], 3);
	EXPECT_EQ(count[1], 3);
	EXPECT_EQ(deal(h, 7), -1);
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);
	look(w[0]);
	EXPECT_EQ(shmring_release(w[0]), 0);
	EXPECT_EQ(wait_hub(h), 0);
	EXPECT(deal(h, 7) >= 0);
	EXPECT_EQ(deal(h, 8), -1);
	for (i = 0; i < 3; i++) {
		look(w[0]);
		shmring_release(w[0]);
		look(w[1]);
		shmring_release(w[1]);
	}
	EXPECT_EQ(look(w[0]) + look(w[1]), 0);
	EXPECT_EQ(drain(h), 0);
	shmring_close(w[0]);
	shmring_close(w[1]);
	shmring_hub_close(h);
}

/* ----------------------------------------------------------------- dealing again */

/* A worker closes with a message; an idle one gets it, once, and then what is new. */
static void test_left_over(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 3, 2);
	struct shmring *w[2] = { worker(name), worker(name) }, *gone, *stays;
	int i;

	for (i = 1; i <= 4; i++)
		EXPECT(deal(h, (uint64_t)i) >= 0);
	gone = look(w[0]) == 1 ? w[0] : w[1];
	stays = gone == w[0] ? w[1] : w[0];
	EXPECT_EQ(look(gone), 1);
	shmring_close(gone);
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);	/* the other one is busy */
	for (i = 0; i < 2; i++) {
		EXPECT(look(stays) > 0);
		EXPECT_EQ(shmring_deliveries(stays), 0);
		EXPECT_EQ(shmring_release(stays), 0);
	}
	/* Both messages are dealt again before a new one. */
	EXPECT_EQ(deal(h, 9), -1);
	EXPECT_EQ(look(stays), 1);
	EXPECT_EQ(shmring_deliveries(stays), 1);
	EXPECT_EQ(shmring_release(stays), 0);
	EXPECT_EQ(look(stays), 3);
	EXPECT_EQ(shmring_deliveries(stays), 1);
	EXPECT_EQ(shmring_release(stays), 0);
	EXPECT_EQ(look(stays), 0);
	EXPECT_EQ(drain(h), 0);
	/* The lane is free again. */
	w[0] = worker(name);
	w[1] = worker(name);
	shmring_close(w[0]);
	shmring_close(w[1]);
	shmring_close(stays);
	shmring_hub_close(h);
}

/* With no other worker there, the next one that comes gets the lane with its messages. */
static void test_next_worker(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 1, 0);
	struct shmring *w = worker(name);

	EXPECT_EQ(deal(h, 7), 0);
	EXPECT_EQ(look(w), 7);
	shmring_close(w);
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);
	w = worker(name);
	EXPECT_EQ(deal(h, 8), -1);
	EXPECT_EQ(look(w), 7);
	EXPECT_EQ(shmring_deliveries(w), 1);
	EXPECT_EQ(shmring_release(w), 0);
	EXPECT_EQ(deal(h, 8), 0);
	EXPECT_EQ(look(w), 8);
	EXPECT_EQ(shmring_deliveries(w), 0);
	shmring_close(w);
	shmring_hub_close(h);
}

/* A worker that comes gets the lane with messages before one without. */
static void test_lane_with_messages(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 2, 0);
	struct shmring *w[2] = { worker(name), worker(name) };
	int lanes[2] = { deal(h, 1), deal(h, 2) }, last = lanes[0] ? 0 : 1;
	uint64_t n = lanes[0] ? 1 : 2;	/* in lane 1 */

	for (last = 0; look(w[last]) == n; last++)
		;
	EXPECT_EQ(shmring_release(w[last]), 0);
	shmring_close(w[0]);
	shmring_close(w[1]);
	w[0] = worker(name);
	EXPECT_EQ(look(w[0]), n);
	EXPECT_EQ(shmring_deliveries(w[0]), 1);
	shmring_close(w[0]);
	shmring_hub_close(h);
}

/* Of two messages one can be dealt again: the other stays, and the hub counts as no worker. */
static void test_one_of_two(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 2, 2);
	struct shmring *w[2] = { worker(name), worker(name) }, *gone, *stays;
	int i;

	for (i = 1; i <= 4; i++)
		EXPECT(deal(h, (uint64_t)i) >= 0);
	gone = look(w[0]) == 1 ? w[0] : w[1];
	stays = gone == w[0] ? w[1] : w[0];
	EXPECT_EQ(look(stays), 2);
	EXPECT_EQ(shmring_release(stays), 0);
	shmring_close(gone);
	EXPECT_EQ(deal(h, 5), -1);
	gone = worker(name);
	EXPECT_EQ(look(gone), 3);
	EXPECT_EQ(shmring_deliveries(gone), 1);
	shmring_close(gone);
	shmring_close(stays);
	shmring_hub_close(h);
}

/* A message that no worker survives is taken out; the next one is not held up. */
static void test_failed(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 2, 0);
	struct shmring *w, *second;
	const uint64_t *n;
	size_t len;
	int i;

	w = worker(name);
	EXPECT(deal(h, 13) >= 0);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(look(w), 13);
		EXPECT_EQ(shmring_deliveries(w), (unsigned int)i);
		EXPECT(!shmring_work_failed(h, &len));
		shmring_close(w);
		if (i < 2)
			w = worker(name);
	}
	EXPECT_EQ(wait_hub(h), 0);
	EXPECT_EQ(drain(h), 1);
	/* The hub keeps the lane, also when it has looked for processes that were killed. */
	usleep(100000);
	EXPECT_EQ(shmring_hub_wait(h, &nowait), -EAGAIN);
	w = worker(name);
	EXPECT_EQ(look(w), 0);
	EXPECT_EQ(shmring_attach(&second, name, SHMRING_CONSUMER), -EBUSY);
	shmring_close(w);
	n = shmring_work_failed(h, &len);
	CHECK(n);
	EXPECT_EQ(*n, 13);
	EXPECT_EQ(len, sizeof(*n));
	EXPECT(!shmring_work_failed(h, &len));
	EXPECT_EQ(drain(h), 0);
	w = worker(name);
	EXPECT(deal(h, 14) >= 0);
	EXPECT_EQ(look(w), 14);
	shmring_close(w);
	shmring_hub_close(h);
}

/* The next hub finds what is unfinished, and how often it was given. */
static void test_next_hub(void)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	const char *name = unique("work");
	struct shmring *w[2];
	struct shmring_hub *h;
	uint64_t n;

	opt.topology = SHMRING_WORK;
	opt.lanes = 2;
	opt.flags = SHMRING_PERSIST;
	opt.depth = 2;
	CHECK_EQ(shmring_hub_create(&h, name, &opt), 0);
	w[0] = worker(name);
	EXPECT(deal(h, 4) >= 0);
	EXPECT(deal(h, 5) >= 0);
	EXPECT_EQ(look(w[0]), 4);
	shmring_hub_close(h);
	opt.flags = 0;
	CHECK_EQ(shmring_hub_attach(&h, name, &opt), 0);
	EXPECT_EQ(deal(h, 6), -1);
	w[1] = worker(name);
	shmring_close(w[0]);
	EXPECT_EQ(deal(h, 6), -1);	/* the old ones come first */
	for (n = 4; n < 6; n++) {
		EXPECT_EQ(look(w[1]), n);
		EXPECT_EQ(shmring_deliveries(w[1]), 1);
		EXPECT_EQ(shmring_release(w[1]), 0);
	}
	EXPECT(deal(h, 6) >= 0);
	shmring_close(w[1]);
	shmring_hub_close(h);
	EXPECT_EQ(shmring_unlink(name), 0);
}

static void test_kick(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 2, 0);
	struct shmring *w[2] = { worker(name), worker(name) };
	int lane = deal(h, 3), other;

	if (on_memfd()) {
		EXPECT_EQ(shmring_hub_kick(h, shmring_hub_endpoint(h, (unsigned int)lane)),
			  -EOPNOTSUPP);
	} else {
		EXPECT_EQ(shmring_hub_kick(h, shmring_hub_endpoint(h, (unsigned int)lane)), 0);
		other = look(w[0]) == 3;
		EXPECT_EQ(wait_hub(h), 0);
		/* The kicked worker still maps its lane, so nobody can take it: not dealt yet. */
		shmring_close(w[!other]);
		EXPECT_EQ(deal(h, 4), -1);
		EXPECT_EQ(look(w[other]), 3);
		EXPECT_EQ(shmring_deliveries(w[other]), 1);
		w[!other] = worker(name);
	}
	shmring_close(w[0]);
	shmring_close(w[1]);
	shmring_hub_close(h);
}

/* Leave the tail inside the first message, where the payload looks like a message of its own. */
static void leave_inside(struct shmring *r)
{
	uint64_t tail = __atomic_load_n(&r->consumer->tail, __ATOMIC_RELAXED);

	__atomic_store_n(&r->consumer->tail, tail + sizeof(struct shmring_record),
			 __ATOMIC_RELEASE);
	shmring_close(r);
}

static void deal_nested(struct shmring_hub *h)
{
	const struct shmring_record looks_true[4] = { { 8, 0 }, { 66, 0 }, { 8, 0 }, { 67, 0 } };
	struct shmring *lane = shmring_hub_next(h);

	CHECK(lane);
	CHECK_EQ(shmring_send(lane, looks_true, sizeof(looks_true), &nowait), sizeof(looks_true));
}

/* The rest of a message is never taken for one: not by the lane's next worker, ... */
static void test_rest_for_next_worker(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 1, 2);
	struct shmring *w = worker(name);

	deal_nested(h);
	EXPECT(deal(h, 5) >= 0);
	leave_inside(w);
	w = worker(name);
	EXPECT_EQ(look(w), 5);
	EXPECT_EQ(shmring_release(w), 0);
	EXPECT_EQ(look(w), 0);
	EXPECT_EQ(drain(h), 0);
	shmring_close(w);
	shmring_hub_close(h);
}

/* ... nor by the hub, which deals again what is left. */
static void test_rest_dealt_again(void)
{
	const char *name = unique("work");
	struct shmring_hub *h = make_queue(name, 2, 2);
	struct shmring *w[2] = { worker(name), worker(name) };
	int i;

	for (i = 0; i < 4; i++)
		deal_nested(h);
	for (i = 0; i < 2; i++) {
		EXPECT(look(w[1]) != 0);
		EXPECT_EQ(shmring_release(w[1]), 0);
	}
	leave_inside(w[0]);	/* counts as done with the first of its two messages */
	EXPECT_EQ(shmring_hub_wait(h, &nowait), 0);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(look(w[1]), i ? 0 : 8);
		EXPECT_EQ(shmring_release(w[1]), i ? -EINVAL : 0);
	}
	EXPECT_EQ(drain(h), 0);
	shmring_close(w[1]);
	shmring_hub_close(h);
}

/* --------------------------------------------------------------------- arguments */

static void test_errors(void)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	const char *name = unique("work");
	struct shmring_wait w = { .min_bytes = 8 };
	struct shmring_hub *h;
	struct shmring *r;
	size_t len;

	opt.topology = SHMRING_WORK;
	opt.depth = SHMRING_DEALS_MAX + 1;
	EXPECT_EQ(shmring_hub_create(&h, NULL, &opt), -EINVAL);
	opt.depth = 0;
	opt.flags = SHMRING_HUB_EOF;
	EXPECT_EQ(shmring_hub_create(&h, NULL, &opt), -EINVAL);
	h = make_queue(name, 1, 0);
	EXPECT_EQ(shmring_attach(&r, name, SHMRING_PRODUCER), -EPROTO);
	r = worker(name);
	EXPECT_EQ(shmring_attach(&r, name, SHMRING_CONSUMER), -EBUSY);
	EXPECT_EQ(shmring_hub_drain(h, &w), -EINVAL);
	EXPECT_EQ(shmring_hub_wait(h, &w), -EINVAL);
	shmring_hub_close(h);
	shmring_close(r);

	opt = (struct shmring_hub_options)SHMRING_HUB_OPTIONS_INIT;
	CHECK_EQ(shmring_hub_create(&h, NULL, &opt), 0);
	EXPECT_EQ(shmring_hub_drain(h, NULL), -EBADF);
	EXPECT(!shmring_work_failed(h, &len));
	EXPECT_EQ(shmring_deliveries(shmring_hub_endpoint(h, 0)), 0);
	shmring_hub_close(h);
}

/* --------------------------------------------------------------- workers that die */

struct shared {
	uint64_t dealt;			/* messages that the hubs have dealt so far */
	uint32_t taken[5000];		/* how often each message was finished */
};

static uint64_t messages(uint64_t part)
{
	const uint64_t nr = setting("SHMRING_MESSAGES", 200000) / part;

	return nr < 500 ? 500 : nr < 5000 ? nr : 5000;
}

/* Work until there is no more; now and then, die with a message. */
static int work(const char *name, struct shared *s, uint64_t seed, bool dies)
{
	const uint64_t *n;
	struct shmring *r;
	size_t len;
	int ret;

	/* The lanes are looked at one by one: another worker may take the one that was free. */
	while ((ret = shmring_attach(&r, name, SHMRING_CONSUMER)) == -EBUSY)
		usleep(1000);
	if (ret == -ENOENT)
		return TEST_PASS;	/* the others have done all of it already */
	CHECK_EQ(ret, 0);
	for (;;) {
		while (!(n = shmring_peek(r, &len)))
			if (shmring_wait_data(r, NULL))
				return TEST_PASS;
		if (dies && !(random_u64(&seed) % 50))
			raise(SIGKILL);
		__atomic_fetch_add(&s->taken[*n], 1, __ATOMIC_RELAXED);
		CHECK_EQ(shmring_release(r), 0);
	}
}

static pid_t start_worker(const char *name, struct shared *s, uint64_t seed, bool dies)
{
	pid_t pid = fork();

	if (!pid)
		_exit(work(name, s, seed, dies));
	CHECK(pid > 0);
	return pid;
}

/* All are finished at least once, and exactly once if no worker dies. */
static void test_workers(bool die)
{
	const uint64_t nr = messages(100);
	const char *name = unique("work");
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t n = 0, seed = 7, deaths = 0, more = 0;
	struct shmring_wait w = { 0 };
	pid_t pids[WORKERS];
	struct shmring_hub *h;
	int i, ret;

	CHECK(s != MAP_FAILED);
	opt.topology = SHMRING_WORK;
	opt.lanes = WORKERS;
	opt.max_deliveries = 1000;
	CHECK_EQ(shmring_hub_create(&h, name, &opt), 0);
	for (i = 0; i < WORKERS; i++)
		pids[i] = start_worker(name, s, ++seed, die);
	while (n < nr) {
		ret = deal(h, n);
		if (ret >= 0) {
			n++;
			continue;
		}
		/* All workers may have died. */
		w.deadline = shmring_deadline(die ? 5000000 : PATIENCE_NS);
		ret = shmring_hub_wait(h, &w);
		CHECK(!ret || (die && ret == -ETIMEDOUT));
		for (i = 0; die && i < WORKERS; i++) {
			if (waitpid(pids[i], NULL, WNOHANG) != pids[i])
				continue;
			deaths++;
			pids[i] = start_worker(name, s, ++seed, n < nr - 200);
		}
	}
	for (i = 0; die && i < WORKERS; i++) {
		kill(pids[i], SIGKILL);
		CHECK_EQ(waitpid(pids[i], NULL, 0), pids[i]);
		pids[i] = start_worker(name, s, ++seed, false);
	}
	CHECK_EQ(drain(h), 0);
	shmring_hub_close(h);
	for (i = 0; i < WORKERS; i++)
		EXPECT_EQ(end_of(pids[i]), TEST_PASS);
	for (n = 0; n < nr; n++) {
		context("message %d", (int)n);
		CHECK(s->taken[n] >= 1);
		more += s->taken[n] - 1;
	}
	EXPECT(die || !more);
	printf("# %d messages, %d deaths, %d finished twice\n", (int)nr, (int)deaths, (int)more);
}

/* Deal until all is dealt and finished; sometimes die in between. */
static int be_hub(const char *name, struct shared *s, uint64_t nr, uint64_t seed)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_wait w = { 0 };
	struct shmring_hub *h;
	uint64_t n;
	int ret;

	opt.max_deliveries = 1000;
	opt.depth = 4;
	while ((ret = shmring_hub_attach(&h, name, &opt)) == -EBUSY)
		usleep(1000);
	CHECK_EQ(ret, 0);
	while ((n = s->dealt) < nr) {
		if (deal(h, n) >= 0) {
			s->dealt = n + 1;
		} else {
			w.deadline = shmring_deadline(5000000);
			ret = shmring_hub_wait(h, &w);
			CHECK(!ret || ret == -ETIMEDOUT);
		}
		if (seed && !(random_u64(&seed) % 200))
			raise(SIGKILL);
	}
	CHECK_EQ(drain(h), 0);
	shmring_hub_close(h);
	return TEST_PASS;
}

static pid_t start_hub(const char *name, struct shared *s, uint64_t nr, uint64_t seed)
{
	pid_t pid = fork();

	if (!pid)
		_exit(be_hub(name, s, nr, seed));
	CHECK(pid > 0);
	return pid;
}

/* Hubs and workers are killed, and each has a successor: no message is lost. */
static void test_all_die(void)
{
	const uint64_t nr = messages(400);
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i, status = -1, hubs = 1, workers = WORKERS;
	const char *name = unique("work");
	pid_t pids[WORKERS], hub;
	uint64_t n, seed = 77;

	CHECK(s != MAP_FAILED);
	opt.topology = SHMRING_WORK;
	opt.lanes = WORKERS;
	opt.flags = SHMRING_PERSIST;
	CHECK_EQ(shmring_hub_create(NULL, name, &opt), 0);
	hub = start_hub(name, s, nr, ++seed);
	for (i = 0; i < WORKERS; i++)
		pids[i] = start_worker(name, s, ++seed, true);
	for (;;) {
		if (waitpid(hub, &status, WNOHANG) == hub) {
			if (!WIFSIGNALED(status))
				break;
			hubs++;
			hub = start_hub(name, s, nr, s->dealt < nr - 100 ? ++seed : 0);
		}
		for (i = 0; i < WORKERS; i++) {
			if (waitpid(pids[i], NULL, WNOHANG) != pids[i])
				continue;
			workers++;
			pids[i] = start_worker(name, s, ++seed, s->dealt < nr - 100);
		}
		usleep(200);
	}
	EXPECT_EQ(status, 0);
	for (n = 0; n < nr; n++) {
		context("message %d", (int)n);
		CHECK(s->taken[n] >= 1);
	}
	for (i = 0; i < WORKERS; i++) {	/* the hub has gone: the end for them, if they live */
		status = end_of(pids[i]);
		EXPECT(status == TEST_PASS || status == 128 + SIGKILL);
	}
	printf("# %d messages, %d hubs, %d workers\n", (int)nr, hubs, workers);
	EXPECT_EQ(shmring_unlink(name), 0);
}

static void test_exactly_once(void)
{
	test_workers(false);
}

static void test_deaths(void)
{
	test_workers(true);
}

int main(void)
{
	need_backend();
	RUN(test_errors);
	RUN(test_each_to_one);
	RUN(test_depth);
	RUN(test_left_over);
	RUN(test_next_worker);
	RUN(test_lane_with_messages);
	RUN(test_one_of_two);
	RUN(test_failed);
	RUN(test_next_hub);
	RUN(test_kick);
	RUN(test_rest_for_next_worker);
	RUN(test_rest_dealt_again);
	RUN(test_exactly_once);
	RUN(test_deaths);
	RUN(test_all_die);
	return finish();
}
