// SPDX-License-Identifier: MIT
/*
 * Contender: shmring. Records and slots, waiting in three ways, used in three
 * ways: send and receive, which copy; reserve and commit, peek and release,
 * which do not; and many messages for each publish and each release: records one by
 * one, slots as arrays, in place or, if they are large, copied. Slots with marks are for latency,
 * and have no batches.
 */
#include <stdlib.h>

#include <shmring.h>

#include "loops.h"

#define SLOTS		0x100	/* beside the policy, in a contender's option */
#define MARKS		0x200
#define ARRAY_SLOT_MAX	128	/* bytes */
#define BOX_MAX		32768	/* bytes: they stay in the cache */

static void close_rings(void *channels)
{
	struct shmring **ring = channels;

	shmring_close(ring[0]);
	shmring_close(ring[1]);
	free(ring);
}

static int open_rings(const struct contender *c, const struct bench *b, void **channels)
{
	struct shmring_options opt = {
		.backend = (enum shmring_backend_id)b->backend,
		.capacity = b->capacity, .slot_size = c->option & SLOTS ? b->size : 0,
		.flags = c->option & MARKS ? SHMRING_MARKS : 0,
	};
	struct shmring **ring = calloc(2, sizeof(*ring));
	int ret = -ENOMEM;

	if (!ring)
		return ret;
	ret = shmring_create(&ring[0], NULL, &opt);
	if (!ret)
		ret = shmring_create(&ring[1], NULL, &opt);
	if (ret)
		close_rings(ring);
	else
		*channels = ring;
	return ret;
}

static int attach_rings(const struct contender *c, void *channels, struct bench *b)
{
	enum shmring_policy policy = (enum shmring_policy)(c->option & ~(SLOTS | MARKS));
	struct shmring **ring = channels, *tx, *rx;
	int ret;

	ret = shmring_attach_fd(&tx, shmring_fd(ring[b->side]), SHMRING_PRODUCER);
	if (ret)
		return ret;
	ret = shmring_attach_fd(&rx, shmring_fd(ring[!b->side]), SHMRING_CONSUMER);
	if (ret)
		return ret;
	b->tx = tx;
	b->rx = rx;
	ret = shmring_set_policy(tx, policy);
	return ret ? ret : shmring_set_policy(rx, policy);
}

/* --------------------------------------------------------------- the calls */

BENCH_INLINE int put_copy(struct bench *b, uint64_t seq)
{
	ssize_t n;

	fill_message(b, b->buf, seq);
	do {
		n = shmring_send(b->tx, b->buf, b->size, NULL);
	} while (n == -EINTR);
	return n < 0 ? (int)n : 0;
}

BENCH_INLINE int get_copy(struct bench *b, uint64_t *seq)
{
	ssize_t n;

	do {
		n = shmring_recv(b->rx, b->buf, b->size, NULL);
	} while (n == -EINTR);
	if (n < 0)
		return (int)n;
	return (size_t)n == b->size ? check_message(b, b->buf, seq) : -EBADMSG;
}

BENCH_INLINE int reserve(struct shmring *r, size_t size, void **p)
{
	int ret;

	while (!(*p = shmring_reserve(r, size))) {
		ret = shmring_wait_space(r, size, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	return 0;
}

BENCH_INLINE int put_inplace(struct bench *b, uint64_t seq)
{
	struct shmring *r = b->tx;
	void *p;
	int ret = reserve(r, b->size, &p);

	if (ret)
		return ret;
	fill_in_place(b, p, seq);
	return shmring_commit(r, b->size);
}

BENCH_INLINE int get_inplace(struct bench *b, uint64_t *seq)
{
	struct shmring *r = b->rx;
	const void *p;
	size_t len;
	int ret;

	while (!(p = shmring_peek(r, &len))) {
		ret = shmring_wait_data(r, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	if (len != b->size)
		return -EBADMSG;
	ret = check_message(b, p, seq);
	return ret ? ret : shmring_release(r);
}

/* Messages held back: one count for each direction, as a side has one ring for each. */
static unsigned int staged, advanced;

BENCH_INLINE int put_batch(struct bench *b, uint64_t seq)
{
	struct shmring *r = b->tx;
	void *p;
	int ret = reserve(r, b->size, &p);

	if (ret)
		return ret;
	fill_in_place(b, p, seq);
	ret = shmring_stage(r, b->size);
	if (++staged >= b->batch) {
		shmring_publish(r);
		staged = 0;
	}
	return ret;
}

BENCH_INLINE int flush_batch(struct bench *b)
{
	shmring_publish(b->tx);
	return 0;
}

/* Give back what has been read before waiting: the producer may be waiting for that space. */
BENCH_INLINE int get_batch(struct bench *b, uint64_t *seq)
{
	struct shmring *r = b->rx;
	const void *p;
	size_t len;
	int ret;

	while (!(p = shmring_peek(r, &len))) {
		if (advanced)
			shmring_release(r);
		advanced = 0;
		ret = shmring_wait_data(r, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	if (len != b->size)
		return -EBADMSG;
	ret = check_message(b, p, seq);
	if (!ret)
		ret = shmring_advance(r);
	if (++advanced >= b->batch) {
		shmring_release(r);
		advanced = 0;
	}
	return ret;
}

/* Runs: an end has its own, on the stack of the loop, as in a program. */
struct run_end {
	struct shmring *r;
	struct shmring_run run;
	unsigned int nr;	/* messages in the run */
};

BENCH_INLINE void *put_in_run(struct bench *b, struct run_end *end, int *error)
{
	void *p;

	while (!(p = shmring_run_put(&end->run, b->size))) {
		shmring_run_publish(&end->run);
		end->nr = 0;
		if (shmring_run_open(end->r, &end->run, b->size + 2 * sizeof(uint64_t)) >=
		    b->size + 2 * sizeof(uint64_t))
			continue;
		*error = shmring_wait_space(end->r, b->size, NULL);
		if (*error && *error != -EINTR)
			return NULL;
	}
	return p;
}

BENCH_INLINE int put_run(struct bench *b, uint64_t seq)
{
	struct run_end *end = b->tx;
	int ret = 0;
	void *p = put_in_run(b, end, &ret);

	if (!p)
		return ret;
	fill_in_place(b, p, seq);
	if (++end->nr < b->batch)
		return 0;
	end->nr = 0;
	return shmring_run_publish(&end->run);
}

BENCH_INLINE int flush_run(struct bench *b)
{
	struct run_end *end = b->tx;

	return shmring_run_publish(&end->run);
}

BENCH_INLINE int get_run(struct bench *b, uint64_t *seq)
{
	struct run_end *end = b->rx;
	const void *p;
	size_t len;
	int ret;

	while (!(p = shmring_run_next(&end->run, &len))) {
		shmring_run_release(&end->run);
		end->nr = 0;
		if (shmring_run_take(end->r, &end->run))
			continue;
		ret = shmring_wait_data(end->r, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	if (len != b->size)
		return -EBADMSG;
	ret = check_message(b, p, seq);
	if (++end->nr < b->batch)
		return ret;
	end->nr = 0;
	return ret ? ret : shmring_run_release(&end->run);
}

/* Slots that are reserved, or peeked at: the next one, how many are left, of how many. */
static struct {
	unsigned char *next;
	size_t left, taken;
} put_slots, got_slots;

BENCH_INLINE int put_array(struct bench *b, uint64_t seq)
{
	struct shmring *r = b->tx;
	int ret;

	while (!put_slots.left) {
		put_slots.taken = b->batch;
		put_slots.next = shmring_reserve_slots(r, &put_slots.taken);
		put_slots.left = put_slots.next ? put_slots.taken : 0;
		ret = put_slots.left ? 0 : shmring_wait_space(r, b->size, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	fill_in_place(b, put_slots.next, seq);
	put_slots.next += b->size;
	return --put_slots.left ? 0 : shmring_commit_slots(r, put_slots.taken);
}

BENCH_INLINE int flush_array(struct bench *b)
{
	return put_slots.left ? shmring_commit_slots(b->tx, put_slots.taken - put_slots.left) : 0;
}

BENCH_INLINE int get_array(struct bench *b, uint64_t *seq)
{
	struct shmring *r = b->rx;
	int ret;

	while (!got_slots.left) {
		got_slots.left = b->batch;
		got_slots.next = (unsigned char *)shmring_peek_slots(r, &got_slots.left);
		if (got_slots.next)
			break;
		got_slots.left = 0;
		ret = shmring_wait_data(r, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	ret = check_message(b, got_slots.next, seq);
	got_slots.next += b->size;
	if (!--got_slots.left)
		shmring_release(r);
	return ret;
}

/* Larger slots: the program's own arrays, copied as a whole. */
static struct {
	unsigned char *array;
	size_t nr, taken;
} outbox, inbox;

BENCH_INLINE size_t box_size(const struct bench *b)
{
	return b->size * b->batch <= BOX_MAX ? b->batch : 1 + (BOX_MAX - 1) / b->size;
}

BENCH_INLINE int send_box(struct bench *b)
{
	struct shmring *r = b->tx;
	size_t done = 0, n;
	void *p;
	int ret;

	while (done < outbox.nr) {
		n = outbox.nr - done;
		p = shmring_reserve_slots(r, &n);
		if (p) {
			memcpy(p, outbox.array + done * b->size, n * b->size);
			shmring_commit_slots(r, n);
			done += n;
			continue;
		}
		ret = shmring_wait_space(r, b->size, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	outbox.nr = 0;
	return 0;
}

BENCH_INLINE int put_boxed(struct bench *b, uint64_t seq)
{
	fill_message(b, outbox.array + outbox.nr * b->size, seq);
	return ++outbox.nr < box_size(b) ? 0 : send_box(b);
}

BENCH_INLINE int get_boxed(struct bench *b, uint64_t *seq)
{
	struct shmring *r = b->rx;
	const void *p;
	int ret;

	while (inbox.taken == inbox.nr) {
		inbox.taken = 0;
		inbox.nr = box_size(b);
		p = shmring_peek_slots(r, &inbox.nr);
		if (p) {
			memcpy(inbox.array, p, inbox.nr * b->size);
			shmring_release(r);
			break;
		}
		inbox.nr = 0;
		ret = shmring_wait_data(r, NULL);
		if (ret && ret != -EINTR)
			return ret;
	}
	return check_message(b, inbox.array + inbox.taken++ * b->size, seq);
}

/* ----------------------------------------------------------------- running */

/* Add the system calls of one endpoint: its sleeps, and its wake-ups of the other side. */
static void add_calls(struct bench *b, const struct shmring *r)
{
	struct shmring_info info = SHMRING_INFO_INIT;

	if (shmring_get_info(r, &info))
		return;
	b->syscalls += info.sleeps + info.wakes;
	b->wakes += info.wakes;
}

static int done(struct bench *b, int ret)
{
	add_calls(b, b->tx);
	add_calls(b, b->rx);
	return ret;
}

static int run_copy(struct bench *b, struct result *res)
{
	return done(b, run_loops(b, res, put_copy, get_copy, no_flush));
}

static int run_inplace(struct bench *b, struct result *res)
{
	return done(b, run_loops(b, res, put_inplace, get_inplace, no_flush));
}

static int run_batch(struct bench *b, struct result *res)
{
	return done(b, run_loops(b, res, put_batch, get_batch, flush_batch));
}

static int run_runs(struct bench *b, struct result *res)
{
	struct run_end tx = { .r = b->tx }, rx = { .r = b->rx };
	struct bench mine = *b;
	int ret;

	shmring_run_open(tx.r, &tx.run, 0);
	shmring_run_take(rx.r, &rx.run);
	mine.tx = &tx;
	mine.rx = &rx;
	ret = run_loops(&mine, res, put_run, get_run, flush_run);
	mine.tx = b->tx;
	mine.rx = b->rx;
	*b = mine;
	return done(b, ret);
}

/* Small slots are filled where they lie. */
static int run_slots(struct bench *b, struct result *res)
{
	if (b->size <= ARRAY_SLOT_MAX)
		return done(b, run_loops(b, res, put_array, get_array, flush_array));
	outbox.array = aligned_alloc(64, (box_size(b) * b->size + 63) & ~(size_t)63);
	inbox.array = aligned_alloc(64, (box_size(b) * b->size + 63) & ~(size_t)63);
	if (!outbox.array || !inbox.array)
		return -ENOMEM;
	return done(b, run_loops(b, res, put_boxed, get_boxed, send_box));
}

#define CONTENDER(NAME, WAIT, POLICY, API, RUN, ABOUT) \
	{ NAME, FAMILY_SHMRING, WAIT, API, ABOUT, open_rings, attach_rings, RUN, close_rings, \
	  POLICY }

#define SINGLES(NAME, WAIT, POLICY) \
	CONTENDER(NAME, WAIT, POLICY, API_COPY, run_copy, "send and receive"), \
	CONTENDER(NAME, WAIT, POLICY, API_INPLACE, run_inplace, \
		  "reserve and commit, peek and release")

#define CONTENDERS(NAME, WAIT, POLICY, RUN_BATCH) \
	SINGLES(NAME, WAIT, POLICY), \
	CONTENDER(NAME, WAIT, POLICY, API_BATCH, RUN_BATCH, \
		  "many messages a publish, and a release")

const struct contender shmring_contenders[] = {
	CONTENDERS("shmring-records", WAIT_SPIN, SHMRING_SPIN, run_runs),
	CONTENDERS("shmring-records", WAIT_BLOCK, SHMRING_BLOCK, run_runs),
	CONTENDERS("shmring-records", WAIT_ADAPTIVE, SHMRING_ADAPTIVE, run_runs),
	CONTENDER("shmring-staged", WAIT_SPIN, SHMRING_SPIN, API_BATCH, run_batch,
		  "stage and publish, advance and release"),
	CONTENDERS("shmring-slots", WAIT_SPIN, SHMRING_SPIN | SLOTS, run_slots),
	CONTENDERS("shmring-slots", WAIT_BLOCK, SHMRING_BLOCK | SLOTS, run_slots),
	CONTENDERS("shmring-slots", WAIT_ADAPTIVE, SHMRING_ADAPTIVE | SLOTS, run_slots),
	SINGLES("shmring-marked", WAIT_SPIN, SHMRING_SPIN | SLOTS | MARKS),
	SINGLES("shmring-marked", WAIT_ADAPTIVE, SHMRING_ADAPTIVE | SLOTS | MARKS),
	{ 0 }
};
