// SPDX-License-Identifier: MIT
#include "proc.h"

bool find_row(const char *name, struct row *r)
{
	FILE *f = fopen("/proc/shmring", "re");
	char line[512];
	bool found = false;

	CHECK(f);
	CHECK(fgets(line, sizeof(line), f));
	CHECK(!strncmp(line, "name ", 5));
	while (!found && fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%63s %u %o %llu %llu %u %u %llu %llu %llu %llu %d %d %15s %u %x %u",
				r->name, &r->owner, &r->mode, &r->capacity, &r->used,
				&r->producers, &r->consumers, &r->sleeps, &r->wakes, &r->refused,
				&r->id, &r->producer, &r->consumer, r->ipc_ns, &r->group,
				&r->flags, &r->lanes), 17);
		found = !strcmp(r->name, name);
	}
	fclose(f);
	return found;
}

int look_as_user(void *arg)
{
	const struct seen *s = arg;
	struct row r;

	become(USER, USER, NULL, 0);
	EXPECT_EQ(find_row(s->name, &r), s->expected);
	return TEST_PASS;
}
