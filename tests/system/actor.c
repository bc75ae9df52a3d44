// SPDX-License-Identifier: MIT
/* Actors: processes that hold an endpoint, and carry out verbs that arrive in a pipe. */
#include "abi.h"

#include <fcntl.h>
#include <poll.h>

struct order {
	enum verb verb;
	uint64_t x, y, z;
};

struct part {
	int ring;
	int end;	/* an endpoint that is there, or -1 */
	uint32_t role;
	bool mapped;
	int orders;
	int answers;
};

static void on_signal(int sig)
{
	(void)sig;
}

static int do_poll(int fd, uint64_t events, uint64_t timeout)
{
	struct pollfd p = { .fd = fd, .events = (short)events };
	int ret = poll(&p, 1, (int)timeout);

	return ret < 0 ? -errno : ret ? p.revents : 0;
}

static int obey(struct endpoint *e, const struct order *o)
{
	switch (o->verb) {
	case VERB_WAIT:
		return e->role == PRODUCER ? wait_space(e->fd, o->x, o->y, o->z) :
					     wait_data(e->fd, o->x, o->y, o->z);
	case VERB_MOVE:
		move(e, o->x);
		return 0;
	case VERB_SET:
		set_position(e, o->x);
		return 0;
	case VERB_WAKE:
		return (int)call(e->fd, SHMRING_IOC_WAKE, NULL);
	case VERB_UNMAP:
		unmap(e);
		return 0;
	case VERB_CLOSE:
		CHECK(!close(e->fd));
		return 0;
	case VERB_POLL:
		return do_poll(e->fd, o->x, o->y);
	case VERB_PEER:
		return wait_peer(e->fd, o->x);
	case VERB_EXIT:
		break;
	}
	return 0;
}

static struct endpoint endpoint_for(const struct part *part)
{
	struct endpoint e = { .fd = part->end, .role = part->role };

	if (part->mapped)
		return endpoint(part->ring, part->role);
	if (e.fd < 0)
		e.fd = attach(part->ring, part->role);
	CHECK(e.fd >= 0);
	return e;
}

/* interrupt() may send one signal more than was needed. */
static void next_order(int from, struct order *o)
{
	ssize_t n;

	do {
		n = read(from, o, sizeof(*o));
	} while (n < 0 && errno == EINTR);
	CHECK_EQ(n, sizeof(*o));
}

static int play(void *arg)
{
	struct part *part = arg;
	struct endpoint e;
	struct order o;
	int answer = 0;

	/* With and without SA_RESTART: both must end a wait. */
	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = on_signal }, NULL);
	sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = on_signal, .sa_flags = SA_RESTART },
		  NULL);
	e = endpoint_for(part);
	for (;;) {
		CHECK_EQ(write(part->answers, &answer, sizeof(answer)), sizeof(answer));
		next_order(part->orders, &o);
		if (o.verb == VERB_EXIT)
			return TEST_PASS;
		context("an actor, verb %d", o.verb);
		answer = obey(&e, &o);
	}
}

static struct actor engage(struct part part)
{
	struct actor a = { .role = part.role };
	int orders[2], answers[2];

	CHECK(!pipe2(orders, O_CLOEXEC) && !pipe2(answers, O_CLOEXEC));
	part.orders = orders[0];
	part.answers = answers[1];
	a.to = orders[1];
	a.from = answers[0];
	a.pid = start(play, &part);
	close(orders[0]);
	close(answers[1]);
	CHECK_EQ(result_of(&a), 0);
	return a;
}

struct actor actor(int ring, uint32_t role, bool mapped)
{
	return engage((struct part){ .ring = ring, .end = -1, .role = role, .mapped = mapped });
}

struct actor actor_on(int fd, uint32_t role)
{
	return engage((struct part){ .ring = -1, .end = fd, .role = role });
}

void start_verb(struct actor *a, enum verb verb, uint64_t x, uint64_t y, uint64_t z)
{
	struct order o = { verb, x, y, z };

	CHECK_EQ(write(a->to, &o, sizeof(o)), sizeof(o));
}

int result_of(struct actor *a)
{
	int answer;

	CHECK_EQ(read(a->from, &answer, sizeof(answer)), sizeof(answer));
	return answer;
}

int ask(struct actor *a, enum verb verb, uint64_t x, uint64_t y, uint64_t z)
{
	start_verb(a, verb, x, y, z);
	return result_of(a);
}

int interrupt(struct actor *a, int sig)
{
	while (!has_input(a->from)) {
		CHECK(!kill(a->pid, sig));
		usleep(10000);
	}
	return result_of(a);
}

static void forget(struct actor *a)
{
	close(a->to);
	close(a->from);
}

void end_actor(struct actor *a)
{
	start_verb(a, VERB_EXIT, 0, 0, 0);
	CHECK_EQ(end_of(a->pid), 0);
	forget(a);
}

void kill_actor(struct actor *a)
{
	kill_child(a->pid);
	forget(a);
}

uint64_t sleeps(int ring, uint32_t role)
{
	struct shmring_ioc_query q = query(ring);

	return role == PRODUCER ? q.producer_sleeps : q.consumer_sleeps;
}

void await_sleep(struct actor *a, int ring, uint64_t sleeps_before)
{
	AWAIT(sleeps(ring, a->role) > sleeps_before && state_of(a->pid) == 'S');
	CHECK(!has_input(a->from));
}
