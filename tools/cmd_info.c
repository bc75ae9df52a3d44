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

static void print_flags(uint64_t flags)
{
	if (flags & SHMRING_PERSIST)
		fprintf(out, "stays     until it is unlinked\n");
	if (flags & SHMRING_QUEUE)
		fprintf(out, "queues    while it has no consumer\n");
	if (flags & SHMRING_MARKS)
		fprintf(out, "marks     in each slot\n");
}

static void print_side(const char *name, const char *state, uint32_t pid, uint64_t bytes)
{
	fprintf(out, "%s  %s", name, state);
	if (pid)
		fprintf(out, " (pid %" PRIu32 ")", pid);
	fprintf(out, ", %" PRIu64 " bytes so far\n", bytes);
}

int cmd_info(const struct args *a)
{
	struct shmring_info info = SHMRING_INFO_INIT;
	const char *none;
	struct shmring *r;
	int ret;

	ret = shmring_attach_opt(&r, a->names[0], &a->opt);
	if (ret)
		return fail_verb(a, NULL, ret);
	ret = shmring_get_info(r, &info);
	if (ret) {
		shmring_close(r);
		return fail_verb(a, NULL, ret);
	}
	/* With QUEUE there may have been one. */
	none = info.flags & SHMRING_QUEUE ? "none" : "none yet";
	fprintf(out, "name      %s\n", a->names[0]);
	fprintf(out, "backend   %s (%s)\n", shmring_backend_name(r), shmring_backend_reason(r));
	fprintf(out, "capacity  %" PRIu64 " bytes\n", info.capacity);
	fprintf(out, "used      %" PRIu64 " bytes\n", info.used);
	if (info.slot_size)
		fprintf(out, "messages  of %" PRIu32 " bytes, up to %" PRIu64 "\n", info.slot_size,
			info.slots);
	else
		fprintf(out, "messages  of any length\n");
	fprintf(out, "align     %" PRIu32 " bytes\n", info.align);
	print_flags(info.flags);
	print_side("producer", state_name(info.producer_state, "none yet"), info.producer_pid,
		   info.head);
	print_side("consumer", state_name(info.consumer_state, none), info.consumer_pid, info.tail);
	fprintf(out, "refused   %" PRIu64 " times\n", info.refused);
	shmring_close(r);
	return EXIT_OK;
}
