// SPDX-License-Identifier: MIT
/* Contenders: message queues, POSIX and System V. */
#include <mqueue.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loops.h"

struct queues {
	mqd_t mq[2];
	int id[2];
	bool posix;
};

static void close_queues(void *channels)
{
	struct queues *q = channels;

	for (int i = 0; i < 2; i++) {
		if (q->mq[i] >= 0)
			mq_close(q->mq[i]);
		if (q->id[i] >= 0)
			msgctl(q->id[i], IPC_RMID, NULL);
	}
	free(q);
}

/* As many messages as fit in the capacity, or as many as the kernel allows. */
static int open_posix(struct queues *q, int i, const struct bench *b)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct mq_attr attr = { .mq_msgsize = (long)b->size };
	char name[32];

	setrlimit(RLIMIT_MSGQUEUE, &unlimited);	/* root may */
	snprintf(name, sizeof(name), "/bench-%d-%d", (int)getpid(), i);
	for (size_t nr = b->capacity / b->size; nr && q->mq[i] < 0; nr = nr * 3 / 4) {
		attr.mq_maxmsg = (long)nr;
		q->mq[i] = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
		if (q->mq[i] < 0 && errno == ENOSYS)
			return -EOPNOTSUPP;
	}
	if (q->mq[i] < 0)
		return -EMSGSIZE;
	mq_unlink(name);
	return 0;
}

static int open_sysv(struct queues *q, int i, const struct bench *b)
{
	struct msqid_ds ds;

	q->id[i] = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	if (q->id[i] < 0)
		return errno == ENOSYS ? -EOPNOTSUPP : -errno;
	if (msgctl(q->id[i], IPC_STAT, &ds))
		return -errno;
	ds.msg_qbytes = b->capacity;	/* above /proc/sys/kernel/msgmnb for root alone */
	msgctl(q->id[i], IPC_SET, &ds);
	return 0;
}

static int open_queues(const struct contender *c, const struct bench *b, void **channels)
{
	struct queues *q = malloc(sizeof(*q));
	int ret = 0;

	if (!q)
		return -ENOMEM;
	*q = (struct queues){ { -1, -1 }, { -1, -1 }, c->option };
	for (int i = 0; i < 2 && !ret; i++)
		ret = q->posix ? open_posix(q, i, b) : open_sysv(q, i, b);
	if (ret)
		close_queues(q);
	else
		*channels = q;
	return ret;
}

struct message {
	long type;
	unsigned char data[];
};

static int attach_queues(const struct contender *c, void *channels, struct bench *b)
{
	struct queues *q = channels;
	struct message *m = calloc(1, sizeof(*m) + b->size);

	(void)c;
	if (!m)
		return -ENOMEM;
	if (!q->posix)
		b->buf = (unsigned char *)m;
	b->tx = q->posix ? &q->mq[b->side] : &q->id[b->side];
	b->rx = q->posix ? &q->mq[!b->side] : &q->id[!b->side];
	return 0;
}

BENCH_INLINE int put_posix(struct bench *b, uint64_t seq)
{
	const mqd_t *q = b->tx;

	fill_message(b, b->buf, seq);
	do {
		b->syscalls++;
		if (!mq_send(*q, (char *)b->buf, b->size, 0))
			return 0;
	} while (errno == EINTR);
	return -errno;
}

BENCH_INLINE int get_posix(struct bench *b, uint64_t *seq)
{
	const mqd_t *q = b->rx;
	ssize_t n;

	do {
		b->syscalls++;
		n = mq_receive(*q, (char *)b->buf, b->size, NULL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == b->size ? check_message(b, b->buf, seq) : -EBADMSG;
}

BENCH_INLINE int put_sysv(struct bench *b, uint64_t seq)
{
	const int *q = b->tx;
	struct message *m = (struct message *)(void *)b->buf;

	m->type = 1;
	fill_message(b, m->data, seq);
	do {
		b->syscalls++;
		if (!msgsnd(*q, m, b->size, 0))
			return 0;
	} while (errno == EINTR);
	return errno == EINVAL ? -EMSGSIZE : -errno;	/* above msgmax */
}

BENCH_INLINE int get_sysv(struct bench *b, uint64_t *seq)
{
	const int *q = b->rx;
	struct message *m = (struct message *)(void *)b->buf;
	ssize_t n;

	do {
		b->syscalls++;
		n = msgrcv(*q, m, b->size, 0, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == b->size ? check_message(b, m->data, seq) : -EBADMSG;
}

static int run_posix(struct bench *b, struct result *res)
{
	return run_loops_of_any_size(b, res, put_posix, get_posix, no_flush);
}

static int run_sysv(struct bench *b, struct result *res)
{
	return run_loops_of_any_size(b, res, put_sysv, get_sysv, no_flush);
}

const struct contender mq_contenders[] = {
	{ "posix-mq", FAMILY_IPC, WAIT_KERNEL, API_COPY, "mq_send(3) and mq_receive(3)",
	  open_queues, attach_queues, run_posix, close_queues, true },
	{ "sysv-mq", FAMILY_IPC, WAIT_KERNEL, API_COPY, "msgsnd(2) and msgrcv(2)",
	  open_queues, attach_queues, run_sysv, close_queues, false },
	{ 0 }
};
