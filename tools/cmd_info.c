// SPDX-License-Identifier: MIT
/* shmring info: one ring, one fact a line. */
#include <inttypes.h>
#include <stdio.h>

#include "tool.h"

static const char *state_name(uint32_t state, const char *none)
{
	switch (state) {
	case SHMRING_PEER_NONE:
		return none;
	case SHMRING_PEER_LIVE:
		return "attached";
	case SHMRING_PEER_GONE:
		return "gone";
	default:
		return "?";
	}
}

static const char *topology_name(uint32_t topology)
{
	return topology == SHMRING_TOPOLOGY_FAN_IN ? "fan-in" :
	       topology == SHMRING_TOPOLOGY_WORK ? "work" : "?";
}

static void print_flags(uint64_t flags)
{
	if (flags & SHMRING_PERSIST)
		fprintf(out, "stays     until it is unlinked\n");
	if (flags & SHMRING_QUEUE)
		fprintf(out, "queues    while it has no consumer\n");
	if (flags & SHMRING_MARKS)
		fprintf(out, "marks     in each slot\n");
}

static void print_state(const char *name, const char *state, uint32_t pid)
{
	fprintf(out, "%s  %s", name, state);
	if (pid)
		fprintf(out, " (pid %" PRIu32 ")", pid);
}

static void print_side(const char *name, const char *state, uint32_t pid, uint64_t bytes)
{
	print_state(name, state, pid);
	fprintf(out, ", %" PRIu64 " bytes so far\n", bytes);
}

/* What all lanes have in common, or a ring without lanes has. */
static void print_ring(const struct args *a, const struct shmring *r,
		       const struct shmring_info *info, uint64_t used)
{
	bool lanes = info->topology != SHMRING_TOPOLOGY_RING;

	fprintf(out, "name      %s\n", a->names[0]);
	fprintf(out, "backend   %s (%s)\n", shmring_backend_name(r), shmring_backend_reason(r));
	if (lanes)
		fprintf(out, "topology  %s, %" PRIu32 " lanes\n", topology_name(info->topology),
			info->nr_lanes);
	fprintf(out, "capacity  %" PRIu64 " bytes%s\n", info->capacity, lanes ? ", each lane" : "");
	fprintf(out, "used      %" PRIu64 " bytes\n", used);
	if (info->slot_size)
		fprintf(out, "messages  of %" PRIu32 " bytes, up to %" PRIu64 "\n", info->slot_size,
			info->slots);
	else
		fprintf(out, "messages  of any length\n");
	fprintf(out, "align     %" PRIu32 " bytes\n", info->align);
	print_flags(info->flags);
}

static void print_both_sides(const struct shmring_info *info)
{
	/* With QUEUE there may have been one. */
	const char *none = info->flags & SHMRING_QUEUE ? "none" : "none yet";

	print_side("producer", state_name(info->producer_state, "none yet"), info->producer_pid,
		   info->head);
	print_side("consumer", state_name(info->consumer_state, none), info->consumer_pid,
		   info->tail);
	fprintf(out, "refused   %" PRIu64 " times\n", info->refused);
}

/* ------------------------------------------------------------ a ring with lanes */

struct lanes {
	struct shmring_info info[SHMRING_LANES_MAX];
	uint32_t nr, attached;
	uint64_t used, refused, taken;
};

static int look_at_lanes(const struct shmring *r, uint32_t nr, struct lanes *l)
{
	struct shmring_info *info;
	int ret = 0;

	*l = (struct lanes){ 0 };
	while (!ret && l->nr < nr) {
		info = &l->info[l->nr];
		info->size = sizeof(*info);
		ret = shmring_lane_info(r, l->nr++, info);
		l->attached += info->producer_state == SHMRING_PEER_LIVE;
		l->used += info->used;
		l->taken += info->tail;
		l->refused += info->refused;
	}
	return ret;
}

/* A lane is in use while it has a producer, or holds what one has left. */
static void print_lanes(const struct lanes *l)
{
	const struct shmring_info *info;
	char title[16];
	uint32_t i;

	for (i = 0; i < l->nr; i++) {
		info = &l->info[i];
		if (info->producer_state != SHMRING_PEER_LIVE && !info->used)
			continue;
		snprintf(title, sizeof(title), "lane %-3" PRIu32, i);
		print_state(title, state_name(info->producer_state, "none"), info->producer_pid);
		fprintf(out, ", %" PRIu64 " bytes used, %" PRIu64 " so far\n", info->used,
			info->head);
	}
}

static int print_ring_with_lanes(const struct args *a, const struct shmring *r,
				 const struct shmring_info *first)
{
	static struct lanes l;
	int ret = look_at_lanes(r, first->nr_lanes, &l);

	if (ret)
		return ret;
	print_ring(a, r, first, l.used);
	fprintf(out, "producers %" PRIu32 " attached\n", l.attached);
	print_side("consumer", state_name(first->consumer_state, "none yet"),
		   first->consumer_pid, l.taken);
	fprintf(out, "refused   %" PRIu64 " times\n", l.refused);
	print_lanes(&l);
	return 0;
}

int cmd_info(const struct args *a)
{
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *r;
	int ret;

	ret = shmring_attach_opt(&r, a->names[0], &a->opt);
	if (ret)
		return fail_verb(a, NULL, ret);
	ret = shmring_get_info(r, &info);
	if (!ret && info.topology != SHMRING_TOPOLOGY_RING) {
		ret = print_ring_with_lanes(a, r, &info);
	} else if (!ret) {
		print_ring(a, r, &info, info.used);
		print_both_sides(&info);
	}
	shmring_close(r);
	return ret ? fail_verb(a, NULL, ret) : EXIT_OK;
}
