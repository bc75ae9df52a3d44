// SPDX-License-Identifier: MIT
/* The targets: a table of what shmring is to reach, and a line of output for each. */
#include <math.h>
#include <string.h>

#include "filters.h"

#define OTHER_SHARE	5	/* a label with one in so many samples gets a table of its own */

struct target;

struct pick {
	const struct row *row;		/* NULL: none was measured */
	double v;
};

struct comparison {
	struct pick mine, theirs;
	double ratio;			/* NAN: not measured */
};

typedef struct comparison compare_fn(const struct run *run, const struct target *t, size_t size);

struct target {
	int nr;
	const char *figure;		/* with several sizes: without the size and the unit */
	enum test test;
	unsigned int rate;
	enum metric metric;
	filter_fn *mine, *theirs;
	compare_fn *compare;
	struct {
		size_t size;
		double bound;		/* of the ratio */
	} at[9];			/* up to one without a bound */
};

struct totals {
	unsigned int met, missed, unknown;
};

/* ------------------------------------------------------------------ picking */

/* Of all other metrics, times and CPU, less is better. */
static bool more_is_better(enum metric m)
{
	return m == MSGS_S;
}

static double figure_of(const struct run *run, const struct row *row, enum metric m)
{
	return row->test == SLEEP_PINGPONG ? row_median_asleep(run, row, m) :
					     row_median(run, row, m);
}

/* The contender with the highest or the lowest figure. Size 0: at any size. */
static struct pick extreme(const struct run *run, const struct target *t, size_t size,
			   enum metric m, filter_fn *filter, bool highest)
{
	struct pick p = { NULL, NAN };

	for (size_t i = 0; i < run->nr; i++) {
		const struct row *row = &run->rows[i];
		double v;

		if (row->test != t->test || (size && row->size != size) || row->rate != t->rate ||
		    !filter(row->contender))
			continue;
		v = figure_of(run, row, m);
		if (isnan(v) || (p.row && (highest ? v <= p.v : v >= p.v)))
			continue;
		p = (struct pick){ row, v };
	}
	return p;
}

static struct pick best(const struct run *run, const struct target *t, size_t size,
			enum metric m, filter_fn *filter)
{
	return extreme(run, t, size, m, filter, more_is_better(m));
}

/* -------------------------------------------------------------- comparisons */

static struct comparison compare(struct pick mine, struct pick theirs)
{
	return (struct comparison){ mine, theirs, mine.v / theirs.v };
}

static struct comparison best_to_best(const struct run *run, const struct target *t, size_t size)
{
	return compare(best(run, t, size, t->metric, t->mine),
		       best(run, t, size, t->metric, t->theirs));
}

/* Rows that differ in nothing but how they wait, or in nothing but how they copy. */
static bool is_pair(const struct row *a, const struct row *b)
{
	const struct contender *c = a->contender, *d = b->contender;

	return a->test == b->test && a->size == b->size && a->rate == b->rate &&
	       !strcmp(c->name, d->name) && (c->waiting == d->waiting) != (c->api == d->api);
}

/* The pair with the lowest ratio, of the pairs that were measured in both halves. */
static struct comparison worst_pair(const struct run *run, const struct target *t, size_t size)
{
	struct comparison worst = { { NULL, NAN }, { NULL, NAN }, NAN };

	for (size_t i = 0; i < run->nr * run->nr; i++) {
		const struct row *a = &run->rows[i / run->nr], *b = &run->rows[i % run->nr];
		struct comparison c;

		if (a->test != t->test || a->size != size || !is_pair(a, b) ||
		    !t->mine(a->contender) || !t->theirs(b->contender))
			continue;
		c = compare((struct pick){ a, row_median(run, a, t->metric) },
			    (struct pick){ b, row_median(run, b, t->metric) });
		if (!isnan(c.ratio) && !(c.ratio >= worst.ratio))
			worst = c;
	}
	return worst;
}

static struct comparison best_to_line(const struct run *run, const struct target *t, size_t size)
{
	struct comparison c = { best(run, t, size, t->metric, t->mine), { NULL, NAN }, NAN };

	if (c.mine.row) {
		c.theirs.v = row_median(run, c.mine.row, LINE_RTT);
		c.ratio = row_per_line(run, c.mine.row, t->metric);
	}
	return c;
}

/* The bound applies to the figure itself. */
static struct comparison worst_alone(const struct run *run, const struct target *t, size_t size)
{
	struct pick worst = extreme(run, t, size, t->metric, t->mine, !more_is_better(t->metric));

	return (struct comparison){ worst, { NULL, NAN }, worst.v };
}

/* shmring's row is the one with the least CPU time: one way to wait has to reach both bounds. */
static struct comparison least_cpu_to_best(const struct run *run, const struct target *t,
					   size_t size)
{
	struct pick mine = best(run, t, size, CPU_CORES, t->mine);

	if (mine.row)
		mine.v = row_median(run, mine.row, t->metric);
	return compare(mine, best(run, t, size, t->metric, t->theirs));
}

/* The ratio here, in a guest, in relation to the ratio on the host, which another run gave. */
static struct comparison best_to_host(const struct run *run, const struct target *t, size_t size)
{
	struct comparison c = best_to_best(run, t, size);

	c.ratio = run->set->host_factor > 0 ? c.ratio / run->set->host_factor : NAN;
	return c;
}

/* ---------------------------------------------------------------- the table */

#define AT_EVERY_SIZE(bound) \
	{ { 8, bound }, { 64, bound }, { 256, bound }, { 1024, bound }, { 4096, bound }, \
	  { 16384, bound }, { 65536, bound }, { 1048576, bound } }
#define AT_SMALL_SIZES(a, b, c, d)	{ { 8, a }, { 64, b }, { 256, c }, { 1024, d } }
#define AGAINST_PIPES	{ { 64, 10 }, { 4096, 2 }, { 65536, 4 } }

/* Number, figure, test, rate, metric; shmring's side, the other side, how to compare; bounds. */
static const struct target targets[] = {
	{ 1, "every message published", STREAM, 0, MSGS_S,
	  shmring, others, best_to_best, AT_SMALL_SIZES(1.5, 2, 1.5, 1.2) },
	{ 1, "slots: bare slots", STREAM, 0, MSGS_S,
	  shmring_slots, bare_slots, best_to_best, AT_SMALL_SIZES(0.85, 0.85, 0.85, 0.85) },
	{ 1, "records: bare records", STREAM, 0, MSGS_S,
	  shmring_records, bare_records, best_to_best, AT_SMALL_SIZES(0.85, 0.85, 0.85, 0.85) },
	{ 2, "batches", BATCH, 0, MSGS_S,
	  shmring, others, best_to_best, { { 8, 1 }, { 64, 1.2 }, { 256, 1 }, { 1024, 1 } } },
	{ 3, "copying", STREAM, 0, MSGS_S,
	  shmring_copying, others_copying, best_to_best, { { 4096, 1 }, { 65536, 1 } } },
	{ 3, "in place: copying", STREAM, 0, MSGS_S,
	  shmring_in_place, shmring_copying, worst_pair, AT_EVERY_SIZE(1) },
	{ 4, "round trip, 64 B, p50: line, us", PINGPONG, 0, RTT_P50,
	  shmring_spinning, NULL, best_to_line, { { 64, 1.3 } } },
	{ 4, "slots, round trip, 64 B, p50, us", PINGPONG, 0, RTT_P50,
	  shmring_slots, others_or_marked, best_to_best, { { 64, 1 } } },
	{ 4, "slots, round trip, 64 B, p99, us", PINGPONG, 0, RTT_P99,
	  shmring_slots, others_or_marked, best_to_best, { { 64, 1 } } },
	{ 4, "records, round trip, 64 B, p50, us", PINGPONG, 0, RTT_P50,
	  shmring_records, others_or_marked, best_to_best, { { 64, 1.15 } } },
	{ 4, "records, round trip, 64 B, p99, us", PINGPONG, 0, RTT_P99,
	  shmring_records, others_or_marked, best_to_best, { { 64, 1 } } },
	{ 5, "adaptive: spinning", STREAM, 0, MSGS_S,
	  shmring_adaptive, shmring_spinning, worst_pair, AT_EVERY_SIZE(0.95) },
	{ 6, "block: pipe", STREAM, 0, MSGS_S,
	  shmring_blocking, pipes, best_to_best, AGAINST_PIPES },
	{ 6, "adaptive: pipe", STREAM, 0, MSGS_S,
	  shmring_adaptive, pipes, best_to_best, AGAINST_PIPES },
	{ 7, "sleeping round trip, 64 B, us", SLEEP_PINGPONG, 0, RTT_P50,
	  shmring_blocking, sleeping_rivals, best_to_best, { { 64, 1.05 } } },
	{ 8, "idle, adaptive, cores", IDLE, 0, CPU_CORES,
	  shmring_adaptive, NULL, worst_alone, { { 0, 0.001 } } },
	{ 8, "idle, block, cores", IDLE, 0, CPU_CORES,
	  shmring_blocking, NULL, worst_alone, { { 0, 0.001 } } },
	{ 8, "adaptive, 10k msg/s, cores", PACED, 10000, CPU_CORES,
	  shmring_adaptive, others_sleeping, best_to_best, { { 64, 1.05 } } },
	{ 8, "adaptive, 100k msg/s, cores", PACED, 100000, CPU_CORES,
	  shmring_adaptive, others_sleeping, best_to_best, { { 64, 1.1 } } },
	{ 8, "adaptive, 100k msg/s, p50, us", PACED, 100000, ONEWAY_P50,
	  shmring_adaptive, pipes, least_cpu_to_best, { { 64, 1 } } },
	{ 8, "block, 10k msg/s, cores", PACED, 10000, CPU_CORES,
	  shmring_blocking, others_sleeping, best_to_best, { { 64, 1.05 } } },
	{ 8, "block, 100k msg/s, cores", PACED, 100000, CPU_CORES,
	  shmring_blocking, others_sleeping, best_to_best, { { 64, 1.1 } } },
	{ 8, "block, 100k msg/s, p50, us", PACED, 100000, ONEWAY_P50,
	  shmring_blocking, pipes, least_cpu_to_best, { { 64, 1 } } },
	{ 9, "spinning: textbook (: host's)", STREAM, 0, MSGS_S,
	  shmring_spinning, textbook, best_to_host, { { 64, 0.9 } } },
	{ 9, "sleeping round trip: pipe, us", SLEEP_PINGPONG, 0, RTT_P50,
	  shmring_blocking, pipes, best_to_best, { { 64, 1 } } },
};

/* ----------------------------------------------------------------- printing */

static void print_figure(const struct target *t, size_t size)
{
	char text[64];

	snprintf(text, sizeof(text), "%s, %zu B, M/s", t->figure, size);
	printf("%d  %-36s", t->nr, t->at[1].size ? text : t->figure);
}

static void print_pick(const struct pick *p, enum metric m)
{
	char label[CONTENDER_LABEL] = "-";
	double scale = m == MSGS_S ? 1e-6 : m == CPU_CORES ? 1 : 1e-3;

	if (p->row)
		contender_label(p->row->contender, label);
	printf(" %-31s", label);
	if (isnan(p->v))
		printf(" %9s", "-");
	else
		printf(" %9.*f", m == CPU_CORES ? 4 : 3, p->v * scale);
}

static void print_verdict(double ratio, double bound, bool more, struct totals *totals)
{
	bool met = more ? ratio >= bound : ratio <= bound;

	if (isnan(ratio)) {
		printf(" %8s  %s %-6g not measured\n", "-", more ? ">=" : "<=", bound);
		return;
	}
	printf(" %8.4g  %s %-6g %s\n", ratio, more ? ">=" : "<=", bound, met ? "met" : "MISSED");
	if (met)
		totals->met++;
	else
		totals->missed++;
}

static void print_target(const struct run *run, const struct target *t, struct totals *totals)
{
	for (size_t i = 0; t->at[i].bound > 0; i++) {
		struct comparison c = t->compare(run, t, t->at[i].size);

		totals->unknown += isnan(c.ratio);
		if (isnan(c.ratio) && !run->set->targets)
			continue;
		print_figure(t, t->at[i].size);
		print_pick(&c.mine, t->metric);
		print_pick(&c.theirs, t->metric);
		print_verdict(c.ratio, t->at[i].bound, more_is_better(t->metric), totals);
	}
}

/* If this is the host: the run in a guest needs the factor measured here. */
static void print_host_factor(const struct run *run, const struct target *t)
{
	struct comparison c = best_to_best(run, t, t->at[0].size);

	if (!(run->set->host_factor > 0) && !isnan(c.ratio))
		printf("%d  spinning: textbook is %.3g here: --host-factor for the guest's run\n",
		       t->nr, c.ratio);
}

static void print_table(const struct run *run, unsigned int used)
{
	struct totals totals = { 0 };

	printf("\ntargets: medians of the %u samples with label %s\n"
	       "#  %-36s %-31s %9s %-31s %9s %8s\n", used, label_names[run->label], "figure",
	       "shmring", "", "in relation to", "", "ratio");
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		print_target(run, &targets[i], &totals);
		if (targets[i].compare == best_to_host)
			print_host_factor(run, &targets[i]);
	}
	printf("%u met, %u missed, %u not measured\n", totals.met, totals.missed, totals.unknown);
}

/* Once more within each other label that many samples have: the cores were there for a while. */
void print_targets(const struct run *run)
{
	unsigned int count[NR_LABELS], all = count_labels(run, count);
	struct run other = *run;

	print_table(run, run->set->keep ? all : count[run->label]);
	for (int i = 0; i < NR_LABELS && !run->set->keep; i++) {
		other.label = (enum label)i;
		if (other.label != run->label && count[i] && count[i] * OTHER_SHARE >= all)
			print_table(&other, count[i]);
	}
}
