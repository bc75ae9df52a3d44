// SPDX-License-Identifier: MIT
/* The fast path with slots that have marks: run.py defines MARKS for this file and hostile.c. */
#include "fast.c"
