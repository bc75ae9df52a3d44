/* SPDX-License-Identifier: MIT */
/*
 * Calls to the system that fail when told to: the linker has --wrap put them
 * between the library and libc, see Makefile.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* The n-th call from now fails, once (1: the next). 0: none. */
void fault_at(unsigned int n);

/* The same, of calls of this name alone; it ends with @error. "lock": the locks of fcntl(2). */
void fault_in(const char *call, int error, unsigned int n);

/* Has it? */
bool fault_happened(void);

/* Refuse this command of membarrier(2), each time. 0: none. */
void refuse_barrier(int command);

/* /dev/shmring is this file. NULL: what it is. */
void device_is(const char *path);

/* There is no space for a file. */
void refuse_space(bool refuse);

/*
 * Interrupt every other call that takes or looks at a lock or that allocates, and each
 * that allocates more than 64 KiB, as if signals came faster than that.
 */
void interrupt_calls(bool interrupt);

/* Run @fn once, just before the next lock that is to be exclusive. */
void before_next_lock(void (*fn)(void));

/* The same, before the next lock of a file that is to lose its name. */
void before_name_lock(void (*fn)(void));

/* The same, after the next exclusive lock that is refused as another process has it. */
void after_next_refusal(void (*fn)(void));

/* The same, before the next nap between two tries. */
void before_next_nap(void (*fn)(void));

/*
 * The next @n sleeps on a futex time out at once, and the one after them is interrupted;
 * @until: when each would have ended, ns. Later ones are what they always are.
 */
void skip_sleeps(uint64_t *until, unsigned int n);

/* How often a lock was waited for in the kernel, so far. */
unsigned int nr_blocking_locks(void);

#endif /* FAULTS_H */
