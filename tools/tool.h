/* SPDX-License-Identifier: MIT */
/*
 * The shmring command: what its verbs share.
 *
 * A verb (cmd_*.c) parses nothing and knows nothing of the other verbs: it gets
 * its arguments as a struct args and returns an exit status.
 */
#ifndef SHMRING_TOOL_H
#define SHMRING_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <shmring.h>
#include <shmring/hub.h>

/* Exit statuses, part of the interface: see shmring --help. */
enum {
	EXIT_OK = 0,
	EXIT_ERROR = 1,		/* something failed, and standard error says what */
	EXIT_USAGE = 2,		/* the command line is wrong */
	EXIT_PEER = 3,		/* the other side has gone before the end */
};

struct args {
	const char *verb;
	char **names;			/* ends with NULL */
	struct shmring_options opt;
	uint32_t topology;		/* SHMRING_TOPOLOGY_*: make a ring with lanes ... */
	size_t lanes;			/* ... and so many */
	bool lines;			/* a message ends with a line */
	bool create;			/* make the ring if it is not there */
	bool wait;			/* until another process has made the ring */
	bool verbose;			/* say at the end what was moved */
};

struct verb {
	const char *name;
	const char *operands;		/* as the usage line shows them */
	int min_names, max_names;
	const char *options;		/* the letters of those it takes */
	const char *summary;		/* one line */
	const char *help;		/* the rest, may be empty */
	int (*run)(const struct args *a);
};

/* args.c */
int parse_args(const struct verb *v, int argc, char **argv, struct args *a);
void print_usage(const struct verb *v);
int parse_octal(const char *s, unsigned int *value);	/* up to 0666, as for a mode */

/* io.c */
extern FILE *out;		/* what a verb prints */
int open_out(void);
int close_out(void);
ssize_t read_some(char *buf, size_t size);
int write_all(const char *buf, size_t len);

/* stderr.c */
int fail_verb(const struct args *a, const char *what, int err);
struct traffic {
	uint64_t bytes, messages, start;
};
uint64_t now_ns(void);
void print_traffic(const struct args *a, const struct shmring *r, const struct traffic *t);
void print_hub_traffic(const struct args *a, const struct shmring_hub *h, const struct traffic *t);

/* endpoint.c */
int open_endpoint(const struct args *a, enum shmring_role role, struct shmring **r, bool *made);

/* access.c */
int change_each(const struct args *a, int (*change)(struct shmring *r, const void *to),
		const void *to);
int bad_operand(const struct args *a);

/* deal.c */
int deal_as_hub(const struct args *a);	/* send to a work queue */

/* cmd_*.c */
int cmd_send(const struct args *a);
int cmd_recv(const struct args *a);
int cmd_list(const struct args *a);
int cmd_info(const struct args *a);
int cmd_create(const struct args *a);
int cmd_chmod(const struct args *a);
int cmd_chown(const struct args *a);
int cmd_unlink(const struct args *a);

#endif /* SHMRING_TOOL_H */
