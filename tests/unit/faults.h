/* SPDX-License-Identifier: MIT */
/*
 * System calls that fail on request: the linker's --wrap puts these functions between the
 * library and libc, see Makefile.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* The n-th call from now fails, once (1: the next). 0: none. */
void fault_at(unsigned int n);

/*
 * The same, for calls of this name alone, which then fail with @error. "lock": the locks of
 * fcntl(2).
 */
void fault_in(const char *call, int error, unsigned int n);

/* Has the failure happened? */
bool fault_happened(void);

/* Refuse this command of membarrier(2), each time. 0: none. */
void refuse_barrier(int command);

/* Opening /dev/shmring opens this file instead. NULL: the device itself. */
void device_is(const char *path);

/* Refuse to allocate space for a file. */
void refuse_space(bool refuse);

/*
 * Interrupt every other call that takes or looks at a lock or that allocates, and each that
 * allocates more than 64 KiB: signals that come faster than such calls end.
 */
void interrupt_calls(bool interrupt);

/* Run @fn once, just before the next exclusive lock. */
void before_next_lock(void (*fn)(void));

/* The same, before the next lock of a file whose name is to be removed. */
void before_name_lock(void (*fn)(void));

/* The same, after the next exclusive lock that fails because another process has it. */
void after_next_refusal(void (*fn)(void));

/* The same, before the next nap between two tries. */
void before_next_nap(void (*fn)(void));

/*
 * The next @n sleeps on a futex time out at once, and the one after them is interrupted;
 * @until: the deadlines of all of them, ns. Later sleeps are real ones.
 */
void skip_sleeps(uint64_t *until, unsigned int n);

/* How many lock calls so far have waited in the kernel. */
unsigned int nr_blocking_locks(void);

#endif /* FAULTS_H */
