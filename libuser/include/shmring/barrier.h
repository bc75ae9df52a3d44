/* SPDX-License-Identifier: MIT */
/* How the two sides of a ring order their loads and stores. Included by shmring.h. */
#ifndef SHMRING_BARRIER_H
#define SHMRING_BARRIER_H

#include <stdint.h>

#include <linux/shmring.h>

/*
 * The letters are those of the ordering contract in <linux/shmring.h>, which says what each
 * pairs with and what goes wrong without it. A side publishes its position (A, E), then looks
 * whether the other side sleeps for that position (H, I, C or G). Above fence_until there is no
 * fence, on purpose: the sleeper makes this CPU execute one (J) before it trusts its second look.
 */

#define __shmring_likely(x)	__builtin_expect(!!(x), 1)
#define __shmring_unlikely(x)	__builtin_expect(!!(x), 0)

/*
 * Force inlining: real calls cost up to a third of the throughput of small messages
 * (docs/performance.md). Where a caller's target attribute forbids that, define this macro as
 * static inline before including the header.
 */
#ifndef __SHMRING_INLINE
#define __SHMRING_INLINE	static inline __attribute__((__always_inline__))
#endif

/* Marks a function that programs call. ffi.c redefines it, so that the library exports each. */
#ifndef __SHMRING_PUBLIC
#define __SHMRING_PUBLIC	__SHMRING_INLINE
#endif

/* A shared word. A 32-bit program's own uint64_t may lie where no load is atomic. */
typedef __aligned_u64 __shmring_word;

/*
 * A full fence. On x86 a locked addition is faster than MFENCE. ThreadSanitizer does not support
 * fences, and gcc warns of that; every access that this fence orders is atomic.
 */
__SHMRING_INLINE void __shmring_fence(void)
{
#if defined(__x86_64__)
	__asm__ __volatile__("lock; addl $0,-4(%%rsp)" ::: "memory", "cc");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/*
 * After a position was stored (A, E), from @old up to @now: must the other side's sleeper
 * be woken? @fence_until and @wake_at are that side's words.
 */
__SHMRING_INLINE int __shmring_due(uint64_t old, uint64_t now,
				   const __shmring_word *fence_until,
				   const __shmring_word *wake_at)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);	/* H after A and E, for the compiler, too */
	if (__shmring_unlikely(old < __atomic_load_n(fence_until, __ATOMIC_RELAXED))) /* H */
		__shmring_fence();						/* I, matches D */
	/* C and G, match D. Relaxed: the fence, or J, has ordered it. */
	return now >= __atomic_load_n(wake_at, __ATOMIC_RELAXED);
}

#endif /* SHMRING_BARRIER_H */
