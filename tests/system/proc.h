/* SPDX-License-Identifier: MIT */
/* /proc/shmring, read line by line. */
#ifndef PROC_H
#define PROC_H

#include "abi.h"

#define USER	1000		/* a user without rights */

struct row {
	char name[64];
	unsigned int owner, mode;
	unsigned long long capacity, used;
	unsigned int producers, consumers;
	unsigned long long sleeps, wakes, refused, id;
	int producer, consumer;		/* pids */
	char ipc_ns[16];
	unsigned int group, flags, lanes;
};

/* Find the first line with this name. */
bool find_row(const char *name, struct row *r);

/* In a child: does a user see the line as expected? */
struct seen {
	const char *name;
	bool expected;
};

int look_as_user(void *arg);

#endif /* PROC_H */
