// SPDX-License-Identifier: MIT
/* Taking a role of a named ring that may have to be made or waited for. */
#include <time.h>

#include "tool.h"

#define MAX_RACES	100	/* lost in a row; 10 ms each */

/*
 * Of two processes that make the same ring at once, one gets EEXIST and attaches. The ring
 * may go away in between, so start again from the top; but not for ever, as the name may
 * belong to a ring of the other backend.
 */
static int make_or_attach(const struct args *a, enum shmring_role role, struct shmring **r,
			  bool *made)
{
	struct shmring_options opt = a->opt;
	int ret = -EEXIST;

	opt.role = role;
	for (int i = 0; i < MAX_RACES && ret == -EEXIST; i++) {
		*made = false;
		ret = shmring_attach(r, a->names[0], role);
		if (ret != -ENOENT)
			return ret;
		*made = true;
		ret = shmring_create(r, a->names[0], &opt);
		if (ret == -EEXIST)
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return ret;
}

static int wait_and_attach(const struct args *a, enum shmring_role role, struct shmring **r)
{
	int ret;

	do {
		ret = shmring_attach_wait(r, a->names[0], role, NULL);
	} while (ret == -EINTR);
	return ret;
}

/* @made: this process has made the ring. */
int open_endpoint(const struct args *a, enum shmring_role role, struct shmring **r, bool *made)
{
	int ret;

	*made = false;
	if (a->create)
		ret = make_or_attach(a, role, r, made);
	else if (a->wait)
		ret = wait_and_attach(a, role, r);
	else
		ret = shmring_attach(r, a->names[0], role);
	if (!ret && !*made && a->opt.policy)
		ret = shmring_set_policy(*r, a->opt.policy);
	return ret;
}
