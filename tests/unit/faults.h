/* SPDX-License-Identifier: MIT */
/*
 * Calls to the system that fail when told to: the linker has --wrap put them
 * between the library and libc, see Makefile.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>

/* The n-th call from now fails, once (1: the next). 0: none. */
void fault_at(unsigned int n);

/* Has it? */
bool fault_happened(void);

/* Refuse this command of membarrier(2), each time. 0: none. */
void refuse_barrier(int command);

#endif /* FAULTS_H */
