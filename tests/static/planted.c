// SPDX-License-Identifier: MIT
/* A fault for each checker of check.py to find. This file is part of no program. */
#include <stdlib.h>

struct planted_hole {			/* pahole */
	char first;
	long second;
};

struct side {
	unsigned long *position;
	unsigned int index;
};

unsigned long copy_from_user(void *to, const void *from, unsigned long size);
int printk(const char *format, ...);
void INIT_WORK(void (*fn)(void));
#define __user
#define READ_ONCE(x)	(*(volatile __typeof__(x) *)&(x))

/* double_fetch.cocci: of user space, and of a shared page */
long planted_double_fetch(struct planted_hole *to, const void *from, struct side *side)
{
	if (copy_from_user(to, from, 1) || to->first < 0)
		return -1;
	if (READ_ONCE(*side->position) > 8)
		return -1;
	return (long)copy_from_user(to, from, sizeof(*to)) + (long)READ_ONCE(*side->position);
}

long planted_plain_load(struct side *side)
{
	return (long)*side->position;
}

/* nospec.cocci: at once, and by way of a variable */
int planted_index(const int *table, struct side *side)
{
	return table[side->index];
}

int planted_checked_index(const int *table, const struct side *side)
{
	unsigned int i;

	i = side->index;
	return i < 4 ? table[i] : 0;
}

/* pointers.cocci */
void planted_address(struct side *side)
{
	printk("side %px\n", (void *)side);
}

/* gcc -fanalyzer */
void planted_double_free(void)
{
	char *p = malloc(8);

	free(p);
	free(p);
}

/* clang-tidy */
int planted_comparison(const struct side *side)
{
	return side->index == side->index;
}

/* surface: a callback, and a pointer of user space that is kept */
struct planted_kept {
	void *__user uarg;
};

void planted_callback(void)
{
	INIT_WORK(planted_callback);
}
