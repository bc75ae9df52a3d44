// SPDX-License-Identifier: MIT
/* shmring chmod: the permission bits of existing rings. */
#include "tool.h"

static int set_mode(struct shmring *r, const void *mode)
{
	return shmring_chmod(r, *(const unsigned int *)mode);
}

int cmd_chmod(const struct args *a)
{
	unsigned int mode;

	return parse_octal(a->names[0], &mode) ? bad_operand(a) : change_each(a, set_mode, &mode);
}
