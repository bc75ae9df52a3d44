// SPDX-License-Identifier: MIT
/* The tables: one for each test, size and rate; best first. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "bench.h"

#define MAX_TABLE	128	/* rows */

/* What a table's column shows. */
enum shows { MEDIAN, RANGE, PER_BEST, PER_LINE, PER_MEMCPY };

struct column {
	const char *name, *unit;
	enum shows shows;
	enum metric metric;
	double scale;
	int digits;
};

struct layout {
	const char *title;
	bool higher;			/* is better */
	enum metric key;		/* to sort by */
	struct column columns[14];	/* up to one without a name */
};

#define COUNTS \
	{ "calls", "/M msgs", MEDIAN, SYSCALLS, 1, 0 }, \
	{ "switches", "/M msgs", MEDIAN, SWITCHES, 1, 0 }, \
	{ "wakes", "/M msgs", MEDIAN, WAKES, 1, 0 }

#define STREAM_COLUMNS { \
	{ "messages", "M/s", MEDIAN, MSGS_S, 1e-6, 3 }, \
	{ "min..max", "M/s", RANGE, MSGS_S, 1e-6, 2 }, \
	{ "throughput", "MB/s", MEDIAN, MB_S, 1, 1 }, \
	{ "to best", "", PER_BEST, MSGS_S, 1, 2 }, \
	{ "to memcpy", "", PER_MEMCPY, MB_S, 1, 3 }, \
	{ "CPU", "cores", MEDIAN, CPU_CORES, 1, 2 }, \
	COUNTS }

#define PINGPONG_COLUMNS { \
	{ "p50", "us", MEDIAN, RTT_P50, 1e-3, 3 }, \
	{ "min..max", "us", RANGE, RTT_P50, 1e-3, 2 }, \
	{ "p99", "us", MEDIAN, RTT_P99, 1e-3, 3 }, \
	{ "p99.9", "us", MEDIAN, RTT_P999, 1e-3, 2 }, \
	{ "max", "us", MEDIAN, RTT_MAX, 1e-3, 0 }, \
	{ "to best", "", PER_BEST, RTT_P50, 1, 2 }, \
	{ "to line", "", PER_LINE, RTT_P50, 1, 2 }, \
	{ "CPU", "cores", MEDIAN, CPU_CORES, 1, 2 }, \
	COUNTS }

static const struct layout layouts[NR_TESTS] = {
	[STREAM] = { "throughput", true, MSGS_S, STREAM_COLUMNS },
	[BATCH] = { "throughput in batches", true, MSGS_S, STREAM_COLUMNS },
	[PINGPONG] = { "round trip, not sleeping", false, RTT_P50, PINGPONG_COLUMNS },
	[SLEEP_PINGPONG] = { "round trip, sleeping", false, RTT_P50, PINGPONG_COLUMNS },
	[PACED] = { "one way", false, CPU_CORES, {
		{ "CPU", "cores", MEDIAN, CPU_CORES, 1, 3 },
		{ "min..max", "cores", RANGE, CPU_CORES, 1, 2 },
		{ "to best", "", PER_BEST, CPU_CORES, 1, 2 },
		{ "CPU time", "s", MEDIAN, CPU_S, 1, 3 },
		{ "p50", "us", MEDIAN, ONEWAY_P50, 1e-3, 3 },
		{ "p99", "us", MEDIAN, ONEWAY_P99, 1e-3, 2 },
		{ "p99.9", "us", MEDIAN, ONEWAY_P999, 1e-3, 1 },
		{ "to line", "", PER_LINE, ONEWAY_P50, 1, 2 },
		{ "messages", "k/s", MEDIAN, MSGS_S, 1e-3, 1 },
		COUNTS } },
	[IDLE] = { "idle, waiting for a message", false, CPU_CORES, {
		{ "CPU", "cores", MEDIAN, CPU_CORES, 1, 5 },
		{ "min..max", "cores", RANGE, CPU_CORES, 1, 4 },
		{ "to best", "", PER_BEST, CPU_CORES, 1, 1 } } },
	[FLOOR] = { "memcpy on one core", true, MEMCPY, {
		{ "memcpy", "GB/s", MEDIAN, MEMCPY, 1, 2 },
		{ "min..max", "GB/s", RANGE, MEMCPY, 1, 1 },
		{ "cache line", "ns", MEDIAN, LINE_RTT, 1, 0 } } },
};

struct table {
	const struct run *run;
	const struct layout *layout;
	const struct row *rows[MAX_TABLE];
	double key[MAX_TABLE];
	size_t nr;
	double best;
};

static bool better(const struct table *t, double a, double b)
{
	return isnan(b) || (t->layout->higher ? a > b : a < b);
}

/* Insert the row in order, from best to worst; rows without a figure go last. */
static void insert(struct table *t, const struct row *row)
{
	double key = row_median(t->run, row, t->layout->key);
	size_t i;

	if (t->nr == MAX_TABLE)
		return;
	for (i = t->nr++; i && !isnan(key) && better(t, key, t->key[i - 1]); i--) {
		t->rows[i] = t->rows[i - 1];
		t->key[i] = t->key[i - 1];
	}
	t->rows[i] = row;
	t->key[i] = key;
}

static double value_of(const struct table *t, const struct row *row, const struct column *c)
{
	switch (c->shows) {
	case PER_BEST:
		return row_median(t->run, row, c->metric) / t->best;
	case PER_LINE:
		return row_per_line(t->run, row, c->metric);
	case PER_MEMCPY:
		return row_median(t->run, row, c->metric) / (memcpy_gb_s(t->run) * 1000);
	default:
		return row_median(t->run, row, c->metric) * c->scale;
	}
}

static void print_range(const struct table *t, const struct row *row, const struct column *c)
{
	char text[64];
	double min, max;

	row_range(t->run, row, c->metric, &min, &max);
	snprintf(text, sizeof(text), "%.*f..%.*f", c->digits, min * c->scale, c->digits,
		 max * c->scale);
	printf(" %15s", isnan(min) ? "-" : text);
}

static void print_cell(const struct table *t, const struct row *row, const struct column *c)
{
	double v;

	if (c->shows == RANGE) {
		print_range(t, row, c);
		return;
	}
	v = value_of(t, row, c);
	if (isnan(v) || isinf(v))
		printf(" %10s", "-");
	else
		printf(" %10.*f", c->digits && v > 0 && v < 0.1 ? c->digits + 2 : c->digits, v);
}

static void print_row(const struct table *t, const struct row *row)
{
	char label[CONTENDER_LABEL];

	contender_label(row->contender, label);
	printf("  %-32s", label);
	if (row->status != STATUS_OK)
		printf(" %10s  %s", row->status == STATUS_BROKEN ? "BROKEN" : "-", why(row->why));
	else if (isnan(row_median(t->run, row, t->layout->key)))
		printf(" %10s  no steady sample (%u dropped)", "-", row->dropped);
	else
		for (const struct column *c = t->layout->columns; c->name; c++)
			print_cell(t, row, c);
	putchar('\n');
}

static void print_titles(const struct table *t)
{
	const struct row *row = t->rows[0];

	printf("\n%s: %zu byte messages, %zu KiB", t->layout->title, row->size,
	       row->capacity / 1024);
	if (row->rate)
		printf(", %u messages/s", row->rate);
	printf("\n  %-32s", "");
	for (const struct column *c = t->layout->columns; c->name; c++)
		printf(" %*s", c->shows == RANGE ? 15 : 10, c->name);
	printf("\n  %-32s", "");
	for (const struct column *c = t->layout->columns; c->name; c++)
		printf(" %*s", c->shows == RANGE ? 15 : 10, c->unit);
	putchar('\n');
}

static void print_table(const struct run *run, const struct row *rows, size_t nr)
{
	struct table t = { .run = run, .layout = &layouts[rows->test], .best = NAN };

	for (size_t i = 0; i < nr; i++)
		insert(&t, &rows[i]);
	t.best = t.key[0];
	print_titles(&t);
	for (size_t i = 0; i < t.nr; i++)
		print_row(&t, t.rows[i]);
}

static void print_missing(void)
{
	for (const struct contender_list *l = contender_lists; l->list || l->missing; l++)
		if (l->missing)
			printf("skipped, not there when this was built: %s\n", l->missing);
}

static void print_floor(const struct run *run)
{
	double v[MAX_ROUNDS];
	unsigned int n = 0, all = 0, used = 0;

	for (size_t i = 0; i < run->nr; i++) {
		for (unsigned int k = 0; k < run->rows[i].nr; k++) {
			all++;
			used += row_counts(run, &run->rows[i].samples[k]);
		}
		/* MAX_ROUNDS rows are enough for this line: ratios use their own sample's. */
		if (n < MAX_ROUNDS && !isnan(row_median(run, &run->rows[i], LINE_RTT)))
			v[n++] = row_median(run, &run->rows[i], LINE_RTT);
	}
	printf("floor: a cache line there and back in %.0f ns; label %s, %u of %u samples",
	       median_of(v, n), label_names[run->label], used, all);
	printf("; %u dropped because the cores moved or were busy\n", run->dropped);
}

void print_header(const struct run *run)
{
	const struct settings *set = run->set;
	struct utsname u;

	uname(&u);
	printf("Linux %s %s on %d CPU%s (%s), backend %s;\nmedians of %u round%s of %g s%s\n",
	       u.release, u.machine, set->nr_cpus, set->nr_cpus == 1 ? "" : "s", cpu_model(),
	       run->backend, set->rounds, set->rounds == 1 ? "" : "s", set->seconds,
	       set->check ? ", every byte checked" : "");
}

void print_tables(const struct run *run)
{
	size_t nr;

	print_header(run);
	print_floor(run);
	print_missing();
	printf("CPU: of both processes, less what the sender spends waiting for its time; calls,\n"
	       "wakes: system calls, counted where they are made; switches: of context\n");
	for (size_t i = 0; i < run->nr; i += nr) {
		const struct row *first = &run->rows[i];

		for (nr = 1; i + nr < run->nr && first[nr].test == first->test &&
		     first[nr].size == first->size && first[nr].rate == first->rate; nr++)
			;
		print_table(run, first, nr);
	}
}
