// SPDX-License-Identifier: MIT
/*
 * Large messages; and messages under --check: every word a different one, so that none
 * can stand in for another.
 */
#include "loops.h"

/* Compiled for each of these, and chosen when the program starts. */
#if defined(__x86_64__) && defined(__GLIBC__)
#define FOR_THIS_CPU	__attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_THIS_CPU
#endif

typedef uint64_t bench_line __attribute__((vector_size(64), may_alias));

/* Words up to the start of a cache line, lines, words; a large message has all of them. */
FOR_THIS_CPU
static void fill_lines(bench_word *word, bench_word *end, uint64_t seq)
{
	bench_line *line, v = { seq, seq, seq, seq, seq, seq, seq, seq };

	for (; (uintptr_t)word % sizeof(v); word++)
		*word = seq;
	for (line = (bench_line *)word; (bench_word *)(line + 1) <= end; line++)
		*line = v;
	for (word = (bench_word *)line; word < end; word++)
		*word = seq;
}

/* Zero if all of them are @seq. */
FOR_THIS_CPU
static uint64_t compare_lines(const bench_word *word, const bench_word *end, uint64_t seq)
{
	bench_line v = { seq, seq, seq, seq, seq, seq, seq, seq }, differ_line = v ^ v;
	const bench_line *line;
	uint64_t differ = 0;

	for (; (uintptr_t)word % sizeof(v); word++)
		differ |= *word ^ seq;
	for (line = (const bench_line *)word; (const bench_word *)(line + 1) <= end; line++)
		differ_line |= *line ^ v;
	for (word = (const bench_word *)line; word < end; word++)
		differ |= *word ^ seq;
	for (size_t i = 0; i < sizeof(v) / sizeof(seq); i++)
		differ |= differ_line[i];
	return differ;
}

void fill_wide(void *p, size_t size, uint64_t seq)
{
	bench_word *word = p;

	fill_lines(word, word + size / sizeof(*word), seq);
}

/* x86 has an instruction that writes whole lines without fetching them first. */
void fill_string(void *p, size_t size, uint64_t seq)
{
#if defined(__x86_64__)
	size_t words = size / sizeof(seq);

	__asm__ __volatile__("rep stosq" : "+D"(p), "+c"(words) : "a"(seq) : "memory");
#else
	fill_wide(p, size, seq);
#endif
}

int verify_wide(const void *p, size_t size)
{
	const bench_word *word = p;

	return compare_lines(word, word + size / sizeof(*word), *word) ? -EBADMSG : 0;
}

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
