// SPDX-License-Identifier: MIT
/*
 * Contender: real-time signals, which are queued and carry a number. The
 * message lies in shared memory; each one is announced by a signal, and taken
 * with sigwaitinfo(2). The consumer answers every half ring with another one:
 * there is space again.
 */
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "slots.h"

#define MOST	1024u	/* signals pending at once: far below the usual limit */

struct post {
	struct slots_end end;
	int data, space;		/* signals */
	uint64_t credit, given;		/* messages */
};

static struct post posts[2];

/* Each side stores its process id in a ring's head, which this contender has no other use for. */
static pid_t peer(struct bench *b)
{
	const struct post *rx = b->rx;

	return (pid_t)atomic_load(&rx->end.s->head);
}

static int attach_posts(const struct contender *c, void *channels, struct bench *b)
{
	struct slots_end *ends[2];
	sigset_t all;

	if (slots_attach(c, channels, b))
		return -ENOMEM;
	ends[0] = b->tx;
	ends[1] = b->rx;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int i = 0; i < 2; i++) {
		int channel = i ? !b->side : (int)b->side;

		posts[i].end = *ends[i];
		if (posts[i].end.nr > MOST) {
			posts[i].end.nr = MOST;
			posts[i].end.bytes = MOST * b->size;
		}
		posts[i].credit = posts[i].end.nr;
		posts[i].data = SIGRTMIN + 2 * channel;
		posts[i].space = SIGRTMIN + 2 * channel + 1;
	}
	b->tx = &posts[0];
	b->rx = &posts[1];
	atomic_store(&posts[0].end.s->head, (unsigned long long)getpid());
	return 0;
}

static int post_signal(struct bench *b, int sig, int value)
{
	union sigval v = { .sival_int = value };

	do {
		b->syscalls++;
		b->wakes++;
		if (!sigqueue(peer(b), sig, v))
			return 0;
	} while (errno == EAGAIN);
	return -errno;
}

static int wait_signal(struct bench *b, int sig, int *value)
{
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	do {
		b->syscalls++;
		if (sigwaitinfo(&set, &info) == sig) {
			*value = info.si_value.sival_int;
			return 0;
		}
	} while (errno == EINTR);
	return -errno;
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	struct post *p = b->tx;
	int ret, value = 0;

	if (!p->credit) {
		ret = wait_signal(b, p->space, &value);
		if (ret)
			return ret;
		p->credit += (uint64_t)value;
	}
	p->credit--;
	fill_in_place(b, p->end.s->data + p->end.offset, seq);
	slots_step(&p->end);
	return post_signal(b, p->data, (int)seq);
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq)
{
	struct post *p = b->rx;
	int value = 0, ret = wait_signal(b, p->data, &value);

	if (!ret)
		ret = check_message(b, p->end.s->data + p->end.offset, seq);
	if (ret || value != (int)*seq)
		return ret ? ret : -EBADMSG;
	slots_step(&p->end);
	if (++p->given < p->end.nr / 2)
		return 0;
	value = (int)p->given;
	p->given = 0;
	/* After the last message its sender may have ended. */
	ret = post_signal(b, p->space, value);
	return ret == -ESRCH ? 0 : ret;
}

static int run(struct bench *b, struct result *res)
{
	return run_loops_of_any_size(b, res, put, get, no_flush);
}

const struct contender signal_contenders[] = {
	{ "rt-signal", FAMILY_IPC, WAIT_KERNEL, API_INPLACE,
	  "a real-time signal a message, sigwaitinfo(2); payload in shared memory",
	  slots_open, attach_posts, run, shared_free, 0 },
	{ 0 }
};
