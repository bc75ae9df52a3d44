// SPDX-License-Identifier: MIT
/*
 * A small benchmark: shmring beside what else two processes may talk through.
 * Everything that is sent is checked; who loses or damages a message is BROKEN.
 */
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmring.h>

#include "bench.h"

#define MAX_SIZES	8
#define MAX_ROUNDS	99
#define HANG_MS		60000		/* beyond twenty times the sample */

static const struct contender *const contenders[] = {
	&shmring_block, &shmring_adaptive, &shmring_spin,
	&textbook_ring, &pipe_stream, &socket_stream,
};

#define NR_CONTENDERS	(sizeof(contenders) / sizeof(*contenders))

struct settings {
	size_t sizes[MAX_SIZES];
	size_t nr_sizes;
	unsigned int rounds;
	double seconds;
	bool csv;
	int cpus[2], nr_cpus;
};

/* What the parent knows of one sample while it runs. */
struct sample {
	const struct contender *contender;
	struct bench bench;
	void *channels;
	atomic_int *ready;		/* sides that are, in shared memory */
	int report[2];			/* a pipe for the results */
	pid_t pid[2];
	struct result result[2];
};

/* ------------------------------------------------------------- in a side */

static void pin(const struct settings *s, enum side side)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(s->cpus[side], &set);
	/* Where it is not allowed the scheduler's choice has to do. */
	sched_setaffinity(0, sizeof(set), &set);
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

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double rtt_median(const struct bench *b, const struct result *res)
{
	size_t n = res->messages < MAX_RTT ? (size_t)res->messages : MAX_RTT;

	if (b->side != SIDE_A || b->mode != PINGPONG || !n)
		return 0;
	qsort(b->rtt, n, sizeof(*b->rtt), compare_u32);
	return b->rtt[n / 2] / 1e3;
}

static int prepare(struct sample *s)
{
	struct bench *b = &s->bench;

	b->buf = malloc(b->size);
	b->rtt = malloc(MAX_RTT * sizeof(*b->rtt));
	if (!b->buf || !b->rtt)
		return -ENOMEM;
	memset(b->buf, 0, b->size);
	memset(b->rtt, 0, MAX_RTT * sizeof(*b->rtt));	/* no page faults later */
	return s->contender->attach(s->contender, s->channels, b);
}

static void run_side(struct sample *s, struct result *res)
{
	res->error = prepare(s);
	if (res->error)
		return;
	atomic_fetch_add(s->ready, 1);
	while (atomic_load(s->ready) < 2)
		sched_yield();
	add_usage(res, -1);
	res->start = bench_now();
	res->error = s->contender->run(&s->bench, res);
	res->end = bench_now();
	add_usage(res, 1);
	res->syscalls = s->bench.syscalls;
	res->rtt_p50 = rtt_median(&s->bench, res);
}

static _Noreturn void side_main(const struct settings *set, struct sample *s, enum side side)
{
	struct result res = { .side = side };
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGPIPE, SIG_IGN);
	pin(set, side);
	s->bench.side = side;
	run_side(s, &res);
	n = write(s->report[1], &res, sizeof(res));	/* below PIPE_BUF: in one piece */
	_exit(n != sizeof(res));
}

/* ---------------------------------------------------------- in the parent */

static int collect(struct sample *s)
{
	int timeout = (int)(s->bench.duration / 1000000 * 20) + HANG_MS;
	struct pollfd pfd = { .fd = s->report[0], .events = POLLIN };
	struct result res;

	for (int i = 0; i < 2; i++) {
		if (poll(&pfd, 1, timeout) != 1)
			return -ETIMEDOUT;
		if (read(s->report[0], &res, sizeof(res)) != sizeof(res))
			return -ECHILD;
		if (res.error)
			return res.error;
		s->result[res.side] = res;
	}
	return s->result[SIDE_A].messages == s->result[SIDE_B].messages ? 0 : -EBADMSG;
}

static int run_sides(const struct settings *set, struct sample *s)
{
	int ret = 0;

	for (int side = SIDE_A; side <= SIDE_B; side++) {
		s->pid[side] = fork();
		if (!s->pid[side])
			side_main(set, s, (enum side)side);
		if (s->pid[side] < 0)
			ret = -errno;
	}
	close(s->report[1]);
	if (!ret)
		ret = collect(s);
	for (int side = SIDE_A; side <= SIDE_B; side++) {
		if (s->pid[side] < 0)
			continue;
		if (ret)
			kill(s->pid[side], SIGKILL);
		waitpid(s->pid[side], NULL, 0);
	}
	close(s->report[0]);
	return ret;
}

static int run_sample(const struct settings *set, struct sample *s, size_t size, enum mode mode)
{
	int ret;

	s->bench = (struct bench){ .size = size, .mode = mode,
				   .duration = (uint64_t)(set->seconds * 1e9) };
	atomic_store(s->ready, 0);
	ret = s->contender->open(s->contender, size, &s->channels);
	if (ret)
		return ret;
	ret = pipe(s->report) ? -errno : run_sides(set, s);
	s->contender->close(s->channels);
	return ret;
}

static void keep(struct row *row, enum metric m, double value)
{
	row->samples[m][row->nr[m]++] = value;
}

static void keep_stream(struct row *row, const struct result *a, const struct result *b)
{
	double messages = (double)a->messages;

	keep(row, MB_S, messages * (double)row->size / 1e6 / ((double)(b->end - a->start) / 1e9));
	keep(row, CPU, a->cpu + b->cpu);
	keep(row, SYSCALLS, (double)(a->syscalls + b->syscalls) * 1e6 / messages);
	keep(row, SWITCHES, (double)(a->switches + b->switches) * 1e6 / messages);
}

static const char *why(int err)
{
	switch (err) {
	case -EBADMSG:
		return "messages were lost or damaged";
	case -ETIMEDOUT:
		return "it hangs";
	case -ECHILD:
		return "a side has died";
	default:
		return strerror(-err);
	}
}

static void run_row(const struct settings *set, struct sample *s, struct row *row)
{
	int ret;

	if (row->broken)
		return;
	ret = run_sample(set, s, row->size, STREAM);
	if (!ret) {
		keep_stream(row, &s->result[SIDE_A], &s->result[SIDE_B]);
		ret = run_sample(set, s, row->size, PINGPONG);
	}
	if (!ret)
		keep(row, RTT_P50, s->result[SIDE_A].rtt_p50);
	row->broken = ret;
	if (ret)
		fprintf(stderr, "bench: %s, %zu byte messages: BROKEN: %s\n", row->name,
			row->size, why(ret));
}

/* Interleaved: whatever disturbs the machine for a while disturbs all alike. */
static int run_rounds(const struct settings *set, struct row *rows, size_t nr)
{
	struct sample s = { 0 };
	bool broken = false;

	s.ready = mmap(NULL, sizeof(*s.ready), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s.ready == MAP_FAILED)
		return -errno;
	for (unsigned int round = 0; round < set->rounds; round++) {
		for (size_t i = 0; i < nr; i++) {
			if (i % NR_CONTENDERS == 0)
				fprintf(stderr, "bench: round %u of %u, %zu byte messages\n",
					round + 1, set->rounds, rows[i].size);
			s.contender = contenders[i % NR_CONTENDERS];
			run_row(set, &s, &rows[i]);
			broken |= rows[i].broken;
		}
	}
	return broken;
}

static struct row *make_rows(const struct settings *set, size_t nr)
{
	struct row *rows = calloc(nr, sizeof(*rows));
	double *samples = calloc(nr * NR_METRICS * set->rounds, sizeof(*samples));

	if (!rows || !samples) {
		free(samples);
		free(rows);
		return NULL;
	}
	for (size_t i = 0; i < nr; i++) {
		rows[i].name = contenders[i % NR_CONTENDERS]->name;
		rows[i].size = set->sizes[i / NR_CONTENDERS];
		for (size_t m = 0; m < NR_METRICS; m++)
			rows[i].samples[m] = samples + (i * NR_METRICS + m) * set->rounds;
	}
	return rows;
}

/* Two different CPUs if there are two. */
static void find_cpus(struct settings *s)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	s->nr_cpus = 0;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (s->nr_cpus < 2)
			s->cpus[s->nr_cpus] = cpu;
		s->nr_cpus++;
	}
	if (s->nr_cpus == 1)
		s->cpus[1] = s->cpus[0];
}

static int find_backend(const char **name)
{
	struct shmring *r;
	int ret = shmring_create(&r, NULL, NULL);

	if (ret) {
		fprintf(stderr, "bench: cannot make a ring: %s\n", strerror(-ret));
		if (ret == -ENODEV)
			fputs("bench: load the module, or say --backend memfd\n", stderr);
		return ret;
	}
	*name = shmring_backend_name(r);
	shmring_close(r);
	return 0;
}

/* ---------------------------------------------------------- command line */

static void usage(FILE *f)
{
	fputs("Usage: bench [OPTION]...\n\n"
	      "Moves messages between two processes on two CPUs and prints a table.\n\n"
	      "  -s, --size BYTES[,BYTES]...  of a message (default 64,4096); multiples of 8,\n"
	      "                               at most 16384\n"
	      "  -t, --seconds SECONDS        for each sample (default 0.25)\n"
	      "  -r, --rounds N               interleaved; medians are shown (default 3)\n"
	      "  -b, --backend BACKEND        kmod or memfd\n"
	      "      --csv                    for programs\n"
	      "  -h, --help                   this\n\n"
	      "Contenders:\n\n", f);
	for (size_t i = 0; i < NR_CONTENDERS; i++)
		fprintf(f, "  %-18s %s\n", contenders[i]->name, contenders[i]->about);
	fputs("\nEvery word of every message is written, read and checked. System calls are\n"
	      "counted where they are made; shmring's are its sleeps and its wake-ups.\n"
	      "Exit status: 0; 1 a contender is BROKEN or nothing could be measured; 2 bad\n"
	      "command line.\n", f);
}

static int parse_sizes(struct settings *s, const char *list)
{
	char *end;

	s->nr_sizes = 0;
	do {
		unsigned long size = strtoul(list, &end, 10);

		/* A textbook ring needs room for two, ours for a header. */
		if (end == list || !size || size % 8 || size > BUFFER_BYTES / 4 ||
		    s->nr_sizes == MAX_SIZES)
			return -1;
		s->sizes[s->nr_sizes++] = size;
		list = end + 1;
	} while (*end == ',');
	return *end ? -1 : 0;
}

static int parse_option(struct settings *s, int c, const char *value)
{
	char *end;

	switch (c) {
	case 's':
		return parse_sizes(s, value);
	case 't':
		s->seconds = strtod(value, &end);
		return *end || !(s->seconds > 0 && s->seconds <= 3600) ? -1 : 0;
	case 'r':
		s->rounds = (unsigned int)strtoul(value, &end, 10);
		return *end || !s->rounds || s->rounds > MAX_ROUNDS ? -1 : 0;
	case 'b':
		if (strcmp(value, "kmod") && strcmp(value, "memfd"))
			return -1;
		return setenv("SHMRING_BACKEND", value, 1);
	default:
		s->csv = true;
		return 0;
	}
}

static void parse(struct settings *s, int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "backend", required_argument, NULL, 'b' },
		{ "csv", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "s:t:r:b:h", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			exit(0);
		}
		if (c != '?' && !parse_option(s, c, optarg))
			continue;
		if (c != '?')
			fprintf(stderr, "bench: bad value '%s'\n", optarg);
		fputs("Try 'bench --help'.\n", stderr);
		exit(2);
	}
	if (optind < argc) {
		fprintf(stderr, "bench: what is '%s'?\nTry 'bench --help'.\n", argv[optind]);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct settings s = { .sizes = { 64, 4096 }, .nr_sizes = 2, .rounds = 3, .seconds = 0.25 };
	const char *backend;
	struct row *rows;
	size_t nr;
	int ret;

	parse(&s, argc, argv);
	find_cpus(&s);
	if (find_backend(&backend))
		return 1;
	nr = s.nr_sizes * NR_CONTENDERS;
	rows = make_rows(&s, nr);
	if (!rows) {
		fputs("bench: out of memory\n", stderr);
		return 1;
	}
	ret = run_rounds(&s, rows, nr);
	if (ret < 0) {
		fprintf(stderr, "bench: %s\n", strerror(-ret));
	} else {
		if (!s.csv)
			print_header(backend, s.nr_cpus, s.seconds, s.rounds);
		print_rows(rows, nr, s.csv);
	}
	free(rows[0].samples[0]);
	free(rows);
	return ret != 0;
}
