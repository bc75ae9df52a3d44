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

int cmd_info(const struct args *a)
{
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *r;
	int ret;

	ret = shmring_attach_opt(&r, a->names[0], &a->opt);
	if (ret)
		return report(a, NULL, ret);
	ret = shmring_get_info(r, &info);
	if (ret) {
		shmring_close(r);
		return report(a, NULL, ret);
	}
	fprintf(out, "name      %s\n", a->names[0]);
	fprintf(out, "backend   %s (%s)\n", shmring_backend_name(r), shmring_backend_reason(r));
	fprintf(out, "capacity  %" PRIu64 " bytes\n", info.capacity);
	fprintf(out, "used      %" PRIu64 " bytes\n", info.used);
	if (info.slot_size)
		fprintf(out, "messages  of %" PRIu32 " bytes\n", info.slot_size);
	else
		fprintf(out, "messages  of any length\n");
	fprintf(out, "producer  %s\n", state_name(info.producer_state));
	fprintf(out, "consumer  %s\n", state_name(info.consumer_state));
	fprintf(out, "refused   %" PRIu64 " times\n", info.refused);
	shmring_close(r);
	return EXIT_OK;
}
