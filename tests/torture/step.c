// SPDX-License-Identifier: MIT
/*
 * Every instruction is a crash point. A child makes a call of the library, one instruction at a
 * time. After each instruction an oracle, which uses only the ABI, checks the shared memory: a
 * SIGKILL there would leave just that behind. Then the same again, with a SIGKILL at one of these
 * points, and successors that take over.
 *
 * On the memfd backend, which has no other state than the memory. A system call is one step.
 * SHMRING_POINTS is the number of points, SHMRING_SEED decides their order.
 */
#include "lib.h"
#include "oracle.h"
#include "single_step.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

/* ------------------------------------------------------------------- calls */

enum state { EMPTY, ONE, WRAP, FULL, NR_STATES };

static const char *const state_names[] = { "empty", "one record", "wrap", "full" };

/* A call, and the ring that it is made on. */
struct trial {
	const struct call *call;
	enum state state;
	uint32_t slot_size;	/* 0: records, of ... */
	uint32_t len;		/* MIXED: of several lengths */
	bool asleep;		/* the other side seems to sleep */
	uint64_t seed;
	unsigned int nr;	/* records in the ring */
	struct oracle oracle;
};

#define MIXED		(~0u)
#define IN_BATCH	3u

struct call {
	const char *name;
	enum shmring_role role;
	bool attaches;		/* the call is one that attaches */
	void (*fn)(struct trial *t, struct shmring *r);
};

static const struct shmring_wait expired = { .deadline = 1 };

/* Neither compiler nor processor moves the store into the call or out of the interval. */
static void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static uint64_t end_of_record(const struct trial *t, unsigned int n)
{
	return t->oracle.stream.start[n + 1];
}

static bool room_for(const struct trial *t, unsigned int n)
{
	return fits(&t->oracle, n);
}

static void send_with(struct trial *t, struct shmring *r, const struct shmring_wait *w, int failure)
{
	static unsigned char message[MAX_CAPACITY];
	struct intent *i = t->oracle.intent;
	uint32_t len = t->oracle.stream.len[t->nr];

	fill_in(message, t->nr, len);
	if (!room_for(t, t->nr)) {
		CHECK_EQ(shmring_send(r, message, len, w), failure);
		return;
	}
	set(&i->head_max, end_of_record(t, t->nr));
	CHECK_EQ(shmring_send(r, message, len, w), len);
	set(&i->head_min, end_of_record(t, t->nr));
}

static void call_send(struct trial *t, struct shmring *r)
{
	send_with(t, r, &expired, -ETIMEDOUT);
}

static void call_send_polled(struct trial *t, struct shmring *r)
{
	CHECK(shmring_poll_fd(r) >= 0);
	send_with(t, r, &nowait, -EAGAIN);
}

static unsigned char *reserve(struct trial *t, struct shmring *r, unsigned int n)
{
	unsigned char *to = shmring_reserve(r, t->oracle.stream.len[n]);

	CHECK_EQ(to != NULL, room_for(t, n));
	if (to)
		fill_in(to, n, t->oracle.stream.len[n]);
	return to;
}

static void call_commit(struct trial *t, struct shmring *r)
{
	struct intent *i = t->oracle.intent;

	if (!reserve(t, r, t->nr))
		return;
	set(&i->head_max, end_of_record(t, t->nr));
	CHECK_EQ(shmring_commit(r, t->oracle.stream.len[t->nr]), 0);
	set(&i->head_min, end_of_record(t, t->nr));
}

static void call_discard(struct trial *t, struct shmring *r)
{
	if (reserve(t, r, t->nr))
		shmring_discard(r);
}

/* Returns the record after the last that is staged. */
static unsigned int stage_some(struct trial *t, struct shmring *r)
{
	unsigned int n = t->nr;

	while (n < t->nr + IN_BATCH && reserve(t, r, n)) {
		CHECK_EQ(shmring_stage(r, t->oracle.stream.len[n]), 0);
		n++;
	}
	return n;
}

static void call_publish(struct trial *t, struct shmring *r)
{
	struct intent *i = t->oracle.intent;
	uint64_t end = t->oracle.stream.start[stage_some(t, r)];

	set(&i->head_max, end);
	shmring_publish(r);
	set(&i->head_min, end);
}

/* Messages that are staged and not published were never written. */
static void call_close_staged(struct trial *t, struct shmring *r)
{
	stage_some(t, r);
	shmring_close(r);
}

static void call_wait_space(struct trial *t, struct shmring *r)
{
	CHECK_EQ(shmring_wait_space(r, t->oracle.stream.len[t->nr], &expired),
		 room_for(t, t->nr) ? 0 : -ETIMEDOUT);
}

static void receive_with(struct trial *t, struct shmring *r, const struct shmring_wait *w,
			 int failure)
{
	struct intent *i = t->oracle.intent;

	if (!t->nr) {
		CHECK_EQ(shmring_recv(r, i->taken[0], capacity(), w), failure);
		return;
	}
	set(&i->tail_max, end_of_record(t, 0));
	CHECK_EQ(shmring_recv(r, i->taken[0], capacity(), w), t->oracle.stream.len[0]);
	set(&i->tail_min, end_of_record(t, 0));
}

static void call_recv(struct trial *t, struct shmring *r)
{
	receive_with(t, r, &expired, -ETIMEDOUT);
}

static void call_recv_polled(struct trial *t, struct shmring *r)
{
	CHECK(shmring_poll_fd(r) >= 0);
	receive_with(t, r, &nowait, -EAGAIN);
}

static bool take(struct trial *t, struct shmring *r, unsigned int n)
{
	const void *from;
	size_t len = 0;

	from = shmring_peek(r, &len);
	CHECK_EQ(from != NULL, n < t->nr);
	if (!from)
		return false;
	CHECK_EQ(len, t->oracle.stream.len[n]);
	memcpy(t->oracle.intent->taken[n], from, len);
	return true;
}

static void call_release(struct trial *t, struct shmring *r)
{
	struct intent *i = t->oracle.intent;

	if (!take(t, r, 0))
		return;
	set(&i->tail_max, end_of_record(t, 0));
	CHECK_EQ(shmring_release(r), 0);
	set(&i->tail_min, end_of_record(t, 0));
}

/* Returns the record after the last that is advanced past. */
static unsigned int advance_some(struct trial *t, struct shmring *r)
{
	unsigned int n = 0;

	while (n < IN_BATCH && take(t, r, n)) {
		CHECK_EQ(shmring_advance(r), 0);
		n++;
	}
	return n;
}

static void call_advance(struct trial *t, struct shmring *r)
{
	struct intent *i = t->oracle.intent;
	unsigned int n = advance_some(t, r);

	set(&i->tail_max, t->oracle.stream.start[n]);
	CHECK_EQ(shmring_release(r), n ? 0 : -EINVAL);
	set(&i->tail_min, t->oracle.stream.start[n]);
}

/* Messages that are not released were never read. */
static void call_close_advanced(struct trial *t, struct shmring *r)
{
	advance_some(t, r);
	shmring_close(r);
}

static void call_wait_data(struct trial *t, struct shmring *r)
{
	CHECK_EQ(shmring_wait_data(r, &expired), t->nr ? 0 : -ETIMEDOUT);
}

static void call_nothing(struct trial *t, struct shmring *r)
{
	(void)t;
	(void)r;
}

static const struct call calls[] = {
	{ "send", SHMRING_PRODUCER, false, call_send },
	{ "send, polled", SHMRING_PRODUCER, false, call_send_polled },
	{ "reserve, commit", SHMRING_PRODUCER, false, call_commit },
	{ "reserve, discard", SHMRING_PRODUCER, false, call_discard },
	{ "stage, publish", SHMRING_PRODUCER, false, call_publish },
	{ "stage, close", SHMRING_PRODUCER, false, call_close_staged },
	{ "wait_space", SHMRING_PRODUCER, false, call_wait_space },
	{ "attach as producer", SHMRING_PRODUCER, true, call_nothing },
	{ "recv", SHMRING_CONSUMER, false, call_recv },
	{ "recv, polled", SHMRING_CONSUMER, false, call_recv_polled },
	{ "peek, release", SHMRING_CONSUMER, false, call_release },
	{ "peek, advance, release", SHMRING_CONSUMER, false, call_advance },
	{ "peek, advance, close", SHMRING_CONSUMER, false, call_close_advanced },
	{ "wait_data", SHMRING_CONSUMER, false, call_wait_data },
	{ "attach as consumer", SHMRING_CONSUMER, true, call_nothing },
};

/* ------------------------------------------------------------------ the ring */

static void choose_lengths(struct trial *t)
{
	struct stream *s = &t->oracle.stream;
	unsigned int n;

	s->slot_size = t->slot_size;
	s->header = t->slot_size ? 0 : sizeof(struct shmring_record);
	for (n = 0; n < MAX_RECORDS; n++)
		s->len[n] = t->slot_size ? t->slot_size :
			    t->len == MIXED ? (uint32_t)(random_u64(&t->seed) % 300) : t->len;
}

/* The number of records in the ring; for now the stream starts at 0. */
static unsigned int records_of(const struct trial *t)
{
	unsigned int n = 0;

	if (t->state != FULL)
		return t->state == EMPTY ? 0 : t->state == ONE || room_for(t, 0);
	while (room_for(t, n))
		n++;
	return n;
}

/*
 * Records: @base. Slots: a multiple of their size at or below @base; or, if @over is the end of a
 * slot that is to reach the ring's end, the first one from there where it does.
 */
static uint64_t at_slot(const struct trial *t, uint64_t base, uint64_t over)
{
	uint64_t stride = t->oracle.stream.start[1];

	if (!t->slot_size)
		return base;
	base -= base % stride;
	while (over && (base + over - stride) % capacity() + stride < capacity())
		base += stride;
	return base;
}

/* Anywhere; for WRAP so that the record of the call runs over the ring's end. */
static uint64_t choose_base(struct trial *t)
{
	static const uint64_t around[] = { MAX_CAPACITY, 1ull << 32, 1ull << 44, 1ull << 61 };
	uint64_t base = around[random_u64(&t->seed) % ARRAY_SIZE(around)];
	unsigned int n = t->call->role == SHMRING_PRODUCER ? t->nr : 0;
	const uint64_t *start = t->oracle.stream.start;
	uint64_t words = (start[n + 1] - start[n]) / SHMRING_ALIGN;

	if (t->state != WRAP)
		return at_slot(t, base + random_u64(&t->seed) % capacity() / SHMRING_ALIGN *
				  SHMRING_ALIGN, 0);
	words = words > 1 ? 1 + random_u64(&t->seed) % (words - 1) : 1;
	base += capacity() - words * SHMRING_ALIGN - start[n] % capacity();
	return at_slot(t, base, start[n + 1]);
}

/* The other side seems to sleep until there is anything new. */
static void put_to_sleep(struct trial *t)
{
	struct shmring_lane *l = t->oracle.lane;

	l->consumer.fence_until = random_u64(&t->seed) % 2 ? SHMRING_FENCE_ALWAYS : 0;
	l->producer.fence_until = l->consumer.fence_until;
	if (t->call->role == SHMRING_PRODUCER) {
		l->consumer.wake_at = t->oracle.producer->head + 1;
		l->consumer.poll = 1;
	} else {
		l->producer.wake_at = t->oracle.consumer->tail + 1;
		l->producer.poll = 1;
	}
}

static struct shmring *make_up(struct trial *t)
{
	struct shmring *r = make(capacity(), t->slot_size, SHMRING_HANDLE);

	choose_lengths(t);
	lay_out_stream(&t->oracle.stream, 0);
	t->oracle.first = 0;
	t->nr = records_of(t);
	lay_out_stream(&t->oracle.stream, choose_base(t));
	memset(t->oracle.intent, 0, sizeof(*t->oracle.intent));
	open_oracle(&t->oracle, shmring_fd(r));
	put_records(&t->oracle, t->nr);
	if (t->asleep)
		put_to_sleep(t);
	return r;
}

/* -------------------------------------------------------------------- stepping */

struct child {
	struct trial *trial;
	struct shmring *ring;
};

static int make_call(void *arg)
{
	const struct child *child = arg;
	struct trial *t = child->trial;
	const struct call *call = t->call;
	struct shmring *r = NULL;

	CHECK(!ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	if (!call->attaches)
		r = attach(child->ring, call->role);
	raise(SIGSTOP);
	if (call->attaches)
		r = attach(child->ring, call->role);
	call->fn(t, r);
	__atomic_store_n(&t->oracle.intent->done, 1, __ATOMIC_SEQ_CST);
	return TEST_PASS;
}

static void complain(const struct trial *t, uint64_t point, const char *why)
{
	context("%s, %s, %s of %u bytes, peer %s, instruction %llu", t->call->name,
		state_names[t->state], t->slot_size ? "slots" : "records",
		t->slot_size ? t->slot_size : t->len, t->asleep ? "asleep" : "absent",
		(unsigned long long)point);
	EXPECT(!why);
	printf("    %s\n", why);
}

/* Execute one instruction. False: the child has ended, or was stopped by something else. */
static bool step(pid_t pid, int *status)
{
	CHECK(!ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL));
	CHECK_EQ(waitpid(pid, status, 0), pid);
	return WIFSTOPPED(*status) && WSTOPSIG(*status) == SIGTRAP;
}

/* Step through the call, up to @kill_at. Returns the number of points. */
static uint64_t walk(struct trial *t, pid_t pid, uint64_t kill_at, bool *broken)
{
	const uint64_t endless = 3000000;
	uint64_t point = 0;
	const char *why;
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	while (!t->oracle.intent->done && point < kill_at) {
		why = step(pid, &status) ? judge(&t->oracle) : "the call has failed";
		if (!why && ++point == endless)
			why = "the call does not end";
		if (why) {
			complain(t, point, why);
			*broken = true;
			break;
		}
	}
	return point;
}

/* A side that slept for the first new byte has been woken for it. */
static void expect_woken(const struct trial *t)
{
	const struct shmring_lane *l = t->oracle.lane;
	bool producer = t->call->role == SHMRING_PRODUCER;
	bool moved = producer ? t->oracle.head > t->nr : t->oracle.tail > 0;

	if (!t->asleep || !moved)
		return;
	if ((producer ? l->consumer.wake_at : l->producer.wake_at) != SHMRING_NO_WAKE ||
	    !(producer ? l->consumer.futex : l->producer.futex))
		complain(t, 0, "the other side was not woken");
}

static void receive_record(struct trial *t, struct shmring *c, unsigned int n)
{
	static unsigned char message[MAX_CAPACITY];

	EXPECT_EQ(shmring_recv(c, message, sizeof(message), &nowait), t->oracle.stream.len[n]);
	EXPECT(is_record(message, n, t->oracle.stream.len[n]));
}

/* After @t's child has gone: the next owners find all that is there, and go on. */
static void take_over(struct trial *t, struct shmring *ring)
{
	static unsigned char message[MAX_CAPACITY];
	unsigned int n, head = t->oracle.head;
	bool was_there = t->oracle.lane->producer.state != SHMRING_PEER_NONE;
	uint32_t len = t->oracle.stream.len[head];
	struct shmring *c, *p;

	context("successors after %s, %s", t->call->name, state_names[t->state]);
	c = attach(ring, SHMRING_CONSUMER);
	for (n = t->oracle.tail; n < head; n++)
		receive_record(t, c, n);
	EXPECT_EQ(shmring_recv(c, message, sizeof(message), &nowait),
		  was_there ? -ENODATA : -EAGAIN);
	p = attach(ring, SHMRING_PRODUCER);
	EXPECT_EQ(shmring_recv(c, message, sizeof(message), &nowait), -EAGAIN);
	fill_in(message, head, len);
	EXPECT_EQ(shmring_send(p, message, len, &nowait), len);
	receive_record(t, c, head);
	shmring_close(p);
	shmring_close(c);
}

/* Returns the number of points; fewer, if the child is killed on the way. */
static uint64_t try(struct trial *t, uint64_t kill_at)
{
	struct shmring *ring = make_up(t);
	struct child child = { t, ring };
	bool broken = false;
	pid_t pid = start(make_call, &child);
	uint64_t points = walk(t, pid, kill_at, &broken);

	if (!broken && t->oracle.intent->done) {
		CHECK(!ptrace(PTRACE_DETACH, pid, NULL, NULL));
		if (end_of(pid))
			complain(t, points, "the call has failed");
		expect_woken(t);
	} else {
		kill(pid, SIGKILL);	/* it may have ended already */
		while (waitpid(pid, &(int){ 0 }, 0) == pid)
			;
	}
	if (!broken)
		take_over(t, ring);
	close_oracle(&t->oracle);
	shmring_close(ring);
	return points;
}

/* ---------------------------------------------------------------------- trials */

static const uint32_t lengths[] = { 0, 1, 8, 60, 200, 1000, 4088, MIXED };
static const uint32_t slots[] = { 8, 100, 4096 };

enum { NR_SHAPES = ARRAY_SIZE(lengths) + ARRAY_SIZE(slots),
       NR_TRIALS = ARRAY_SIZE(calls) * NR_STATES * NR_SHAPES * 2 };

static void choose(struct trial *t, unsigned int nr)
{
	unsigned int shape;

	t->call = &calls[nr % ARRAY_SIZE(calls)];
	nr /= ARRAY_SIZE(calls);
	t->state = nr % NR_STATES;
	nr /= NR_STATES;
	shape = nr % NR_SHAPES;
	t->asleep = nr / NR_SHAPES;
	t->slot_size = shape < ARRAY_SIZE(lengths) ? 0 : slots[shape - ARRAY_SIZE(lengths)];
	t->len = t->slot_size ? t->slot_size : lengths[shape];
}

static void shuffle(unsigned int *order, uint64_t *seed)
{
	unsigned int i, j, swap;

	for (i = 0; i < NR_TRIALS; i++)
		order[i] = i;
	for (i = NR_TRIALS - 1; i; i--) {
		j = random_u64(seed) % (i + 1);
		swap = order[i];
		order[i] = order[j];
		order[j] = swap;
	}
}

/* One processor for both: then the switch is cheap, and nothing runs at the same time. */
static void share_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set));
}

int main(void)
{
	static unsigned int order[NR_TRIALS];
	static struct trial trial;
	uint64_t want = setting("SHMRING_POINTS", 200000);
	uint64_t seed = setting("SHMRING_SEED", 1), begin = now_ns();
	uint64_t points = 0, seen, kills = 0, trials = 0;
	const char *cannot = no_single_steps();

	if (cannot)
		skip("%s", cannot);
	CHECK(capacity() <= MAX_CAPACITY);
	setenv("SHMRING_BACKEND", "memfd", 1);
	printf("step: seed %llu, %d trials in a round\n", (unsigned long long)seed, NR_TRIALS);
	share_one_cpu();
	trial.oracle.intent = share(sizeof(*trial.oracle.intent));
	while (points < want && !finish()) {
		if (trials % NR_TRIALS == 0)
			shuffle(order, &seed);
		choose(&trial, order[trials++ % NR_TRIALS]);
		trial.seed = random_u64(&seed);
		seen = try(&trial, UINT64_MAX);
		points += seen;
		if (!seen)
			continue;
		try(&trial, 1 + random_u64(&seed) % seen);
		kills++;
	}
	printf("step: %llu crash points, %llu trials, %llu SIGKILLs with successors, %.1f s\n",
	       (unsigned long long)points, (unsigned long long)trials, (unsigned long long)kills,
	       (double)(now_ns() - begin) / 1e9);
	return finish();
}
