// SPDX-License-Identifier: MIT
#include "fan_in_dump.h"

#include <signal.h>
#include <stdio.h>

#include "hub.h"	/* the library's own: the bits of the lanes */

struct shmring_hub *dumped_hub;
struct shmring *dumped_ring;

static void print_half(const char *which, const struct shmring_half *half)
{
	printf("  %s: state %u, epoch %u, wake_at %llx, end %llu\n", which, half->state,
	       half->epoch, (unsigned long long)half->wake_at, (unsigned long long)half->end);
}

static void print_endpoint(const char *whose, const struct shmring *r)
{
	printf("  %s lane %u: head %llu, tail %llu; error %d\n", whose, r->priv->lane,
	       (unsigned long long)r->producer->head, (unsigned long long)r->consumer->tail,
	       r->error);
	print_half("  producer", &r->lane->producer);
	print_half("  consumer", &r->lane->consumer);
}

static void print_lane(const struct shmring_hub *h, uint32_t i)
{
	const struct shmring *r = h->lanes[i];
	uint64_t bit = shmring_lane_bit(i);

	if (!r->producer->head)
		return;		/* not used yet, or by an idle producer */
	print_endpoint("the hub's", r);
	printf("    hot %d, mine %d, out %d; read to %llu, held %llu\n", !!(h->hot[i / 64] & bit),
	       !!(h->mine[i / 64] & bit), !!(h->out[i / 64] & bit),
	       (unsigned long long)r->c.tail, (unsigned long long)r->c.held);
}

/* Not safe in a signal handler, but the process hangs, and mostly not in printf(). */
static void dump(int sig)
{
	uint32_t i;

	(void)sig;
	if (dumped_ring)
		print_endpoint("the producer's", dumped_ring);
	for (i = 0; dumped_hub && i < dumped_hub->nr; i++)
		print_lane(dumped_hub, i);
	fflush(stdout);
}

void dump_on_request(void)
{
	const struct sigaction action = { .sa_handler = dump, .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &action, NULL);
}
