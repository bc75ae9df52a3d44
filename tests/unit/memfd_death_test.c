// SPDX-License-Identifier: MIT
/* The memfd backend: how a side notices that the other one has died. */
#include "memfd_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"

static void consumer_notices_a_kill(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	const struct shmring_wait wait = soon();
	char buf[8];
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		be_a_producer(c);
	assert_int_equal(shmring_recv(c, buf, sizeof(buf), &wait), 5);
	assert_int_equal(shmring_recv(c, buf, sizeof(buf), &wait), -ENODATA);
	end_of(pid);
	shmring_close(c);
}

/* A side that could not end its role on close is found dead, perhaps not at the first look. */
static void close_that_fails_is_a_death(void **state)
{
	struct shmring *c, *p = new_pair(&c);
	const struct shmring_wait wait = soon();

	(void)state;
	fault_at(1);	/* the lock for changes of roles */
	shmring_close(p);
	assert_true(fault_happened());
	fault_at(2);	/* the same, after a look at the producer's lock */
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_true(fault_happened());
	assert_int_equal(shmring_wait_data(c, &wait), -ENODATA);
	shmring_close(c);
}

/*
 * A lock that a child holds does not show whether its owner lives. The pid does, if the owner
 * is in this process's PID namespace.
 */
static void pid_shows_a_death_in_its_namespace(void **state)
{
	pid_t dead = fork(), zombie = dead ? fork() : 0;
	struct {
		uint64_t pid, other_namespace;
		int want;
	} cases[] = {
		{ (uint64_t)dead, 0, -ENODATA },
		{ (uint64_t)zombie, 0, -ENODATA },
		{ (uint64_t)dead, 1, -EAGAIN },
		{ (uint64_t)dead + (1ull << 32), 0, -EAGAIN },
		{ (uint64_t)getpid(), 0, -EAGAIN },
		{ 0, 0, -EAGAIN },
	};
	struct shmring *p, *c;
	unsigned int i;

	(void)state;
	if (!dead || !zombie)
		_exit(0);
	end_of(dead);
	assert_int_equal(waitid(P_PID, (id_t)zombie, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		p = new_pair(&c);
		p->producer->reserved[0] = cases[i].pid;
		p->producer->reserved[1] += cases[i].other_namespace;
		p->producer->reserved[2] = 0;	/* when it was started is not known */
		assert_int_equal(shmring_wait_data(c, &nowait), cases[i].want);
		shmring_close(c);
		shmring_close(p);
	}
	end_of(zombie);
}

/* A process without /proc cannot see its PID namespace, and must not judge by a pid. */
static void pid_shows_nothing_without_a_namespace(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	pid_t dead = fork();

	(void)state;
	if (!dead)
		_exit(0);
	end_of(dead);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	c->priv->memfd.pid_ns = 0;
	p->producer->reserved[0] = (uint64_t)dead;
	p->producer->reserved[1] = 0;
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	shmring_close(c);
	shmring_close(p);
}

static void next_producer_comes(void)
{
	assert_int_equal(shmring_attach_fd(&successor, shmring_fd(ring), SHMRING_PRODUCER), 0);
}

static void death_of_one_is_not_that_of_the_next(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER);
	pid_t pid = fork();

	(void)state;
	if (!pid)
		be_a_producer(c);
	end_of(pid);
	take_last(c);
	ring = c;
	before_next_lock(next_producer_comes);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	assert_non_null(successor);
	assert_int_equal(c->lane->producer.state, SHMRING_PEER_LIVE);
	put(successor, 8, 1);
	take(c, 8, 1);
	shmring_close(successor);
	shmring_close(c);
}

/*
 * A producer is killed; its child lives on, and with it the lock. The next producer keeps its
 * role all the same, while the child lives and afterwards.
 */
static void child_of_the_killed_is_not_the_next(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER), *p, *other;
	int pipes[2];
	pid_t pid, child;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		if (shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER))
			_exit(1);
		child = child_that_stays();
		if (write(pipes[1], &child, sizeof(child)) == sizeof(child))
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(read(pipes[0], &child, sizeof(child)), sizeof(child));
	end_of(pid);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	assert_int_equal(shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER), 0);
	put(p, 8, 1);
	kill(child, SIGKILL);
	while (!kill(child, 0))
		usleep(1000);
	assert_int_equal(shmring_attach_fd(&other, shmring_fd(c), SHMRING_PRODUCER), -EBUSY);
	take(c, 8, 1);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	shmring_close(p);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	shmring_close(c);
	close(pipes[0]);
	close(pipes[1]);
}

/*
 * A child shares the description that has the locks, but must not keep other processes from the
 * ring.
 */
static void child_of_the_last_holder_locks_nobody_out(void **state)
{
	struct shmring *p = new_ring(name(), SHMRING_PRODUCER), *c;
	pid_t child = child_that_stays();
	int fd = dup(shmring_fd(p));

	(void)state;
	put(p, 8, 1);
	shmring_close(p);
	assert_false(is_named());
	alarm(30);	/* without the fix this never returned */
	assert_int_equal(shmring_attach_fd(&c, fd, SHMRING_CONSUMER), 0);
	alarm(0);
	take(c, 8, 1);
	shmring_close(c);
	close(fd);
	end_of_child(child);
}

/* Another process was stopped while it held the lock for changes of roles. */
static void lock_of_another_does_not_outlast_a_deadline(void **state)
{
	struct flock change = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1,
				.l_len = 1 };
	struct shmring *c = new_ring(name(), SHMRING_CONSUMER);
	struct shmring_wait wait = { .policy = SHMRING_BLOCK };
	char path[SHMRING_NAME_MAX + 32];
	pid_t pid = fork();
	int fd;

	(void)state;
	if (!pid)
		be_a_producer(c);
	end_of(pid);
	take_last(c);
	snprintf(path, sizeof(path), "/dev/shm/shmring.%s", name());
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &change), 0);
	alarm(30);
	wait.deadline = shmring_deadline(60000000);
	assert_int_equal(shmring_wait_data(c, &wait), -ETIMEDOUT);
	alarm(0);
	close(fd);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	shmring_close(c);
}

/* The parent's object in two children: one closes it, the other does not. */
static void child_leaves_the_parent_its_role(void **state)
{
	struct shmring *p = new_ring(name(), SHMRING_PRODUCER), *c;
	const struct shmring_wait wait = soon();
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid) {
		shmring_close(p);
		_exit(0);
	}
	end_of(pid);
	assert_true(is_named());
	assert_int_equal(shmring_attach(&c, name(), SHMRING_PRODUCER), -EBUSY);
	assert_int_equal(shmring_attach(&c, name(), SHMRING_CONSUMER), 0);
	put(p, 100, 1);
	take(c, 100, 1);
	shmring_close(p);
	assert_int_equal(shmring_wait_data(c, &wait), -ENODATA);
	shmring_close(c);
	assert_false(is_named());
}

/* ------------------------------------------------- without a wait that would say so */

static void be_killed(const struct shmring *handle, enum shmring_role role)
{
	struct shmring *r;

	if (!shmring_attach_fd(&r, shmring_fd(handle), role))
		raise(SIGKILL);
	_exit(1);
}

/* A child that has taken a role, and has been killed. */
static void kill_one(const struct shmring *handle, enum shmring_role role)
{
	pid_t pid = fork();

	if (!pid)
		be_killed(handle, role);
	end_of(pid);
}

/* There is space for all of these messages, so no call waits. */
static void producer_that_never_waits_finds_out(void **state)
{
	static const struct shmring_wait *const waits[] = { NULL, &nowait };
	struct shmring *p;
	unsigned int i, sent;
	ssize_t ret;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(waits); i++) {
		p = new_ring(NULL, SHMRING_PRODUCER);
		kill_one(p, SHMRING_CONSUMER);
		for (sent = 0, ret = 8; sent < 100 && ret == 8; sent++) {
			ret = shmring_send(p, "message", 8, waits[i]);
			usleep(5000);
		}
		assert_int_equal(ret, -EPIPE);
		shmring_close(p);
	}
}

static struct shmring_info info_of(const struct shmring *r)
{
	struct shmring_info info = SHMRING_INFO_INIT;

	assert_int_equal(shmring_get_info(r, &info), 0);
	return info;
}

static void info_shows_the_killed_as_gone(void **state)
{
	struct shmring *handle = new_ring(NULL, SHMRING_HANDLE);

	(void)state;
	kill_one(handle, SHMRING_PRODUCER);
	assert_int_equal(info_of(handle).producer_state, SHMRING_PEER_GONE);
	assert_int_equal(info_of(handle).consumer_state, SHMRING_PEER_NONE);
	kill_one(handle, SHMRING_CONSUMER);
	assert_int_equal(info_of(handle).consumer_state, SHMRING_PEER_GONE);
	shmring_close(handle);
}

static struct shmring *new_queue(enum shmring_role role)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .role = role,
					     .flags = SHMRING_QUEUE };
	struct shmring *r;

	assert_int_equal(shmring_create(&r, NULL, &opt), 0);
	return r;
}

/* However often a consumer is killed, and whether a call or the next consumer notices it. */
static void queue_has_no_consumer_yet_after_a_death(void **state)
{
	struct shmring *p = new_queue(SHMRING_PRODUCER), *c;
	uint64_t i, nr = p->capacity / 16;

	(void)state;
	kill_one(p, SHMRING_CONSUMER);
	assert_int_equal(info_of(p).consumer_state, SHMRING_PEER_NONE);
	for (i = 0; i < nr; i++)
		put(p, 8, i);
	assert_int_equal(shmring_wait_space(p, 8, &nowait), -EAGAIN);
	assert_int_equal(p->lane->consumer.state, SHMRING_PEER_NONE);
	assert_int_equal(shmring_drain(p, &nowait), -EAGAIN);
	kill_one(p, SHMRING_CONSUMER);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	for (i = 0; i < nr; i++)
		take(c, 8, i);
	shmring_close(c);
	assert_int_equal(p->lane->consumer.state, SHMRING_PEER_NONE);
	assert_int_equal(shmring_drain(p, &nowait), 0);
	kill_one(p, SHMRING_CONSUMER);
	assert_int_equal(info_of(p).flags, SHMRING_QUEUE);
	shmring_close(p);
}

/* Its poll descriptor is not ready for a consumer that has gone, but for the next one. */
static void queue_polls_on_after_a_death(void **state)
{
	struct shmring *p = new_queue(SHMRING_PRODUCER), *c;
	const struct shmring_wait wait = soon();
	int fd = shmring_poll_fd(p);
	uint64_t i;

	(void)state;
	for (i = 0; i < p->capacity / 16; i++)
		put(p, 8, i);
	kill_one(p, SHMRING_CONSUMER);
	p->priv->checked = 0;
	do {
		assert_int_equal(shmring_wait_space(p, 8, &nowait), -EAGAIN);
	} while (is_readable(fd));
	assert_int_equal(p->lane->consumer.state, SHMRING_PEER_NONE);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	take(c, 8, 0);
	assert_true(is_readable(fd));
	assert_int_equal(shmring_wait_space(p, 8, &wait), 0);
	shmring_close(c);
	shmring_close(p);
}

/* A later version may have flags for other behaviour of the sides. */
static void flag_that_is_unknown_is_refused(void **state)
{
	struct shmring *p = new_queue(SHMRING_PRODUCER), *c;
	const __u32 flags = SHMRING_QUEUE << 1;

	(void)state;
	assert_int_equal(pwrite(shmring_fd(p), &flags, sizeof(flags),
				offsetof(struct shmring_status, flags)), sizeof(flags));
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), -EPROTO);
	shmring_close(p);
}

/* `used` is of one moment; even with hostile peers it is at most the capacity. */
static void info_shows_no_more_used_than_fits(void **state)
{
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER);

	(void)state;
	p->producer->head = 16;
	assert_int_equal(info_of(p).used, 16);
	p->producer->head = 22000000;
	assert_int_equal(info_of(p).used, p->capacity);
	p->consumer->tail = 22000008;
	assert_int_equal(info_of(p).used, 0);
	shmring_close(p);
}

/* Another process has the dead owner's pid, and a child of the owner has its lock. */
static void pid_of_another_process_shows_a_death(void **state)
{
	struct shmring *c, *p = new_pair(&c);

	(void)state;
	assert_true(p->producer->reserved[2] > 0);
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
	p->producer->reserved[2]--;
	c->priv->checked = 0;
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	assert_int_equal(info_of(c).producer_state, SHMRING_PEER_GONE);
	shmring_close(c);
	shmring_close(p);
}

/* A false position is not inherited: the next owner finds an empty ring. */
static void position_that_may_not_be_is_not_inherited(void **state)
{
	static const uint64_t fake[] = { 1ull << 62, 1ull << 63, SHMRING_NO_WAKE - 7, 4 };
	struct shmring *p = new_ring(NULL, SHMRING_PRODUCER), *c;
	unsigned int i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(fake); i++) {
		p->producer->head = fake[i];
		p->consumer->tail = fake[i];
		assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
		assert_int_equal(c->consumer->tail, 0);
		shmring_close(c);
		shmring_close(p);
		p = new_ring(NULL, SHMRING_PRODUCER);
	}
	shmring_close(p);
}

/* The words of dead owners: space_wanted, cpu and wake_at. */
static void words_of_the_killed_are_not_inherited(void **state)
{
	struct shmring *handle = new_ring(NULL, SHMRING_HANDLE), *p, *c;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		if (shmring_attach_fd(&p, shmring_fd(handle), SHMRING_PRODUCER) ||
		    shmring_attach_fd(&c, shmring_fd(handle), SHMRING_CONSUMER))
			_exit(1);
		p->producer->space_wanted = 8;
		p->producer->cpu = c->consumer->cpu = 12345;
		p->lane->producer.wake_at = c->lane->consumer.wake_at = 8;
		raise(SIGKILL);
	}
	end_of(pid);
	assert_int_equal(shmring_attach_fd(&p, shmring_fd(handle), SHMRING_PRODUCER), 0);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(handle), SHMRING_CONSUMER), 0);
	assert_int_equal(p->producer->space_wanted, 0);
	assert_int_equal(p->producer->cpu, 0);
	assert_int_equal(c->consumer->cpu, 0);
	assert_true(p->lane->producer.wake_at == SHMRING_NO_WAKE);
	assert_true(c->lane->consumer.wake_at == SHMRING_NO_WAKE);
	shmring_close(c);
	shmring_close(p);
	shmring_close(handle);
}

/* The dead sleeper must not be woken any more, not even before there is a next owner. */
static void sleep_of_the_killed_is_over(void **state)
{
	struct shmring *c = new_ring(NULL, SHMRING_CONSUMER), *p;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		if (shmring_attach_fd(&p, shmring_fd(c), SHMRING_PRODUCER))
			_exit(1);
		p->lane->producer.wake_at = 8;
		raise(SIGKILL);
	}
	end_of(pid);
	assert_int_equal(c->lane->producer.wake_at, 8);
	assert_int_equal(shmring_wait_data(c, &nowait), -ENODATA);
	assert_true(c->lane->producer.wake_at == SHMRING_NO_WAKE);
	shmring_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(consumer_notices_a_kill),
		TEST(close_that_fails_is_a_death),
		TEST(pid_shows_a_death_in_its_namespace),
		TEST(pid_shows_nothing_without_a_namespace),
		TEST(death_of_one_is_not_that_of_the_next),
		TEST(child_of_the_killed_is_not_the_next),
		TEST(child_of_the_last_holder_locks_nobody_out),
		TEST(lock_of_another_does_not_outlast_a_deadline),
		TEST(child_leaves_the_parent_its_role),
		TEST(producer_that_never_waits_finds_out),
		TEST(info_shows_the_killed_as_gone),
		TEST(pid_of_another_process_shows_a_death),
		TEST(position_that_may_not_be_is_not_inherited),
		TEST(words_of_the_killed_are_not_inherited),
		TEST(sleep_of_the_killed_is_over),
		TEST(queue_has_no_consumer_yet_after_a_death),
		WATCHING(queue_polls_on_after_a_death),
		TEST(flag_that_is_unknown_is_refused),
		TEST(info_shows_no_more_used_than_fits),
	};

	use_memfd();
	return cmocka_run_group_tests_name("memfd_death", tests, NULL, NULL);
}
