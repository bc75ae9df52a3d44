// SPDX-License-Identifier: MIT
/*
 * The CPUs that the sleeper's barrier (J) interrupts: the one that runs the publisher, not
 * the sleeper's own. The kernel counts them as "CAL" in /proc/interrupts.
 */
#include "abi.h"

#include <sched.h>

#define CREDIT	65536	/* bytes that the publisher fences after a (J), at least */
#define TIMES	40	/* few enough for the limit that a ring has in a second */

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set));
}

/* Function-call interrupts of either CPU so far; false: this kernel does not count them. */
static bool count_interrupts(unsigned long counts[2])
{
	FILE *f = fopen("/proc/interrupts", "re");
	char line[1024];
	bool found = false;

	CHECK(f);
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, " CAL: %lu %lu", &counts[0], &counts[1]) == 2;
	fclose(f);
	return found;
}

struct shared {
	int ring;
	uint32_t role;
	uint64_t position;	/* where the publisher is to go */
	uint64_t reached;
};

/* The publisher: runs on CPU 1 all the time, and sets its position to the one asked for. */
static int publish(void *arg)
{
	struct shared *s = arg;
	struct endpoint e;
	uint64_t to;

	run_on(1);
	e = endpoint(s->ring, s->role);
	for (;;) {
		to = __atomic_load_n(&s->position, __ATOMIC_ACQUIRE);
		if (to != s->reached) {
			set_position(&e, to);
			__atomic_store_n(&s->reached, to, __ATOMIC_RELEASE);
		}
	}
	return TEST_FAIL;
}

static void publish_to(struct shared *s, uint64_t position)
{
	__atomic_store_n(&s->position, position, __ATOMIC_RELEASE);
	AWAIT(__atomic_load_n(&s->reached, __ATOMIC_ACQUIRE) == position);
}

/* A consumer in this process on CPU 0, and a producer on CPU 1 that has published up to CREDIT. */
static struct endpoint begin(struct shared *s, pid_t *pid)
{
	struct endpoint c;

	s->ring = make_ring(CREDIT);
	s->role = PRODUCER;
	run_on(0);
	c = endpoint(s->ring, CONSUMER);
	*pid = start(publish, s);
	publish_to(s, CREDIT);
	return c;
}

static void end(struct shared *s, struct endpoint *c, pid_t pid)
{
	kill_child(pid);
	drop(c);
	CHECK(!close(s->ring));
}

/*
 * The consumer sleeps @TIMES times, each time beyond the position up to which the producer is
 * known to fence. Each sleep takes one interrupt.
 */
static void test_publisher_is_interrupted(void)
{
	struct shared *s = share(sizeof(*s));
	unsigned long before[2], after[2];
	uint64_t at = CREDIT;
	pid_t pid;
	struct endpoint c = begin(s, &pid);
	int i;

	count_interrupts(before);
	for (i = 0; i < TIMES; i++) {
		set_position(&c, at);
		EXPECT_EQ(wait_data(c.fd, 8, 0, now_ns() + 1000), -ETIMEDOUT);
		publish_to(s, at += CREDIT);
	}
	count_interrupts(after);
	printf("%d sleeps: %lu interrupts of the sleeper's CPU, %lu of the publisher's\n", TIMES,
	       after[0] - before[0], after[1] - before[1]);
	EXPECT(after[1] - before[1] >= TIMES);
	end(s, &c, pid);
}

/* A publisher that is known to fence is not interrupted. */
static void test_publisher_that_fences(void)
{
	struct shared *s = share(sizeof(*s));
	unsigned long before[2], after[2];
	pid_t pid;
	struct endpoint c = begin(s, &pid);
	int i;

	set_position(&c, CREDIT);
	EXPECT_EQ(wait_data(c.fd, 8, 0, now_ns() + 1000), -ETIMEDOUT);
	count_interrupts(before);
	for (i = 0; i < 50 * TIMES; i++)
		EXPECT_EQ(wait_data(c.fd, 8, 0, 1), -ETIMEDOUT);
	count_interrupts(after);
	printf("%d sleeps: %lu interrupts of the publisher's CPU\n", 50 * TIMES,
	       after[1] - before[1]);
	EXPECT(after[1] - before[1] < 25 * TIMES);
	end(s, &c, pid);
}

/* On other machines (J) is a grace period, and a ring begins with fences. */
static bool interrupts(void)
{
	int ring = make_ring(page_size());
	struct endpoint c = endpoint(ring, CONSUMER);
	bool ret = !c.lane->consumer.fence_until;

	drop(&c);
	CHECK(!close(ring));
	return ret;
}

int main(void)
{
	unsigned long counts[2];

	control();
	if (!interrupts())
		skip("this kernel does not interrupt publishers");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		skip("one CPU");
	if (!count_interrupts(counts))
		skip("this kernel does not count function-call interrupts");
	RUN(test_publisher_is_interrupted);
	RUN(test_publisher_that_fences);
	return finish();
}
