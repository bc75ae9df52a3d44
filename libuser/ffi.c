// SPDX-License-Identifier: MIT
/* The inline functions as exported symbols, for languages that cannot include the header. */
#define __SHMRING_PUBLIC
#pragma GCC diagnostic ignored "-Wmissing-prototypes"	/* the definitions are in the header */
#include "shmring.h"
#include "shmring/hub.h"
