// SPDX-License-Identifier: MIT
/* Messages under --check: every word a different one, so that none can stand in for another. */
#include "loops.h"

static uint64_t check_word(uint64_t seq, size_t i)
{
	return (seq + 1) * 0x9e3779b97f4a7c15u ^ i * 0xc2b2ae3d27d4eb4fu;
}

void fill_checked(void *p, size_t size, uint64_t seq)
{
	bench_word *word = p;

	word[0] = seq;
	for (size_t i = 1; i < size / sizeof(*word); i++)
		word[i] = check_word(seq, i);
}

int verify_checked(const void *p, size_t size)
{
	const bench_word *word = p;

	for (size_t i = 1; i < size / sizeof(*word); i++)
		if (word[i] != check_word(word[0], i))
			return -EBADMSG;
	return 0;
}
