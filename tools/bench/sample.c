// SPDX-License-Identifier: MIT
/* One sample: two processes on two CPUs, and the floor before and after. */
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loops.h"

#define GLANCE_MS	50	/* between two looks whether the sides live */
#define CHANGED		0.25	/* if the floor changed by more, the cores have moved */
#define IDLE_NS		500000000u

/* Where the sides wait for each other, in shared memory. */
struct meeting {
	atomic_int arrived;
	atomic_int pid[2];
};

/* One sample while it runs, in the parent; each side has a copy. */
struct sample {
	const struct settings *set;
	const struct contender *contender;
	struct bench bench;
	void *channels;
	struct meeting *meeting;
	struct line *line;
	int results[2];			/* a pipe */
	pid_t pid[2];
	struct result result[2];
};

/* ------------------------------------------------------------- in a side */

static void pin(const struct settings *set, enum side side)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(set->cpus[side], &cpus);
	/* An error is no failure: the scheduler then chooses. */
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static double seconds_of(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void add_usage(struct result *res, int sign)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	res->cpu += sign * (seconds_of(u.ru_utime) + seconds_of(u.ru_stime));
	res->switches += (uint64_t)(sign * (u.ru_nvcsw + u.ru_nivcsw));
}

static void meet(struct sample *s, int nr)
{
	atomic_store(&s->meeting->pid[s->bench.side], getpid());
	atomic_fetch_add(&s->meeting->arrived, 1);
	while (atomic_load(&s->meeting->arrived) < 2 * nr)
		sched_yield();
	s->bench.peer = atomic_load(&s->meeting->pid[!s->bench.side]);
}

/* With one CPU no cache line moves. */
static double take_floor(const struct sample *s)
{
	return s->set->nr_cpus < 2 ? NAN : line_rtt(s->line, s->bench.side);
}

static int prepare(struct sample *s)
{
	struct bench *b = &s->bench;

	b->times = histogram_new();
	if (!b->times || posix_memalign((void **)&b->buf, 128, b->size))
		return -ENOMEM;
	memset(b->buf, 0, b->size);
	return s->contender->attach(s->contender, s->channels, b);
}

static void keep_counters(const struct bench *b, struct result *res)
{
	res->syscalls = b->syscalls;
	res->wakes = b->wakes;
	res->pacing = b->pacing;
	res->idle = b->idle;
	res->idle_cpu = b->idle_cpu;
	res->p50 = histogram_quantile(b->times, 0.5);
	res->p99 = histogram_quantile(b->times, 0.99);
	res->p999 = histogram_quantile(b->times, 0.999);
	res->max = histogram_max(b->times);
}

static void run_side(struct sample *s, struct result *res)
{
	res->error = prepare(s);
	if (res->error)
		return;
	meet(s, 1);
	res->line[0] = take_floor(s);
	meet(s, 2);
	add_usage(res, -1);
	res->start = bench_now();
	res->error = s->contender->run(&s->bench, res);
	res->end = bench_now();
	add_usage(res, 1);
	if (res->error)
		return;
	meet(s, 3);
	res->line[1] = take_floor(s);
	keep_counters(&s->bench, res);
}

static _Noreturn void side_main(struct sample *s, enum side side)
{
	struct result res = { .side = side };
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	signal(SIGPIPE, SIG_IGN);
	pin(s->set, side);
	s->bench.side = side;
	run_side(s, &res);
	n = write(s->results[1], &res, sizeof(res));	/* below PIPE_BUF: in one piece */
	_exit(n != sizeof(res));
}

/* ---------------------------------------------------------- in the parent */

const char *why(int error)
{
	switch (error) {
	case -EBADMSG:
		return "messages were lost or damaged";
	case -ETIMEDOUT:
		return "it hangs";
	case -ECHILD:
		return "a side has died";
	case -EMSGSIZE:
		return "not for messages of this size";
	case -EOPNOTSUPP:
		return "not to be had on this machine";
	default:
		return strerror(-error);
	}
}

bool cannot(int error)
{
	return error == -EOPNOTSUPP || error == -EMSGSIZE;
}

/* Has the side ended without a result? */
static bool is_dead(const struct sample *s, enum side side)
{
	siginfo_t info = { .si_pid = 0 };

	return !s->result[side].end &&
	       !waitid(P_PID, (id_t)s->pid[side], &info, WEXITED | WNOHANG | WNOWAIT) &&
	       info.si_pid;
}

static int wait_result(struct sample *s, int timeout)
{
	struct pollfd pfd = { .fd = s->results[0], .events = POLLIN };

	for (int waited = 0; waited < timeout; waited += GLANCE_MS) {
		bool dead = is_dead(s, SIDE_A) || is_dead(s, SIDE_B);

		if (poll(&pfd, 1, dead ? 0 : GLANCE_MS) == 1)
			return 0;
		if (dead)
			return -ECHILD;
	}
	return -ETIMEDOUT;
}

static int collect(struct sample *s)
{
	int timeout = (int)(s->bench.duration / 1000000 * 20 + s->set->hang_ms);
	struct result res;

	for (int i = 0; i < 2; i++) {
		int ret = wait_result(s, timeout);

		if (ret)
			return ret;
		if (read(s->results[0], &res, sizeof(res)) != sizeof(res))
			return -ECHILD;
		if (res.error)
			return res.error;
		s->result[res.side] = res;
	}
	if (s->bench.test == FLOOR)
		return 0;
	return s->result[SIDE_A].messages == s->result[SIDE_B].messages ? 0 : -EBADMSG;
}

static int run_sides(struct sample *s)
{
	int ret = 0;

	for (int side = SIDE_A; side <= SIDE_B; side++) {
		s->pid[side] = fork();
		if (!s->pid[side])
			side_main(s, (enum side)side);
		if (s->pid[side] < 0)
			ret = -errno;
	}
	close(s->results[1]);
	if (!ret)
		ret = collect(s);
	for (int side = SIDE_A; side <= SIDE_B; side++) {
		if (s->pid[side] < 0)
			continue;
		if (ret)
			kill(s->pid[side], SIGKILL);
		waitpid(s->pid[side], NULL, 0);
	}
	close(s->results[0]);
	return ret;
}

static int run_sample(struct sample *s)
{
	int ret = s->contender->open(s->contender, &s->bench, &s->channels);

	if (ret)
		return ret;
	ret = pipe(s->results) ? -errno : run_sides(s);
	s->contender->close(s->channels);
	return ret;
}

/* --------------------------------------------------------------- figures */

static double per_million(uint64_t events, double messages)
{
	return (double)events * 1e6 / messages;
}

static void figure_counts(const struct sample *s, struct figures *f)
{
	const struct result *a = &s->result[SIDE_A], *b = &s->result[SIDE_B];
	double seconds = (double)(b->end - a->start) / 1e9;
	double messages = (double)b->messages, pacing = (double)a->pacing / 1e9;

	if (s->bench.test == IDLE) {
		f->v[CPU_S] = (double)a->idle_cpu / 1e9;
		f->v[CPU_CORES] = (double)a->idle_cpu / (double)a->idle;
		return;
	}
	f->v[CPU_S] = a->cpu + b->cpu;
	f->v[CPU_CORES] = fmax(a->cpu - pacing, 0) / seconds + b->cpu / seconds;
	if (!b->messages)
		return;
	f->v[MSGS_S] = messages / seconds;
	f->v[SYSCALLS] = per_million(a->syscalls + b->syscalls, messages);
	f->v[SWITCHES] = per_million(a->switches + b->switches, messages);
	f->v[WAKES] = per_million(a->wakes + b->wakes, messages);
}

static void figure_times(const struct sample *s, struct figures *f)
{
	const struct result *a = &s->result[SIDE_A], *b = &s->result[SIDE_B];

	if (s->bench.test == PACED) {
		f->v[ONEWAY_P50] = b->p50;
		f->v[ONEWAY_P99] = b->p99;
		f->v[ONEWAY_P999] = b->p999;
		return;
	}
	f->v[RTT_P50] = a->p50;
	f->v[RTT_P99] = a->p99;
	f->v[RTT_P999] = a->p999;
	f->v[RTT_MAX] = a->max;
}

static void figure_sample(const struct sample *s, struct figures *f)
{
	const struct result *a = &s->result[SIDE_A];

	for (int m = 0; m < NR_METRICS; m++)
		f->v[m] = NAN;
	f->v[LINE_RTT] = (a->line[0] + a->line[1]) / 2;
	f->label = line_label(f->v[LINE_RTT]);
	if (s->bench.test == FLOOR) {
		f->v[MEMCPY] = (double)a->messages * (double)s->bench.size /
			       (double)(a->end - a->start);
		return;
	}
	figure_counts(s, f);
	if (s->bench.test == STREAM || s->bench.test == BATCH)
		f->v[MB_S] = f->v[MSGS_S] * (double)s->bench.size / 1e6;
	else if (s->bench.test != IDLE)
		figure_times(s, f);
}

static bool steady(const struct sample *s)
{
	const double *line = s->result[SIDE_A].line;

	return isnan(line[0]) || fabs(line[1] - line[0]) <= CHANGED * fmin(line[0], line[1]);
}

/* Idle cores, and 500 messages at the pace, take longer than a sample usually does. */
static uint64_t duration(const struct settings *set, const struct row *row)
{
	uint64_t ns = (uint64_t)(set->seconds * 1e9), least = 0;

	if (row->test == IDLE)
		least = IDLE_NS;
	if (row->test == PACED) {
		ns *= 2;
		least = 500u * (1000000000u / row->rate);
	}
	if (set->quick)
		least /= 5;
	return ns > least ? ns : least;
}

double sample_seconds(const struct settings *set, const struct row *row)
{
	return (double)duration(set, row) / 1e9;
}

/* A quarter of the ring at most: with larger batches one side waits while the other works. */
static unsigned int batch_size(const struct row *row)
{
	size_t quarter = row->capacity / row->size / 4;

	return quarter < BATCH_MAX ? (unsigned int)quarter : BATCH_MAX;
}

int take_sample(const struct settings *set, const struct row *row, struct figures *f)
{
	static struct meeting *meeting;
	static struct line *line;
	struct sample s = {
		.set = set, .contender = row->contender,
		.bench = { .test = row->test, .size = row->size, .capacity = row->capacity,
			   .backend = set->backend,
			   .batch = batch_size(row), .rate = row->rate, .check = set->check,
			   .duration = duration(set, row) },
	};
	int ret;

	if (!line) {
		line = line_open();
		meeting = shared_alloc(sizeof(*meeting));
	}
	if (!line || !meeting)
		return -ENOMEM;
	s.line = line;
	s.meeting = meeting;
	atomic_store(&meeting->arrived, 0);
	ret = run_sample(&s);
	if (ret)
		return ret;
	figure_sample(&s, f);
	return steady(&s) ? 0 : -ESTALE;
}
