/* SPDX-License-Identifier: MIT */
/* What is left of rings when all their processes have gone: it must be nothing. */
#ifndef LEFT_H
#define LEFT_H

/*
 * No child, no name that unique(@stem) has made up for this process, no ring, no use of the module,
 * and as many descriptors as @fds.
 */
void expect_nothing_left(const char *stem, int fds);

#endif /* LEFT_H */
