// SPDX-License-Identifier: MIT
/* What the command says on standard error. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tool.h"

/* Say that @what (NULL: the ring, if there is a name) has failed. Returns the exit status. */
int fail_verb(const struct args *a, const char *what, int err)
{
	const char *name = what ? what : a->names[0];

	/* Errors of files come from the system: its words fit, shmring's do not. */
	fprintf(stderr, "shmring: %s: %s%s%s\n", a->verb, name ? name : "", name ? ": " : "",
		what ? strerror(-err) : shmring_strerror(err));
	return !what && err == -EPIPE ? EXIT_PEER : EXIT_ERROR;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void print_moved(const struct args *a, const struct traffic *t)
{
	double seconds = (double)(now_ns() - t->start) / 1e9;

	fprintf(stderr, "shmring: %s: %s: %" PRIu64 " bytes in %" PRIu64 " messages, %.3f s, "
		"%.1f MB/s", a->verb, a->names[0], t->bytes, t->messages, seconds,
		(double)t->bytes / 1e6 / (seconds > 0 ? seconds : 1e-9));
}

void print_traffic(const struct args *a, const struct shmring *r, const struct traffic *t)
{
	struct shmring_info info = SHMRING_INFO_INIT;

	if (!a->verbose || shmring_get_info(r, &info))
		return;
	print_moved(a, t);
	fprintf(stderr, ", slept %" PRIu64 " times, woke the other side %" PRIu64 " times "
		"(%s: %s)\n",
		info.sleeps, info.wakes, shmring_backend_name(r), shmring_backend_reason(r));
}

/* The sleeps of a hub are not counted. */
void print_hub_traffic(const struct args *a, const struct shmring_hub *h, const struct traffic *t)
{
	const struct shmring *lane = shmring_hub_endpoint(h, 0);

	if (!a->verbose)
		return;
	print_moved(a, t);
	fprintf(stderr, ", from %u lanes (%s: %s)\n", shmring_hub_lanes(h),
		shmring_backend_name(lane), shmring_backend_reason(lane));
}
