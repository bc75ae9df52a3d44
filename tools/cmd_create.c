// SPDX-License-Identifier: MIT
/* shmring create: a ring that outlives this command. */
#include "tool.h"

int cmd_create(const struct args *a)
{
	struct shmring_options opt = a->opt;
	struct shmring *r;
	int ret;

	opt.flags |= SHMRING_PERSIST;
	ret = shmring_create(&r, a->names[0], &opt);
	if (ret)
		return fail_verb(a, NULL, ret);
	shmring_close(r);
	return EXIT_OK;
}
