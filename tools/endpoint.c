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
static int make_or_attach(const char *name, const struct shmring_options *opt,
			  struct shmring **r, bool *made)
{
	int ret = -EEXIST;

	for (int i = 0; i < MAX_RACES && ret == -EEXIST; i++) {
		*made = false;
		ret = shmring_attach_opt(r, name, opt);
		if (ret != -ENOENT)
			return ret;
		*made = true;
		ret = shmring_create(r, name, opt);
		if (ret == -EEXIST)
			nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	return ret;
}

static int wait_and_attach(const char *name, const struct shmring_options *opt,
			   struct shmring **r)
{
	int ret;

	do {
		ret = shmring_attach_wait_opt(r, name, opt, NULL);
	} while (ret == -EINTR);
	return ret;
}

/* @made: this process has made the ring. */
int open_endpoint(const struct args *a, enum shmring_role role, struct shmring **r, bool *made)
{
	struct shmring_options opt = a->opt;

	opt.role = role;
	*made = false;
	if (a->create)
		return make_or_attach(a->names[0], &opt, r, made);
	if (a->wait)
		return wait_and_attach(a->names[0], &opt, r);
	return shmring_attach_opt(r, a->names[0], &opt);
}
