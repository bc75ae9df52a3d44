// SPDX-License-Identifier: MIT
/* shmring info: one ring, one fact a line. */
#include <inttypes.h>
#include <stdio.h>

#include "tool.h"

static const char *state_name(uint32_t state)
{
	switch (state) {
	case SHMRING_PEER_NONE:
		return "none yet";
	case SHMRING_PEER_LIVE:
		return "attached";
	case SHMRING_PEER_GONE:
		return "gone";
	default:
		return "?";
	}
}

static void print_side(const char *name, uint32_t state, uint32_t pid, uint64_t bytes)
{
	fprintf(out, "%s  %s", name, state_name(state));
	if (pid)
		fprintf(out, " (pid %" PRIu32 ")", pid);
	fprintf(out, ", %" PRIu64 " bytes so far\n", bytes);
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
	if (ret) {
		shmring_close(r);
		return fail_verb(a, NULL, ret);
	}
	fprintf(out, "name      %s\n", a->names[0]);
	fprintf(out, "backend   %s (%s)\n", shmring_backend_name(r), shmring_backend_reason(r));
	fprintf(out, "capacity  %" PRIu64 " bytes\n", info.capacity);
	fprintf(out, "used      %" PRIu64 " bytes\n", info.used);
	if (info.slot_size)
		fprintf(out, "messages  of %" PRIu32 " bytes\n", info.slot_size);
	else
		fprintf(out, "messages  of any length\n");
	print_side("producer", info.producer_state, info.producer_pid, info.head);
	print_side("consumer", info.consumer_state, info.consumer_pid, info.tail);
	fprintf(out, "refused   %" PRIu64 " times\n", info.refused);
	shmring_close(r);
	return EXIT_OK;
}
