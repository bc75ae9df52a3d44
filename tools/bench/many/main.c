// SPDX-License-Identifier: MIT
/* Many producers, one consumer: the processes of a sample, the rounds, the tables. */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmring.h>

#include "many.h"

#define ROUNDS_MAX	99
#define PATIENCE_S	30		/* beyond the sample */
#define CAPACITY	262144

static const size_t sizes[] = { 8, 64, 256 };

/* What is measured, and what shmring is to reach: a factor of @against, or of the best other one. */
static const struct scenario {
	const char *title;
	unsigned int producers, active;
	const char *against;
	double target;
} scenarios[] = {
	{ "4 producers", 4, 4, NULL, 2 },
	{ "64 producers", 64, 64, NULL, 3 },
	{ "64 producers, of which one sends", 64, 1, "shmring-plain", 0.9 },
};

static const struct many_contender *const lists[] = {
	many_shmring,
#ifdef HAVE_DPDK
	many_rte,
#endif
	many_vyukov, many_pipe,
};

#define CONTENDERS_MAX	8

static struct {
	unsigned int rounds;
	double seconds;
	enum shmring_backend_id backend;
	int cpus[2];
} set = { .rounds = 5, .seconds = 0.2 };

/* ---------------------------------------------------------------- processes */

/* An error is no failure: the scheduler then chooses. */
static void pin(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

static void find_cpus(void)
{
	cpu_set_t cpus;
	int nr = 0;

	CPU_ZERO(&cpus);
	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (int cpu = 0; cpu < CPU_SETSIZE && nr < 2; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			set.cpus[nr++] = cpu;
	if (nr == 1)
		set.cpus[1] = set.cpus[0];
}

/* What a process has to say at its end. */
struct report {
	int error;
	struct count count;
};

static pid_t start(const struct many_contender *c, struct many *m, void *queue, int fd, bool consumer)
{
	struct report report = { 0 };
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	alarm((unsigned int)set.seconds + PATIENCE_S);
	pin(set.cpus[!consumer]);
	report.error = consumer ? c->consume(m, queue, &report.count) : c->produce(m, queue);
	if (consumer || report.error) {
		__atomic_store_n(&m->control->stop, 1, __ATOMIC_RELAXED);
		report.error = write(fd, &report, sizeof(report)) == sizeof(report) ? 0 : -EIO;
	}
	_exit(report.error != 0);
}

static int run(const struct many_contender *c, struct many *m, void *queue, double *rate)
{
	pid_t pids[PRODUCERS_MAX + 1];
	struct report report = { .error = -EPIPE };
	unsigned int i, nr = 0;
	int fds[2];

	if (pipe(fds))
		return -errno;
	pids[nr++] = start(c, m, queue, fds[1], true);
	for (m->producer = 0; m->producer < m->producers && pids[nr - 1] > 0; m->producer++)
		pids[nr++] = start(c, m, queue, fds[1], false);
	close(fds[1]);
	if (pids[nr - 1] < 0)
		report.error = -EAGAIN;
	else if (read(fds[0], &report, sizeof(report)) != sizeof(report))
		report.error = -ETIMEDOUT;
	close(fds[0]);
	for (i = 0; i < nr; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGKILL);
	for (i = 0; i < nr; i++)
		if (pids[i] > 0)
			waitpid(pids[i], NULL, 0);
	*rate = report.error || !report.count.ns ? 0 :
		1e3 * (double)report.count.messages / (double)report.count.ns;
	return report.error;
}

/* In million messages a second. */
static int sample_once(const struct many_contender *c, const struct scenario *s, size_t size,
		       double *rate)
{
	struct many m = {
		.producers = s->producers,
		.active = s->active,
		.size = size,
		.capacity = CAPACITY,
		.duration = (uint64_t)(set.seconds * 1e9),
		.backend = set.backend,
		.control = shared_alloc(sizeof(*m.control)),
	};
	void *queue;
	int ret;

	if (!m.control)
		return -ENOMEM;
	ret = c->open(&m, &queue);
	if (!ret) {
		ret = run(c, &m, queue, rate);
		c->close(queue);
	}
	shared_free(m.control);
	return ret;
}

/* ------------------------------------------------------------------- tables */

struct entry {
	const struct many_contender *contender;
	double samples[ARRAY_SIZE(sizes)][ROUNDS_MAX], median[ARRAY_SIZE(sizes)];
	bool absent;
};

static unsigned int list_rows(struct entry *rows)
{
	unsigned int nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (const struct many_contender *c = lists[i]; c->name; c++)
			rows[nr++] = (struct entry){ .contender = c };
	return nr;
}

/* Interleaved: a disturbance of the machine that lasts a while reaches all contenders. */
static int measure(const struct scenario *s, struct entry *rows, unsigned int nr)
{
	int ret;

	for (unsigned int round = 0; round < set.rounds; round++) {
		for (unsigned int i = 0; i < nr * ARRAY_SIZE(sizes); i++) {
			struct entry *row = &rows[i % nr];

			if (row->absent)
				continue;
			ret = sample_once(row->contender, s, sizes[i / nr],
					  &row->samples[i / nr][round]);
			row->absent = ret == -EOPNOTSUPP;
			if (ret && ret != -EOPNOTSUPP) {
				fprintf(stderr, "bench-many: %s, %s, %zu bytes: %s\n", s->title,
					row->contender->name, sizes[i / nr], strerror(-ret));
				return ret;
			}
		}
	}
	for (unsigned int i = 0; i < nr; i++)
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
			rows[i].median[k] = median_of(rows[i].samples[k], set.rounds);
	return 0;
}

/* With what shmring is compared: one row, or the best of all that are not shmring's. */
static double compared(const struct scenario *s, const struct entry *rows, unsigned int nr, size_t k)
{
	double best = 0;

	for (unsigned int i = 0; i < nr; i++) {
		const char *name = rows[i].contender->name;
		bool counts = s->against ? !strcmp(name, s->against) :
					   strncmp(name, "shmring", 7) != 0;

		if (counts && !rows[i].absent && rows[i].median[k] > best)
			best = rows[i].median[k];
	}
	return best;
}

static void print(const struct scenario *s, const struct entry *rows, unsigned int nr)
{
	printf("\n%s: million messages a second\n  %-16s", s->title, "");
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
		printf("%7zu B", sizes[k]);
	putchar('\n');
	for (unsigned int i = 0; i < nr; i++) {
		if (rows[i].absent)
			continue;
		printf("  %-16s", rows[i].contender->name);
		for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
			printf("%9.2f", rows[i].median[k]);
		printf("   %s\n", rows[i].contender->about);
	}
	printf("  %-16s", "ratio");
	for (size_t k = 0; k < ARRAY_SIZE(sizes); k++)
		printf("%9.2f", rows[0].median[k] / compared(s, rows, nr, k));
	printf("   to %s; target %.1f\n", s->against ? s->against : "the best other one", s->target);
}

/* ----------------------------------------------------------------- settings */

static void usage(int status)
{
	fputs("usage: bench-many [--rounds N] [--seconds S] [--backend kmod|memfd]\n"
	      "\n"
	      "Producers that send to one consumer: shmring's fan-in beside rings that many producers\n"
	      "share, and a pipe. The consumer has one CPU, the producers share another one.\n",
	      status ? stderr : stdout);
	exit(status);
}

static void read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "backend", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "r:s:b:h", options, NULL)) != -1) {
		if (c == 'r')
			set.rounds = (unsigned int)atoi(optarg);
		else if (c == 's')
			set.seconds = atof(optarg);
		else if (c == 'b' && !strcmp(optarg, "kmod"))
			set.backend = SHMRING_KMOD;
		else if (c == 'b' && !strcmp(optarg, "memfd"))
			set.backend = SHMRING_MEMFD;
		else
			usage(c == 'h' ? 0 : 2);
	}
	if (optind < argc || !set.rounds || set.rounds > ROUNDS_MAX || !(set.seconds > 0) ||
	    set.seconds > 60)
		usage(2);
}

int main(int argc, char **argv)
{
	static struct entry rows[CONTENDERS_MAX];
	unsigned int nr;
	int ret = 0;

	read_options(argc, argv);
	find_cpus();
	clock_init();
	for (size_t i = 0; i < ARRAY_SIZE(scenarios) && !ret; i++) {
		nr = list_rows(rows);
		ret = measure(&scenarios[i], rows, nr);
		if (!ret)
			print(&scenarios[i], rows, nr);
	}
	return ret != 0;
}
