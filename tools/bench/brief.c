// SPDX-License-Identifier: MIT
/* The small table of `make run`: one row a contender, throughput and round trip. */
#include <math.h>

#include "bench.h"

static const struct {
	const char *name, *unit;
	enum metric metric;
	double scale;
	int digits;
} columns[] = {
	{ "throughput", "MB/s", MB_S, 1, 1 },
	{ "round trip", "p50 us", RTT_P50, 1e-3, 2 },
	{ "CPU time", "s", CPU_S, 1, 2 },
	{ "sys. calls", "/M msgs", SYSCALLS, 1, 0 },
	{ "switches", "/M msgs", SWITCHES, 1, 0 },
};

/* The row with the round trips of the contender and size of @stream. */
static const struct row *round_trips(const struct run *run, const struct row *stream)
{
	for (size_t i = 0; i < run->nr; i++) {
		const struct row *row = &run->rows[i];

		if ((row->test == PINGPONG || row->test == SLEEP_PINGPONG) &&
		    row->contender == stream->contender && row->size == stream->size)
			return row;
	}
	return NULL;
}

static void print_cells(const struct run *run, const struct row *stream)
{
	const struct row *trips = round_trips(run, stream);
	bool broken = stream->status == STATUS_BROKEN || (trips && trips->status == STATUS_BROKEN);

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		const struct row *row = columns[i].metric == RTT_P50 ? trips : stream;
		double v = row ? row_median(run, row, columns[i].metric) : NAN;

		if (broken || isnan(v))
			printf(" %11s", broken ? "BROKEN" : "-");
		else
			printf(" %11.*f", columns[i].digits, v * columns[i].scale);
	}
	putchar('\n');
}

static void print_titles(const struct row *row)
{
	printf("\n%zu byte messages\n%-27s", row->size, "");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		printf(" %11s", columns[i].name);
	printf("\n%-27s", "");
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		printf(" %11s", columns[i].unit);
	putchar('\n');
}

void print_brief(const struct run *run)
{
	size_t size = 0;

	print_header(run);
	printf("CPU time: both processes, of one throughput sample; system calls: to move\n"
	       "messages, to sleep and to wake\n");
	for (size_t i = 0; i < run->nr; i++) {
		const struct row *row = &run->rows[i];
		char name[CONTENDER_LABEL];

		if (row->test != STREAM)
			continue;
		if (row->size != size)
			print_titles(row);
		size = row->size;
		snprintf(name, sizeof(name), "%s %s", row->contender->name,
			 waiting_names[row->contender->waiting]);
		printf("%-27s", name);
		print_cells(run, row);
	}
}
