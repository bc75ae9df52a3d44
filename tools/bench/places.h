/* SPDX-License-Identifier: MIT */
/*
 * Contenders that hand out places: a place to write the next message in, and the place
 * where the next one lies. From these calls come the loops that copy messages in and out, and
 * those that write and read them there.
 */
#ifndef SHMRING_BENCH_PLACES_H
#define SHMRING_BENCH_PLACES_H

#include "loops.h"

/* Both wait as long as it takes; 0 or a negative errno. */
typedef int wait_space_fn(struct bench *b, void **p);
typedef int wait_data_fn(struct bench *b, const void **p);
/* The message in the place that was handed out last has been written, or read. */
typedef int done_fn(struct bench *b);

BENCH_INLINE int put_at_place(struct bench *b, uint64_t seq, enum api api, wait_space_fn *wait,
			      done_fn *commit)
{
	void *p;
	int ret;

	if (api == API_COPY)
		fill_message(b, b->buf, seq);
	ret = wait(b, &p);
	if (ret)
		return ret;
	if (api == API_COPY)
		memcpy(p, b->buf, b->size);
	else
		fill_in_place(b, p, seq);
	return commit(b);
}

BENCH_INLINE int get_from_place(struct bench *b, uint64_t *seq, enum api api, wait_data_fn *wait,
				done_fn *release)
{
	const void *p;
	int ret = wait(b, &p), wrong;

	if (ret)
		return ret;
	if (api == API_COPY)
		memcpy(b->buf, p, b->size);
	else
		ret = check_message(b, p, seq);
	wrong = release(b);
	if (api == API_COPY)
		ret = check_message(b, b->buf, seq);
	return ret ? ret : wrong;
}

/*
 * run_NAME() for one @API. While it runs, a side's ends, of type @END, are on its stack, where
 * nobody else can change them: so the compiler may keep them in registers, as in a program whose
 * loop and ring are in one function.
 */
#define PLACES_RUN(NAME, API, END, WAIT_SPACE, COMMIT, WAIT_DATA, RELEASE) \
	BENCH_INLINE int put_##NAME(struct bench *b, uint64_t seq) \
	{ \
		return put_at_place(b, seq, API, WAIT_SPACE, COMMIT); \
	} \
	BENCH_INLINE int get_##NAME(struct bench *b, uint64_t *seq) \
	{ \
		return get_from_place(b, seq, API, WAIT_DATA, RELEASE); \
	} \
	static int run_##NAME(struct bench *b, struct result *res) \
	{ \
		END tx = *(END *)b->tx, rx = *(END *)b->rx; \
		struct bench mine = *b; \
		int ret; \
		\
		mine.tx = &tx; \
		mine.rx = &rx; \
		ret = run_loops(&mine, res, put_##NAME, get_##NAME, no_flush); \
		mine.tx = b->tx; \
		mine.rx = b->rx; \
		*b = mine; \
		return ret; \
	}

#define PLACES(END, WAIT_SPACE, COMMIT, WAIT_DATA, RELEASE) \
	PLACES_RUN(copy, API_COPY, END, WAIT_SPACE, COMMIT, WAIT_DATA, RELEASE) \
	PLACES_RUN(inplace, API_INPLACE, END, WAIT_SPACE, COMMIT, WAIT_DATA, RELEASE)

BENCH_INLINE void pause_times(unsigned int n)
{
	while (n--) {
#if defined(__x86_64__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ __volatile__("isb" ::: "memory");
#else
		__asm__ __volatile__("" ::: "memory");
#endif
	}
}

#endif /* SHMRING_BENCH_PLACES_H */
