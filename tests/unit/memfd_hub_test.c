// SPDX-License-Identifier: MIT
/* Hubs on memfd: which lane comes next, what a hostile process can do to it, and errors. */
#include "memfd_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <shmring/hub.h>

#include "faults.h"
#include "memfd/memfd.h"
#include "hub.h"

#define LANES	3

static struct shmring_hub *new_hub(unsigned int lanes, unsigned int flags)
{
	const struct shmring_hub_options opt = {
		.lanes = lanes, .capacity = page_size(), .flags = flags,
		.policy = SHMRING_BLOCK, .backend = SHMRING_MEMFD,
	};
	struct shmring_hub *h;

	assert_int_equal(shmring_hub_create(&h, name(), &opt), 0);
	return h;
}

static struct shmring *new_producer(void)
{
	struct shmring *r;

	assert_int_equal(shmring_attach(&r, name(), SHMRING_PRODUCER), 0);
	return r;
}

static struct shmring_memfd_hub *page_of(const struct shmring_hub *h)
{
	return h->lanes[0]->priv->memfd.hub;
}

static void send_one(struct shmring *r)
{
	assert_int_equal(shmring_send(r, "message", 8, &nowait), 8);
}

static void fill(struct shmring *r)
{
	while (shmring_send(r, "message", 8, &nowait) == 8)
		;
}

static void take_one(struct shmring *lane)
{
	size_t len;

	assert_non_null(lane);
	assert_non_null(shmring_peek(lane, &len));
	assert_int_equal(len, 8);
	assert_int_equal(shmring_release(lane), 0);
}

static unsigned int take_all(struct shmring_hub *h)
{
	struct shmring *lane;
	unsigned int n = 0;

	while ((lane = shmring_hub_next(h))) {
		take_one(lane);
		n++;
	}
	return n;
}

/* ------------------------------------------------------------------ next */

/* A lane's turn is a quarter of its ring, and a message at most. */
static void lanes_take_turns(void **state)
{
	struct shmring_hub *h = new_hub(LANES, 0);
	const unsigned int turn = (unsigned int)page_size() / 16 / 4 + 1;
	struct shmring *p[LANES], *lane;
	unsigned int i, n, first;

	(void)state;
	for (i = 0; i < LANES; i++) {
		p[i] = new_producer();
		fill(p[i]);
	}
	first = shmring_hub_lane(h, shmring_hub_next(h));
	for (n = 0; n < 3 * LANES * turn; n++) {
		lane = shmring_hub_next(h);
		assert_non_null(lane);
		assert_int_equal(shmring_hub_lane(h, lane), (first + n / turn) % LANES);
		take_one(lane);
	}
	assert_int_equal(take_all(h), LANES * page_size() / 16 - n);
	for (i = 0; i < LANES; i++)
		shmring_close(p[i]);
	shmring_hub_close(h);
}

/* A hub that never sleeps stops looking at lanes that stay empty; what they send is found all the same. */
static void empty_lanes_become_cold(void **state)
{
	struct shmring_hub *h = new_hub(64, 0);
	struct shmring *p[2] = { new_producer(), new_producer() };
	unsigned int i;

	(void)state;
	for (i = 0; i < 5000; i++) {
		send_one(p[0]);
		take_one(shmring_hub_next(h));
		assert_null(shmring_hub_next(h));
	}
	assert_int_equal(shmring_hot_lanes(h, 0) & ~1ull, 0);
	for (i = 0; i < 100; i++) {
		send_one(p[1]);
		assert_ptr_equal(shmring_hub_next(h), shmring_hub_endpoint(h, 1));
		take_one(shmring_hub_next(h));
		assert_null(shmring_hub_next(h));
	}
	shmring_close(p[0]);
	shmring_close(p[1]);
	shmring_hub_close(h);
}

/* One lane alone has turn after turn. */
static void lane_alone_stays(void **state)
{
	struct shmring_hub *h = new_hub(1, 0);
	struct shmring *p = new_producer();

	(void)state;
	assert_null(shmring_hub_next(h));
	fill(p);
	assert_int_equal(take_all(h), page_size() / 16);
	shmring_close(p);
	shmring_hub_close(h);
}

/* Each of the most lanes there can be is found, in each word of bits. */
static void each_lane_is_found(void **state)
{
	struct shmring_hub *h = new_hub(SHMRING_LANES_MAX, 0);
	struct shmring *p[SHMRING_LANES_MAX];
	unsigned int i;

	(void)state;
	for (i = 0; i < SHMRING_LANES_MAX; i++)
		p[i] = new_producer();
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	for (i = SHMRING_LANES_MAX; i-- > 0;) {
		send_one(p[i]);
		assert_int_equal(shmring_hub_wait(h, NULL), 0);
		assert_ptr_equal(shmring_hub_next(h), shmring_hub_endpoint(h, i));
		take_one(shmring_hub_next(h));
		assert_null(shmring_hub_next(h));
	}
	for (i = 0; i < SHMRING_LANES_MAX; i++)
		shmring_close(p[i]);
	shmring_hub_close(h);
}

/* A lane is cold after a sleep: it is looked at again once its producer has published. */
static void cold_lane_becomes_hot(void **state)
{
	struct shmring_wait w = { .deadline = shmring_deadline(1000000) };
	struct shmring_hub *h = new_hub(LANES, 0);
	struct shmring *p = new_producer();

	(void)state;
	assert_int_equal(h->mine[0], 7);
	assert_int_equal(shmring_hub_wait(h, &w), -ETIMEDOUT);
	assert_int_equal(h->mine[0], 0);
	assert_int_equal(page_of(h)->hot[0], 0);
	send_one(p);
	assert_int_equal(page_of(h)->hot[0], 1);
	take_one(shmring_hub_next(h));
	assert_null(shmring_hub_next(h));
	shmring_close(p);
	shmring_hub_close(h);
}

/* Each lane that turns out to be ready stays hot, and not only the first. */
static void all_ready_lanes_stay_hot(void **state)
{
	struct shmring_hub *h = new_hub(LANES, 0);
	struct shmring *p[LANES];
	int i;

	(void)state;
	for (i = 0; i < LANES; i++)
		p[i] = new_producer();
	send_one(p[0]);
	send_one(p[2]);
	assert_int_equal(shmring_memfd_hub_wait(h, shmring_deadline(1000000)), 0);
	assert_int_equal(h->mine[0], 5);
	assert_int_equal(take_all(h), 2);
	for (i = 0; i < LANES; i++)
		shmring_close(p[i]);
	shmring_hub_close(h);
}

/* ---------------------------------------------------------------- hostile */

/* Bits of lanes that have nothing, and of lanes that there are not. */
static void false_bits_find_nothing(void **state)
{
	struct shmring_wait w = { .deadline = shmring_deadline(5000000) };
	struct shmring_hub *h = new_hub(LANES, 0);
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		memset(page_of(h)->hot, 0xff, sizeof(page_of(h)->hot));
		assert_null(shmring_hub_next(h));
		assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	}
	memset(page_of(h)->hot, 0xff, sizeof(page_of(h)->hot));
	assert_int_equal(shmring_hub_wait(h, &w), -ETIMEDOUT);
	shmring_hub_close(h);
}

/* A bit that another process clears hides a message for a slice at most. */
static void cleared_bit_hides_nothing_for_long(void **state)
{
	struct shmring_hub *h = new_hub(LANES, 0);
	struct shmring *other = new_producer(), *p = new_producer();
	struct shmring_wait w = soon();

	(void)state;
	send_one(p);
	page_of(h)->hot[0] = 0;
	take_one(shmring_hub_next(h));		/* hot in the hub's eyes */
	send_one(other);
	take_one(shmring_hub_next(h));
	assert_int_equal(shmring_memfd_hub_wait(h, shmring_deadline(1000000)), -ETIMEDOUT);
	send_one(p);
	page_of(h)->hot[0] = 0;
	assert_null(shmring_hub_next(h));
	assert_int_equal(shmring_hub_wait(h, &w), 0);
	take_one(shmring_hub_next(h));
	shmring_close(p);
	shmring_close(other);
	shmring_hub_close(h);
}

/* The same for a hub that never sleeps, as another lane always has data. */
static void busy_hub_looks_at_all_lanes(void **state)
{
	struct shmring_hub *h = new_hub(LANES, 0);
	struct shmring *p = new_producer(), *hidden = new_producer();
	unsigned int n = 0;

	(void)state;
	assert_int_equal(shmring_memfd_hub_wait(h, shmring_deadline(1000000)), -ETIMEDOUT);
	send_one(hidden);
	page_of(h)->hot[0] = 0;
	while (shmring_hub_endpoint(h, 1)->consumer->tail == 0) {
		fill(p);
		take_one(shmring_hub_next(h));
		assert_true(++n < 1000000);
	}
	shmring_close(p);
	shmring_close(hidden);
	shmring_hub_close(h);
}

static bool stop;

static void *wake_for_nothing(void *arg)
{
	struct shmring_memfd_hub *page = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		__atomic_fetch_add(&page->futex, 1, __ATOMIC_SEQ_CST);
		shmring_memfd_futex(&page->futex, FUTEX_WAKE, 1, NULL);
	}
	return NULL;
}

/* Wake-ups for nothing end no wait, and keep none from its deadline. */
static void wake_ups_for_nothing_end_no_wait(void **state)
{
	struct shmring_hub *h = new_hub(LANES, 0);
	struct shmring_wait w = { .deadline = shmring_deadline(50000000) };
	pthread_t thread;

	(void)state;
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, wake_for_nothing, page_of(h)), 0);
	assert_int_equal(shmring_hub_wait(h, &w), -ETIMEDOUT);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	shmring_hub_close(h);
}

static void lie(struct shmring *p)
{
	__atomic_store_n(&p->producer->head, 3 * p->capacity, __ATOMIC_RELEASE);
	shmring_memfd_wake_role(p, SHMRING_CONSUMER);
}

/* A lane whose producer lies is left out until it has gone. What it had sent is dropped. */
static void liar_loses_its_lane(void **state)
{
	struct shmring_hub *h = new_hub(2, 0);
	struct shmring *liar = new_producer(), *p = new_producer(), *next;
	struct shmring_info info = SHMRING_INFO_INIT;

	(void)state;
	send_one(liar);
	lie(liar);
	assert_null(shmring_hub_next(h));
	send_one(p);
	assert_int_equal(take_all(h), 1);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	assert_int_equal(shmring_get_info(shmring_hub_endpoint(h, 0), &info), 0);
	assert_int_equal(info.refused, 1);
	assert_int_equal(shmring_attach(&next, name(), SHMRING_PRODUCER), -EBUSY);
	shmring_close(liar);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	next = new_producer();
	send_one(next);
	assert_int_equal(shmring_hub_wait(h, &nowait), 0);
	assert_int_equal(take_all(h), 1);
	shmring_close(next);
	shmring_close(p);
	shmring_hub_close(h);
}

/* The lane's next producer comes and goes before the hub looks: what it has sent is kept. */
static void next_producer_loses_nothing(void **state)
{
	struct shmring_hub *h = new_hub(1, SHMRING_HUB_EOF);
	struct shmring *p = new_producer();

	(void)state;
	lie(p);
	assert_null(shmring_hub_next(h));
	shmring_close(p);
	p = new_producer();
	send_one(p);
	shmring_close(p);
	assert_int_equal(shmring_hub_wait(h, &nowait), 0);
	assert_int_equal(take_all(h), 1);
	assert_int_equal(shmring_hub_wait(h, &nowait), -ENODATA);
	shmring_hub_close(h);
}

/* A hub that waits without sleeping takes lanes back, too. */
static void spinning_takes_a_lane_back(void **state)
{
	struct shmring_hub *h = new_hub(1, 0);
	struct shmring *p = new_producer();
	struct shmring_wait w = soon();

	(void)state;
	lie(p);
	assert_null(shmring_hub_next(h));
	shmring_close(p);
	p = new_producer();
	send_one(p);
	w.policy = SHMRING_SPIN;
	assert_int_equal(shmring_hub_wait(h, &w), 0);
	assert_int_equal(take_all(h), 1);
	shmring_close(p);
	shmring_hub_close(h);
}

/* A process that has lost its lane and writes on is not believed again and again. */
static void liar_is_believed_once(void **state)
{
	struct shmring_hub *h = new_hub(1, 0);
	struct shmring *liar = new_producer();
	struct shmring_half *half = &liar->lane->producer;
	int i;

	(void)state;
	for (i = 0; i < 2; i++) {
		lie(liar);
		assert_null(shmring_hub_next(h));
		/* As the end of its role leaves it. */
		liar->producer->head = 0;
		half->state = SHMRING_PEER_GONE;
		assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
		assert_int_equal(h->out[0], i);
	}
	half->state = SHMRING_PEER_LIVE;
	shmring_close(liar);
	shmring_hub_close(h);
}

/* The next producer begins at the tail that all can see: what the caller holds is gone. */
static void held_messages_go_with_the_liar(void **state)
{
	struct shmring_hub *h = new_hub(1, 0);
	struct shmring *p = new_producer(), *lane;
	size_t len;

	(void)state;
	send_one(p);
	lane = shmring_hub_next(h);
	assert_non_null(lane);
	assert_non_null(shmring_peek(lane, &len));
	assert_int_equal(shmring_advance(lane), 0);
	lie(p);
	assert_null(shmring_hub_next(h));
	assert_int_equal(shmring_release(lane), -EINVAL);
	shmring_close(p);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	p = new_producer();
	send_one(p);
	assert_int_equal(take_all(h), 1);
	send_one(p);
	assert_int_equal(take_all(h), 1);
	shmring_close(p);
	shmring_hub_close(h);
}

/* Numbers of lanes that do not fit the file, and the flag of lanes in a file without. */
static void false_geometry_is_refused(void **state)
{
	static const uint32_t numbers[] = { 0, 1, LANES - 1, LANES + 1, 257, ~0u };
	struct shmring_hub *h = new_hub(LANES, 0), *other;
	struct shmring_status *status = (void *)((char *)h->lanes[0]->lane - SHMRING_LANE_OFFSET);
	struct shmring *r;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		status->nr_lanes = numbers[i];
		assert_int_equal(shmring_attach(&r, name(), SHMRING_PRODUCER), -EPROTO);
		assert_int_equal(shmring_hub_attach(&other, name(), NULL), -EPROTO);
	}
	status->nr_lanes = LANES;
	r = new_producer();
	shmring_close(r);
	shmring_hub_close(h);
}

/* A file that is all right but for the number of its lanes. */
static void more_lanes_than_there_can_be_are_refused(void **state)
{
	const uint32_t lanes = SHMRING_LANES_MAX + 1;
	const struct shmring_status status = {
		.magic = SHMRING_MAGIC, .abi = SHMRING_ABI, .capacity = page_size(),
		.nr_lanes = lanes, .flags = FLAG_FAN_IN, .align = 8,
	};
	int fd = memfd_create("shmring", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct shmring_hub *h;
	uint32_t i;

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)((4 * lanes + 1) * page_size())), 0);
	for (i = 0; i < lanes; i++)
		assert_int_equal(pwrite(fd, &status, sizeof(status), 4 * i * (off_t)page_size()),
				 sizeof(status));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(shmring_hub_attach_fd(&h, fd, NULL), -EPROTO);
	close(fd);
}

/* ------------------------------------------------------------ deaths and ends */

static pid_t dead_producer(void)
{
	pid_t pid = fork();
	struct shmring *p;

	if (pid)
		return pid;
	if (!shmring_attach(&p, name(), SHMRING_PRODUCER) &&
	    shmring_send(p, "message", 8, NULL) == 8)
		raise(SIGKILL);
	_exit(1);
}

static void end_comes_after_a_death(void **state)
{
	struct shmring_hub *h = new_hub(LANES, SHMRING_HUB_EOF);
	struct shmring_wait w = soon();

	(void)state;
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);	/* none has come */
	end_of(dead_producer());
	assert_int_equal(shmring_hub_wait(h, &w), 0);
	assert_int_equal(take_all(h), 1);
	assert_int_equal(shmring_hub_wait(h, &w), -ENODATA);
	w.policy = SHMRING_SPIN;
	assert_int_equal(shmring_hub_wait(h, &w), -ENODATA);
	shmring_hub_close(h);
}

static void spinning_notices_a_death(void **state)
{
	struct shmring_hub *h = new_hub(LANES, SHMRING_HUB_EOF);
	struct shmring_wait w = soon();

	(void)state;
	w.policy = SHMRING_SPIN;
	end_of(dead_producer());
	assert_int_equal(shmring_hub_wait(h, &w), 0);
	assert_int_equal(take_all(h), 1);
	assert_int_equal(shmring_hub_wait(h, &w), -ENODATA);
	shmring_hub_close(h);
}

/* A killed producer's lane is given out again once it is drained. */
static void lane_of_the_dead_is_free_when_drained(void **state)
{
	struct shmring_hub *h = new_hub(1, 0);
	struct shmring *p;

	(void)state;
	end_of(dead_producer());
	assert_int_equal(shmring_attach(&p, name(), SHMRING_PRODUCER), -EBUSY);
	assert_int_equal(take_all(h), 1);
	p = new_producer();
	shmring_close(p);
	shmring_hub_close(h);
}

/* The producer sleeps for space that the caller holds: neither would go on. */
static void holding_all_is_a_deadlock(void **state)
{
	struct shmring_hub *h = new_hub(LANES, 0);
	struct shmring *p = new_producer(), *lane;
	size_t len;

	(void)state;
	fill(p);
	while ((lane = shmring_hub_next(h))) {
		assert_non_null(shmring_peek(lane, &len));
		assert_int_equal(shmring_advance(lane), 0);
	}
	assert_int_equal(shmring_hub_wait(h, NULL), -EDEADLK);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EDEADLK);
	assert_int_equal(shmring_release(shmring_hub_endpoint(h, 0)), 0);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	send_one(p);
	assert_int_equal(take_all(h), 1);
	shmring_close(p);
	shmring_hub_close(h);
}

/*
 * The hub holds all that a producer has left, which was in need of space: there is no reason to
 * look again and again, but the next producer is noticed.
 */
static void held_to_the_end_is_no_news(void **state)
{
	struct shmring_hub *h = new_hub(1, 0);
	struct shmring *p = new_producer(), *lane;
	struct shmring_wait w = soon();
	size_t len;

	(void)state;
	fill(p);
	while ((lane = shmring_hub_next(h))) {
		assert_non_null(shmring_peek(lane, &len));
		assert_int_equal(shmring_advance(lane), 0);
	}
	shmring_close(p);
	assert_int_equal(shmring_memfd_hub_wait(h, shmring_deadline(1000000)), -ETIMEDOUT);
	assert_int_equal(shmring_release(shmring_hub_endpoint(h, 0)), 0);
	p = new_producer();
	assert_int_equal(shmring_memfd_hub_wait(h, shmring_deadline(1000000)), -ETIMEDOUT);
	send_one(p);
	assert_int_equal(shmring_hub_wait(h, &w), 0);
	assert_int_equal(take_all(h), 1);
	shmring_close(p);
	shmring_hub_close(h);
}

/* Without a watch the timer goes by what the hub finds, though no lane has to wake the hub. */
static void timer_follows_the_messages(void **state)
{
	struct shmring_hub *h = new_hub(LANES, 0);
	struct shmring *p = new_producer();
	const uint64_t *ns = &h->ring->priv->memfd.timer_ns;
	uint64_t first;

	(void)state;
	fault_in("inotify_add_watch", EACCES, 1);
	assert_true(shmring_hub_poll_fd(h) >= 0);
	assert_true(fault_happened());
	fault_at(0);
	first = *ns;
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	assert_true(*ns > first);
	send_one(p);
	assert_int_equal(take_all(h), 1);
	assert_int_equal(shmring_hub_wait(h, &nowait), -EAGAIN);
	assert_int_equal(*ns, first);
	shmring_close(p);
	shmring_hub_close(h);
}

/* A child of the hub closes its copy, and the hub keeps its role. */
static void child_closes_its_copy(void **state)
{
	struct shmring_hub *h = new_hub(LANES, 0), *other;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		shmring_hub_close(h);
		_exit(0);
	}
	end_of(pid);
	assert_int_equal(shmring_hub_attach(&other, name(), NULL), -EBUSY);
	shmring_hub_close(h);
	assert_false(is_named());
}

/* ------------------------------------------------------------------ errors */

static void arguments_are_checked(void **state)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_wait w = SHMRING_WAIT_INIT;
	struct shmring_hub *h;

	(void)state;
	opt.size = 4;
	assert_int_equal(shmring_hub_create(&h, NULL, &opt), -EINVAL);
	opt.size = 5000;
	assert_int_equal(shmring_hub_create(&h, NULL, &opt), -E2BIG);
	opt = (struct shmring_hub_options)SHMRING_HUB_OPTIONS_INIT;
	opt.policy = (enum shmring_policy)17;
	assert_int_equal(shmring_hub_create(&h, NULL, &opt), -EINVAL);
	opt.policy = SHMRING_DEFAULT;
	assert_int_equal(shmring_hub_create(&h, "", &opt), -EINVAL);
	opt.flags = SHMRING_PERSIST;
	assert_int_equal(shmring_hub_create(&h, NULL, &opt), -EINVAL);
	assert_int_equal(shmring_hub_attach(&h, "none", NULL), -ENOENT);
	assert_int_equal(shmring_hub_attach(&h, "a/b", NULL), -EINVAL);
	assert_int_equal(shmring_hub_attach_fd(&h, -1, NULL), -EBADF);
	h = new_hub(1, 0);
	w.min_bytes = 8;
	assert_int_equal(shmring_hub_wait(h, &w), -EINVAL);
	w.min_bytes = 0;
	w.flags = 2;
	assert_int_equal(shmring_hub_wait(h, &w), -EINVAL);
	shmring_hub_close(h);
	shmring_hub_close(NULL);
}

/* Slots and alignment are those of each lane, as of a ring. */
static void lanes_have_the_sizes_asked_for(void **state)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring_hub *h;

	(void)state;
	opt.slots = 3;
	assert_int_equal(shmring_hub_create(&h, NULL, &opt), -EINVAL);
	opt.slot_size = 20;
	opt.align = 4;
	assert_int_equal(shmring_hub_create(&h, NULL, &opt), 0);
	assert_int_equal(shmring_get_info(shmring_hub_endpoint(h, 15), &info), 0);
	assert_int_equal(info.slots, 3);
	assert_int_equal(info.slot_size, 20);
	assert_int_equal(info.align, 4);
	assert_int_equal(info.capacity, page_size());
	shmring_hub_close(h);
}

/* A ring is made for a hub that comes later, and its producers wait for it. */
static void ring_is_made_without_a_hub(void **state)
{
	struct shmring_hub_options opt = SHMRING_HUB_OPTIONS_INIT;
	struct shmring_info info = SHMRING_INFO_INIT;
	unsigned int fds = nr_fds();
	struct shmring_hub *h;
	struct shmring *p;

	(void)state;
	opt.lanes = 2;
	assert_int_equal(shmring_hub_create(NULL, name(), &opt), -EINVAL);
	assert_int_equal(nr_fds(), fds);
	assert_false(is_named());
	opt.flags = SHMRING_PERSIST;
	assert_int_equal(shmring_hub_create(NULL, name(), &opt), 0);
	assert_int_equal(nr_fds(), fds);
	assert_int_equal(shmring_hub_create(NULL, name(), &opt), -EEXIST);
	p = new_producer();
	assert_int_equal(shmring_get_info(p, &info), 0);
	assert_int_equal(info.consumer_state, SHMRING_PEER_NONE);
	fill(p);
	assert_int_equal(shmring_send(p, "message", 8, &nowait), -EAGAIN);
	assert_int_equal(shmring_hub_attach(&h, name(), NULL), 0);
	assert_int_not_equal(take_all(h), 0);
	shmring_close(p);
	shmring_hub_close(h);
	assert_int_equal(shmring_unlink(name()), 0);
}

/* Two descriptors for all lanes; and after a close all is as it was. */
static void lanes_share_descriptors(void **state)
{
	unsigned int fds = nr_fds(), mappings = nr_mappings();
	struct shmring_hub *h = new_hub(SHMRING_LANES_MAX, 0);

	(void)state;
	assert_int_equal(nr_fds(), fds + 2);
	assert_true(nr_mappings() <= mappings + 4 * SHMRING_LANES_MAX);
	assert_true(shmring_hub_poll_fd(h) >= 0);
	assert_int_equal(shmring_hub_poll_fd(h), shmring_hub_poll_fd(h));
	shmring_hub_close(h);
	assert_int_equal(nr_fds(), fds);
	assert_int_equal(nr_mappings(), mappings);
}

/* Whichever call fails: no descriptor, mapping, name or role is left. */
static void failed_create_leaves_nothing(void **state)
{
	const struct shmring_hub_options opt = { .lanes = 2, .flags = SHMRING_PERSIST };
	unsigned int fds, mappings, n;
	struct shmring_hub *h;
	bool happened = true;
	int ret;

	(void)state;
	shmring_hub_close(new_hub(1, 0));	/* what a process does once */
	fds = nr_fds();
	mappings = nr_mappings();
	for (n = 1; happened; n++) {
		fault_at(n);
		ret = shmring_hub_create(&h, name(), &opt);
		happened = fault_happened();
		fault_at(0);
		if (ret)
			assert_false(is_named());
		else
			shmring_hub_close(h);
		assert_int_equal(nr_fds(), fds);
		assert_int_equal(nr_mappings(), mappings);
		shmring_unlink(name());
	}
	assert_true(n > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lanes_take_turns),
		TEST(lane_alone_stays),
		TEST(empty_lanes_become_cold),
		TEST(each_lane_is_found),
		TEST(cold_lane_becomes_hot),
		TEST(all_ready_lanes_stay_hot),
		TEST(false_bits_find_nothing),
		TEST(cleared_bit_hides_nothing_for_long),
		TEST(busy_hub_looks_at_all_lanes),
		TEST(wake_ups_for_nothing_end_no_wait),
		TEST(liar_loses_its_lane),
		TEST(next_producer_loses_nothing),
		TEST(spinning_takes_a_lane_back),
		TEST(liar_is_believed_once),
		TEST(held_messages_go_with_the_liar),
		TEST(false_geometry_is_refused),
		TEST(more_lanes_than_there_can_be_are_refused),
		TEST(end_comes_after_a_death),
		TEST(spinning_notices_a_death),
		TEST(lane_of_the_dead_is_free_when_drained),
		TEST(holding_all_is_a_deadlock),
		TEST(held_to_the_end_is_no_news),
		TEST(timer_follows_the_messages),
		TEST(child_closes_its_copy),
		TEST(arguments_are_checked),
		TEST(lanes_have_the_sizes_asked_for),
		TEST(ring_is_made_without_a_hub),
		TEST(lanes_share_descriptors),
		TEST(failed_create_leaves_nothing),
	};

	use_memfd();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
