// SPDX-License-Identifier: MIT
/* What the command says on standard error. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tool.h"

struct message {
	int err;
	const char *name, *text;
};

/* What these mean for a ring, which is not always what strerror() says. */
static const struct message messages[] = {
	{ EACCES,	"EACCES",	"no permission, for the ring or for /dev/shmring" },
	{ EBADMSG,	"EBADMSG",	"the other side has damaged the ring" },
	{ EBUSY,	"EBUSY",	"role is taken" },
	{ EDQUOT,	"EDQUOT",	"over ulimit -l, for which the rings of all processes of the user count" },
	{ EEXIST,	"EEXIST",	"name is taken, here or on the other backend (shmring list)" },
	{ EFBIG,	"EFBIG",	"capacity is above 1 GiB" },
	{ EINVAL,	"EINVAL",	"bad name or option" },
	{ EMFILE,	"EMFILE",	"too many open files" },
	{ EMSGSIZE,	"EMSGSIZE",	"message does not fit" },
	{ ENFILE,	"ENFILE",	"too many open files in the system" },
	{ ENODATA,	"ENODATA",	"end of stream" },
	{ ENODEV,	"ENODEV",	"module is not loaded (modprobe shmring)" },
	{ ENOENT,	"ENOENT",	"no such ring" },
	{ ENOMEM,	"ENOMEM",	"out of memory" },
	{ ENOSPC,	"ENOSPC",	"over the limit of all rings (max_pages)" },
	{ EOPNOTSUPP,	"EOPNOTSUPP",	"not possible here" },
	{ EPERM,	"EPERM",	"not yours" },
	{ EPIPE,	"EPIPE",	"the receiver has gone" },
	{ EPROTO,	"EPROTO",	"not a ring of this version" },
};

/* For the error @err of a call of the library, which is negative. */
const char *error_text(int err)
{
	static char buf[128];

	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
		if (messages[i].err == -err) {
			snprintf(buf, sizeof(buf), "%s (%s)", messages[i].text, messages[i].name);
			return buf;
		}
	}
	return strerror(-err);
}

/* Say that @what (NULL: the ring) has failed. Returns the exit status. */
int report(const struct args *a, const char *what, int err)
{
	/* Errors of files come from the system: its words fit, ours do not. */
	fprintf(stderr, "shmring: %s: %s: %s\n", a->verb, what ? what : a->names[0],
		what ? strerror(-err) : error_text(err));
	return !what && err == -EPIPE ? EXIT_PEER : EXIT_ERROR;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void report_traffic(const struct args *a, const struct shmring *r, const struct traffic *t)
{
	double seconds = (double)(now_ns() - t->start) / 1e9;
	struct shmring_info info = SHMRING_INFO_INIT;

	if (!a->verbose || shmring_get_info(r, &info))
		return;
	fprintf(stderr, "shmring: %s: %s: %" PRIu64 " bytes in %" PRIu64 " messages, %.3f s, "
		"%.1f MB/s, slept %" PRIu64 " times, woke the other side %" PRIu64 " times "
		"(%s: %s)\n",
		a->verb, a->names[0], t->bytes, t->messages, seconds,
		(double)t->bytes / 1e6 / (seconds > 0 ? seconds : 1e-9),
		info.sleeps, info.wakes, shmring_backend_name(r), shmring_backend_reason(r));
}
