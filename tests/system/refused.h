/* SPDX-License-Identifier: MIT */
#ifndef REFUSED_H
#define REFUSED_H

#include "abi.h"

/*
 * Expect an ioctl to fail with @want (a negative errno) and to change nothing: neither @ring,
 * nor the list of all rings, nor this process's descriptors.
 */
void refused(int ring, int fd, unsigned long cmd, const void *arg, int want);

/* An address without a page, and one whose structure runs into such an address. */
const void *bad_pointer(void);
void *before_hole(size_t bytes);

#endif /* REFUSED_H */
