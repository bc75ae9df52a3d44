// SPDX-License-Identifier: MIT
/* What shmring is to reach, what it reaches, and in comparison with whom. */
#include <math.h>
#include <string.h>

#include "bench.h"

#define OTHER_SHARE	5	/* one in so many samples is worth a table */

typedef bool filter_fn(const struct contender *c);

struct pick {
	const struct row *row;
	double v;
};

struct totals {
	unsigned int met, missed, unknown;
	bool all;		/* show what was not measured, too */
};

/* ------------------------------------------------------------------ filters */

static bool ours(const struct contender *c)
{
	return c->family == FAMILY_SHMRING;
}

static bool others(const struct contender *c)
{
	return c->family != FAMILY_SHMRING && c->family != FAMILY_FLOOR;
}

static bool ours_copying(const struct contender *c)
{
	return ours(c) && c->api == API_COPY;
}

static bool others_copying(const struct contender *c)
{
	return others(c) && c->api == API_COPY;
}

static bool ours_spin(const struct contender *c)
{
	return ours(c) && c->waiting == WAIT_SPIN;
}

static bool ours_block(const struct contender *c)
{
	return ours(c) && c->waiting == WAIT_BLOCK;
}

static bool ours_adaptive(const struct contender *c)
{
	return ours(c) && c->waiting == WAIT_ADAPTIVE;
}

static bool others_sleeping(const struct contender *c)
{
	return others(c) && (c->waiting == WAIT_BLOCK || c->waiting == WAIT_KERNEL);
}

static bool textbook(const struct contender *c)
{
	return c->family == FAMILY_TEXTBOOK;
}

static bool pipe_alone(const struct contender *c)
{
	return !strcmp(c->name, "pipe");
}

static bool fenced_futex(const struct contender *c)
{
	return !strcmp(c->name, "futex");
}

static bool sleeping_rivals(const struct contender *c)
{
	return pipe_alone(c) || fenced_futex(c) || !strcmp(c->name, "futex-membarrier") ||
	       !strcmp(c->name, "fifo") || !strcmp(c->name, "eventfd");
}

/* ------------------------------------------------------------------ picking */

struct which {
	enum test test;
	size_t size;
	unsigned int rate;
	enum metric metric;
	bool higher;		/* is better */
};

static bool row_is(const struct row *row, const struct which *w)
{
	return row->test == w->test && row->size == w->size && row->rate == w->rate;
}

static struct pick best(const struct run *run, const struct which *w, filter_fn *filter)
{
	struct pick p = { NULL, NAN };

	for (size_t i = 0; i < run->nr; i++) {
		const struct row *row = &run->rows[i];
		double v;

		if (!row_is(row, w) || !filter(row->contender))
			continue;
		v = row->test == SLEEP_PINGPONG ? row_median_asleep(run, row, w->metric) :
						  row_median(run, row, w->metric);
		if (isnan(v) || (p.row && (w->higher ? v <= p.v : v >= p.v)))
			continue;
		p = (struct pick){ row, v };
	}
	return p;
}

/* The row that differs in nothing but how it waits, or how it copies. */
static const struct row *brother(const struct run *run, const struct row *row,
				 enum waiting waiting, enum api api)
{
	for (size_t i = 0; i < run->nr; i++) {
		const struct row *r = &run->rows[i];

		if (r->test == row->test && r->size == row->size && r->rate == row->rate &&
		    !strcmp(r->contender->name, row->contender->name) &&
		    r->contender->waiting == waiting && r->contender->api == api)
			return r;
	}
	return NULL;
}

/* ------------------------------------------------------------------- lines */

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

static void print_verdict(double v, double target, bool higher, struct totals *t)
{
	bool met = higher ? v >= target : v <= target;

	if (isnan(v)) {
		printf(" %8s  %s %-6g not measured\n", "-", higher ? ">=" : "<=", target);
		return;
	}
	printf(" %8.4g  %s %-6g %s\n", v, higher ? ">=" : "<=", target, met ? "met" : "MISSED");
	if (met)
		t->met++;
	else
		t->missed++;
}

struct line_of {
	int nr;
	const char *figure;
	enum metric metric;
	struct pick mine, theirs;
	double ratio, target;
	bool higher;
};

static void print_line(const struct line_of *l, struct totals *t)
{
	t->unknown += isnan(l->ratio);
	if (isnan(l->ratio) && !t->all)
		return;
	printf("%d  %-34s", l->nr, l->figure);
	print_pick(&l->mine, l->metric);
	print_pick(&l->theirs, l->metric);
	print_verdict(l->ratio, l->target, l->higher, t);
}

/* The best of ours in relation to the best of theirs. */
static void relate(const struct run *run, int nr, const char *figure, const struct which *w,
		   filter_fn *our_filter, filter_fn *their_filter, double target, struct totals *t)
{
	struct line_of l = { nr, figure, w->metric, best(run, w, our_filter),
			     best(run, w, their_filter), NAN, target, w->higher };

	l.ratio = l.mine.v / l.theirs.v;
	print_line(&l, t);
}

static void throughputs(const struct run *run, int nr, const char *figure, enum test test,
			const size_t *sizes, const double *targets, size_t n,
			filter_fn *our_filter, filter_fn *their_filter, struct totals *t)
{
	for (size_t i = 0; i < n; i++) {
		struct which w = { test, sizes[i], 0, MSGS_S, true };
		char text[64];

		snprintf(text, sizeof(text), "%s, %zu B, M/s", figure, sizes[i]);
		relate(run, nr, text, &w, our_filter, their_filter, targets[i], t);
	}
}

/*
 * Ours against its brother, the worst case: (api, waiting) of both. Only what
 * is measured in both counts.
 */
static void worst_brother(const struct run *run, int nr, const char *figure, size_t size,
			  filter_fn *filter, enum waiting waiting, enum api api, double target,
			  struct totals *t)
{
	struct line_of l = { nr, figure, MSGS_S, { NULL, NAN }, { NULL, NAN }, NAN, target, true };

	for (size_t i = 0; i < run->nr; i++) {
		const struct row *row = &run->rows[i], *other;
		double v, o;

		if (row->test != STREAM || (size && row->size != size) || !filter(row->contender))
			continue;
		other = brother(run, row,
				waiting == WAIT_BUSY ? row->contender->waiting : waiting,
				api == API_BATCH ? row->contender->api : api);
		if (!other)
			continue;
		v = row_median(run, row, MSGS_S);
		o = row_median(run, other, MSGS_S);
		if (isnan(v / o) || v / o >= l.ratio)
			continue;
		l.mine = (struct pick){ row, v };
		l.theirs = (struct pick){ other, o };
		l.ratio = v / o;
	}
	print_line(&l, t);
}

/* --------------------------------------------------------------- the targets */

static bool ours_inplace(const struct contender *c)
{
	return ours(c) && c->api == API_INPLACE;
}

static const size_t every_size[] = { 8, 64, 256, 1024, 4096, 16384, 65536, 1048576 };

static void copying(const struct run *run, struct totals *t)
{
	static const size_t sizes[] = { 4096, 65536 };
	static const double least[] = { 1, 1 };

	throughputs(run, 3, "copying", STREAM, sizes, least, 2, ours_copying, others_copying, t);
	for (size_t i = 0; i < ARRAY_SIZE(every_size); i++) {
		char text[64];

		snprintf(text, sizeof(text), "in place: copying, %zu B, M/s", every_size[i]);
		worst_brother(run, 3, text, every_size[i], ours_inplace, WAIT_BUSY, API_COPY, 1, t);
	}
}

static void round_trip(const struct run *run, struct totals *t)
{
	struct which p50 = { PINGPONG, 64, 0, RTT_P50, false };
	struct which p99 = { PINGPONG, 64, 0, RTT_P99, false };
	struct line_of l = { 4, "round trip, 64 B, p50: line, us", RTT_P50,
			     best(run, &p50, ours_spin), { NULL, NAN }, NAN, 1.3, false };

	if (l.mine.row) {
		l.theirs.v = row_median(run, l.mine.row, LINE_RTT);
		l.ratio = row_per_line(run, l.mine.row, RTT_P50);
	}
	print_line(&l, t);
	relate(run, 4, "round trip, 64 B, p99, us", &p99, ours_spin, others, 1.2, t);
}

static void adaptive(const struct run *run, struct totals *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(every_size); i++) {
		char text[64];

		snprintf(text, sizeof(text), "adaptive: spinning, %zu B, M/s", every_size[i]);
		worst_brother(run, 5, text, every_size[i], ours_adaptive, WAIT_SPIN, API_BATCH,
			      0.95, t);
	}
}

static void against_pipe(const struct run *run, struct totals *t)
{
	static const size_t sizes[] = { 64, 4096, 65536 };
	static const double least[] = { 10, 2, 4 };

	throughputs(run, 6, "block: pipe", STREAM, sizes, least, 3, ours_block, pipe_alone, t);
	throughputs(run, 6, "adaptive: pipe", STREAM, sizes, least, 3, ours_adaptive, pipe_alone,
		    t);
}

/* Idle, the worst of ours; nobody to compare it with. */
static void idle(const struct run *run, const char *figure, filter_fn *filter, struct totals *t)
{
	struct which w = { IDLE, 64, 0, CPU_CORES, true };
	struct line_of l = { 8, figure, CPU_CORES, { NULL, NAN }, { NULL, NAN }, NAN, 0.001,
			     false };

	for (size_t i = 0; i < run->nr; i++)
		if (run->rows[i].test == IDLE)
			w.size = run->rows[i].size;
	l.mine = best(run, &w, filter);		/* the highest */
	l.ratio = l.mine.v;
	print_line(&l, t);
}

static void paced(const struct run *run, const char *name, filter_fn *filter, struct totals *t)
{
	struct which slow = { PACED, 64, 10000, CPU_CORES, false };
	struct which fast = { PACED, 64, 100000, CPU_CORES, false };
	struct which pipes = { PACED, 64, 100000, ONEWAY_P50, false };
	char text[64];
	struct line_of l = { 8, text, ONEWAY_P50, best(run, &fast, filter),
			     best(run, &pipes, pipe_alone), NAN, 1, false };

	snprintf(text, sizeof(text), "%s, 10k msg/s, cores", name);
	relate(run, 8, text, &slow, filter, others_sleeping, 1.05, t);
	snprintf(text, sizeof(text), "%s, 100k msg/s, cores", name);
	relate(run, 8, text, &fast, filter, fenced_futex, 1, t);
	snprintf(text, sizeof(text), "%s, 100k msg/s, p50, us", name);
	if (l.mine.row)
		l.mine.v = row_median(run, l.mine.row, ONEWAY_P50);
	l.ratio = l.mine.v / l.theirs.v;
	print_line(&l, t);
}

/* Two runs are needed, one of them in a guest. */
static void elsewhere(const struct run *run, struct totals *t)
{
	struct which stream = { STREAM, 64, 0, MSGS_S, true };
	struct which trip = { SLEEP_PINGPONG, 64, 0, RTT_P50, false };
	struct line_of l = { 9, "spinning: textbook (: host's)", MSGS_S,
			     best(run, &stream, ours_spin), best(run, &stream, textbook), NAN, 0.9,
			     true };
	double factor = l.mine.v / l.theirs.v;

	if (run->set->host_factor > 0)
		l.ratio = factor / run->set->host_factor;
	print_line(&l, t);
	if (!isnan(factor) && !(run->set->host_factor > 0))
		printf("9  spinning: textbook is %.3g here: --host-factor for the guest's run\n",
		       factor);
	relate(run, 9, "sleeping round trip: pipe, us", &trip, ours_block, pipe_alone, 1, t);
}

static void print_table(const struct run *run, unsigned int used)
{
	static const size_t small[] = { 8, 64, 256 }, batched[] = { 8, 64, 256, 1024 };
	static const double published[] = { 1.2, 1.2, 1.2 }, batches[] = { 1, 1.2, 1, 1 };
	struct which trip = { SLEEP_PINGPONG, 64, 0, RTT_P50, false };
	struct totals t = { .all = run->set->targets };

	printf("\ntargets: medians of the %u samples with label %s\n"
	       "#  %-34s %-31s %9s %-31s %9s %8s\n", used, label_names[run->label], "figure",
	       "shmring", "", "in relation to", "", "ratio");
	throughputs(run, 1, "every message published", STREAM, small, published, 3, ours, others,
		    &t);
	throughputs(run, 2, "batches", BATCH, batched, batches, 4, ours, others, &t);
	copying(run, &t);
	round_trip(run, &t);
	adaptive(run, &t);
	against_pipe(run, &t);
	relate(run, 7, "sleeping round trip, 64 B, us", &trip, ours_block, sleeping_rivals, 1.05,
	       &t);
	idle(run, "idle, adaptive, cores", ours_adaptive, &t);
	idle(run, "idle, block, cores", ours_block, &t);
	paced(run, "adaptive", ours_adaptive, &t);
	paced(run, "block", ours_block, &t);
	elsewhere(run, &t);
	printf("%u met, %u missed, %u not measured\n", t.met, t.missed, t.unknown);
}

/* And once more within each other label that the cores have been at for a while. */
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
