// SPDX-License-Identifier: MIT
/*
 * Fuzzes /dev/shmring: random programs of system calls, run by several threads. Programs
 * that reach new code of the module are kept and varied.
 *
 *   fuzz [-t SECONDS] [-n CALLS] [-s SEED] [-l FILE] [-k FILE] [CORPUS]
 *   fuzz -r [-l FILE] CORPUS
 *
 *   -t  for how long (default 60)
 *   -n  until so many calls have been made
 *   -s  the first seed; in FILE, each program has its seed in front
 *   -l  where to leave each program before it is run: if the kernel crashes, the last
 *       program there is the cause
 *   -k  where to leave the programs that together reached all code
 *   -r  only run the programs in CORPUS, one a line, each many times
 *
 * Ends with status 1 if a thread hangs, if a ring is there after its last file, or if
 * the lock checker has stopped. All other faults show in the kernel log.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <time.h>

#define MAX_CORPUS	4096
#define REPLAYS		50
#define PATIENCE	20	/* seconds without a call: a hang */
#define KICK_NS		10000000

static struct program corpus[MAX_CORPUS];
static unsigned int nr_corpus;

static struct worker {
	pthread_t thread;
	unsigned int nr;
	struct kcov *kcov;
	struct tally tally[64];
} workers[NR_THREADS];

static struct program current;
static pthread_barrier_t barrier;
static sem_t done;			/* for each thread that has run its part */
static uint64_t programs, began;
static bool over;

/* ---- running one program */

static void run_own_ops(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < current.nr; i++)
		if (current.ops[i].thread % NR_THREADS == w->nr)
			run_op(&current, i, w->tally);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	ops_thread_init(w->nr);
	w->kcov = kcov_open();
	for (;;) {
		pthread_barrier_wait(&barrier);
		if (over)
			return NULL;
		run_own_ops(w);
		sem_post(&done);
		pthread_barrier_wait(&barrier);
		stop_waits(w->nr);
		pthread_barrier_wait(&barrier);
		await_waits();
		pthread_barrier_wait(&barrier);
	}
}

static bool done_in_time(void)
{
	struct timespec t;
	int ret;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += KICK_NS;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	do {
		ret = sem_timedwait(&done, &t);
	} while (ret && errno == EINTR);
	return !ret;
}

/* Some waits last until a signal comes. */
static void kick_until_done(void)
{
	uint64_t start = now_ns();
	unsigned int left = NR_THREADS, i;

	while (left) {
		if (done_in_time()) {
			left--;
			continue;
		}
		for (i = 0; i < NR_THREADS; i++)
			pthread_kill(workers[i].thread, SIGUSR1);
		CHECK(now_ns() - start < PATIENCE * 1000000000ull);
	}
}

/* /proc/shmring has its heading alone, as there is no ring; a file may go a moment later. */
static bool nothing_left(void)
{
	static int fd = -1;
	char text[4096];
	ssize_t len;

	if (fd < 0)
		fd = open("/proc/shmring", O_RDONLY | O_CLOEXEC);
	len = pread(fd, text, sizeof(text) - 1, 0);
	CHECK(len > 0);
	text[len] = '\0';
	return !strchr(strchr(text, '\n') + 1, '\n');
}

static void expect_nothing_left(void)
{
	uint64_t start = now_ns();

	while (!nothing_left()) {
		nap();
		CHECK(now_ns() - start < PATIENCE * 1000000000ull);
	}
}

/* Run the program. Returns how much new code it has reached. */
static unsigned int run(const struct program *p)
{
	unsigned int fresh = 0, i;

	current = *p;
	pthread_barrier_wait(&barrier);
	kick_until_done();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	clean_up();
	expect_nothing_left();
	programs++;
	for (i = 0; i < NR_THREADS; i++)
		if (workers[i].kcov)
			fresh += kcov_collect(workers[i].kcov);
	return fresh;
}

/* ---- reports */

static struct tally sum_of(unsigned int kind)
{
	struct tally sum = { 0, 0 };
	unsigned int i;

	for (i = 0; i < NR_THREADS; i++) {
		sum.calls += workers[i].tally[kind].calls;
		sum.worked += workers[i].tally[kind].worked;
	}
	return sum;
}

static uint64_t calls_so_far(void)
{
	uint64_t calls = 0;
	unsigned int i;

	for (i = 0; i < nr_kinds(); i++)
		calls += sum_of(i).calls;
	return calls;
}

static void report(void)
{
	double seconds = (double)(now_ns() - began) / 1e9;
	uint64_t calls = calls_so_far();

	printf("%5.0f s: %llu calls (%.0f/s), %llu programs, corpus %u, %u PCs, %u edges\n",
	       seconds, (unsigned long long)calls, (double)calls / seconds,
	       (unsigned long long)programs, nr_corpus, kcov_pcs(), kcov_edges());
	fflush(stdout);
}

static void report_kinds(void)
{
	struct tally sum;
	unsigned int i;

	for (i = 0; i < nr_kinds(); i++) {
		sum = sum_of(i);
		if (sum.calls)
			printf("%-12s %9llu calls, %9llu worked\n", kind_name(i),
			       (unsigned long long)sum.calls, (unsigned long long)sum.worked);
	}
}

/* Lockdep turns itself off at the first error that it finds. */
static void expect_lock_checks(void)
{
	FILE *f = fopen("/proc/lockdep_stats", "re");
	char line[128];
	int on;

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " debug_locks: %d", &on) == 1)
			EXPECT_EQ(on, 1);
	fclose(f);
}

/* ---- the corpus */

static void load(const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;

	CHECK(f);
	while (getline(&line, &size, f) > 0) {
		if (*line == '#')
			continue;
		CHECK(nr_corpus < MAX_CORPUS);
		context("%s: %.60s", path, line);
		CHECK(parse_program(line, &corpus[nr_corpus++]));
	}
	free(line);
	fclose(f);
	context("fuzz");
}

static void save(const char *path)
{
	FILE *f = fopen(path, "we");
	unsigned int i;

	CHECK(f);
	for (i = 0; i < nr_corpus; i++)
		print_program(f, &corpus[i]);
	CHECK(!fclose(f));
}

/* In one write: the bytes are then in the host's file, even if the guest is gone. */
static void note(const char *path, uint64_t seed, const struct program *p)
{
	static char text[MAX_OPS * 32];
	static int fd = -1;
	FILE *f;

	if (!path)
		return;
	if (fd < 0)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	memset(text, '\n', sizeof(text));
	f = fmemopen(text, sizeof(text), "w");
	CHECK(f);
	fprintf(f, "# seed %llu, program %llu\n", (unsigned long long)seed,
		(unsigned long long)programs);
	print_program(f, p);
	fputc('\n', f);
	fclose(f);
	*strchr(text, '\0') = '\n';
	CHECK_EQ(pwrite(fd, text, sizeof(text), 0), sizeof(text));
}

static struct program next_program(uint64_t *seed)
{
	const struct program *one, *other;

	if (!nr_corpus || random_u64(seed) % 8 == 0)
		return random_program(seed);
	one = &corpus[random_u64(seed) % nr_corpus];
	other = &corpus[random_u64(seed) % nr_corpus];
	return mutated(one, other, seed);
}

struct options {
	uint64_t seconds, calls, seed;
	const char *log, *keep;
	bool replay;
};

static void replay(const struct options *o)
{
	unsigned int i, times;

	for (i = 0; i < nr_corpus; i++) {
		note(o->log, 0, &corpus[i]);
		for (times = 0; times < (o->replay ? REPLAYS : 1); times++)
			run(&corpus[i]);
	}
}

static bool go_on(const struct options *o)
{
	uint64_t seconds = (now_ns() - began) / 1000000000;

	return o->calls ? calls_so_far() < o->calls : seconds < o->seconds;
}

static void fuzz(const struct options *o)
{
	uint64_t seed = o->seed, start, next_report = 0;
	struct program p;

	while (go_on(o)) {
		start = seed;
		p = next_program(&seed);
		note(o->log, start, &p);
		if (run(&p) && nr_corpus < MAX_CORPUS)
			corpus[nr_corpus++] = p;
		if (now_ns() >= next_report) {
			report();
			next_report = now_ns() + 10000000000ull;
		}
	}
}

static struct options parse(int argc, char **argv)
{
	struct options o = { .seconds = 60, .seed = now_ns() };
	int c;

	while ((c = getopt(argc, argv, "t:n:s:l:k:r")) != -1) {
		switch (c) {
		case 't':
			o.seconds = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			o.calls = strtoull(optarg, NULL, 0);
			break;
		case 's':
			o.seed = strtoull(optarg, NULL, 0);
			break;
		case 'l':
			o.log = optarg;
			break;
		case 'k':
			o.keep = optarg;
			break;
		case 'r':
			o.replay = true;
			break;
		default:
			exit(2);
		}
	}
	return o;
}

int main(int argc, char **argv)
{
	struct options o = parse(argc, argv);
	unsigned int i;

	context("fuzz");
	ops_init();
	for (; optind < argc; optind++)
		load(argv[optind]);
	CHECK(!sem_init(&done, 0, 0));
	CHECK(!pthread_barrier_init(&barrier, NULL, NR_THREADS + 1));
	for (i = 0; i < NR_THREADS; i++) {
		workers[i].nr = i;
		CHECK(!pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	printf("seed %llu, %u programs of a corpus\n", (unsigned long long)o.seed, nr_corpus);
	began = now_ns();
	replay(&o);
	if (!o.replay)
		fuzz(&o);
	report();
	report_kinds();
	if (o.keep)
		save(o.keep);
	over = true;
	pthread_barrier_wait(&barrier);
	for (i = 0; i < NR_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	expect_lock_checks();
	return finish();
}
