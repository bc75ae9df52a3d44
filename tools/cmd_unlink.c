// SPDX-License-Identifier: MIT
/* shmring unlink: remove names; processes that have the ring keep it. */
#include "tool.h"

int cmd_unlink(const struct args *a)
{
	struct args one = *a;
	int ret, status = EXIT_OK;

	for (; *one.names; one.names++) {
		ret = shmring_unlink_opt(*one.names, &a->opt);
		if (ret)
			status = fail_verb(&one, NULL, ret);
	}
	return status;
}
