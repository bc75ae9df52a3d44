/* SPDX-License-Identifier: MIT */
/* How an endpoint spins and for how long, adapted to its last waits. */
#ifndef SHMRING_SPIN_H
#define SHMRING_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#define SHMRING_BRIEF_NS	4000	/* no switch to another task and back is faster */

struct shmring_spin {
	bool alone;		/* there is one CPU: do not spin */
	unsigned int looks;	/* before the clock is read */
	unsigned int relaxes;	/* between two looks */
	unsigned int relaxes_of_64;	/* pauses */
	unsigned int pauses;	/* before the first look */
	uint64_t found;		/* bytes that the last first look found */
	unsigned int same;	/* first looks in a row that found as many */
	unsigned int rest;	/* waits until pauses may get longer again */
	uint64_t budget;	/* ns before sleeping; 0: a brief look at most */
	uint64_t cost;		/* ns that sleeping and waking take, as seen so far */
	unsigned int late;	/* finds in a row that came too late */
	unsigned int skip;	/* short sleeps before spinning is tried again ... */
	unsigned int left;	/* ... and how many are still to come */
	unsigned int brief_skip, brief_left;	/* the same, of waits without a brief look */
	unsigned int brief_vain, brief_late;	/* brief looks in a row in vain; long ones */
	unsigned int yield_skip, yield_left;	/* the same, of waits without a yield */
	bool yield_helps;	/* spinning for ever: the look after the last yield found something */
	unsigned int yield_waits;	/* since it helps */
};

/* Ask the CPU to relax, so many times. Inline: between two looks, each ns counts. */
static inline void shmring_relax(unsigned int times)
{
	while (times--) {
#if defined(__x86_64__) || defined(__i386__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		/* Most cores do nothing for yield; refilling their pipeline is a pause. */
		__asm__ __volatile__("isb" ::: "memory");
#elif defined(__riscv)
		/* pause, which assemblers know only with Zihintpause: elsewhere a no-op */
		__asm__ __volatile__(".4byte 0x0100000f" ::: "memory");
#else
		__asm__ __volatile__("" ::: "memory");
#endif
	}
}

uint64_t shmring_now(void);	/* ns, CLOCK_MONOTONIC */
void shmring_spin_init(struct shmring_spin *spin);
void shmring_spin_learn(struct shmring_spin *spin, uint64_t ns, uint64_t worth, bool found);
uint64_t shmring_brief_budget(struct shmring_spin *spin);
void shmring_brief_learn(struct shmring_spin *spin, uint64_t ns, bool found);
bool shmring_yield_rests(struct shmring_spin *spin);
void shmring_yield_learn(struct shmring_spin *spin, uint64_t ns, bool found);
bool shmring_spin_yields(struct shmring_spin *spin);
void shmring_sleep_learn(struct shmring_spin *spin, uint64_t ns);
void shmring_pauses_learn(struct shmring_spin *spin, unsigned int looks, uint64_t bytes,
			  uint64_t capacity);

#endif /* SHMRING_SPIN_H */
