// SPDX-License-Identifier: MIT
/* Taking a role of a named ring that may have to be made or waited for. */
#include <time.h>

#include "tool.h"

/* There is no event to wait for: a ring appears, a peer attaches. */
void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

#define MAX_RACES	100	/* lost in a row; 10 ms each */

/*
 * Two that make the same ring at once: one gets EEXIST and attaches. The ring may go away
 * in between, so this starts again from the top; but not for ever, as the name may be
 * that of a ring of the other backend.
 */
static int make_or_attach(const struct args *a, enum shmring_role role, struct shmring **r,
			  bool *made)
{
	struct shmring_options opt = a->opt;
	int ret, races = 0;

	opt.role = role;
	for (;;) {
		*made = false;
		ret = shmring_attach(r, a->names[0], role);
		if (ret != -ENOENT)
			return ret;
		if (a->create) {
			*made = true;
			ret = shmring_create(r, a->names[0], &opt);
			if (ret != -EEXIST || ++races == MAX_RACES)
				return ret;
		} else if (!a->wait) {
			return ret;
		}
		nap();
	}
}

/* @made: this process has made the ring. */
int open_endpoint(const struct args *a, enum shmring_role role, struct shmring **r, bool *made)
{
	int ret = make_or_attach(a, role, r, made);

	if (!ret && !*made && a->opt.policy)
		ret = shmring_set_policy(*r, a->opt.policy);
	return ret;
}
