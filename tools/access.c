// SPDX-License-Identifier: MIT
/* The common part of chmod and chown: a first operand that says what to change, then rings. */
#include "tool.h"

/* Call @change for each ring; their names follow the first operand. */
int change_each(const struct args *a, int (*change)(struct shmring *r, const void *to),
		const void *to)
{
	struct args one = *a;
	int ret, status = EXIT_OK;
	struct shmring *r;

	while (*++one.names) {
		ret = shmring_attach_opt(&r, *one.names, &a->opt);
		if (!ret) {
			ret = change(r, to);
			shmring_close(r);
		}
		if (ret)
			status = fail_verb(&one, NULL, ret);
	}
	return status;
}

int bad_operand(const struct args *a)
{
	fprintf(stderr, "shmring: %s: bad value '%s'\nTry 'shmring %s --help'.\n", a->verb,
		a->names[0], a->verb);
	return EXIT_USAGE;
}
