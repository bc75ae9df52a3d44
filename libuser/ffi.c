// SPDX-License-Identifier: MIT
/* The inline functions once more, as real ones: for other languages, and for pointers to them. */
#define __SHMRING_PUBLIC
#pragma GCC diagnostic ignored "-Wmissing-prototypes"	/* the definitions are in the header */
#include "shmring.h"
