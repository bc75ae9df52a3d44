/* SPDX-License-Identifier: MIT */
#ifndef SINGLE_STEP_H
#define SINGLE_STEP_H

/*
 * Why a traced child cannot execute the library's calls one instruction at a time on this
 * machine; NULL: it can.
 */
const char *no_single_steps(void);

#endif /* SINGLE_STEP_H */
