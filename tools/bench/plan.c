// SPDX-License-Identifier: MIT
/* The rows to be measured, the rounds, and the progress shown meanwhile. */
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loops.h"

#define TRIES		4	/* for a sample during which the cores stay where they are */
#define PAUSE_S		2.0	/* between two lines of progress */
#define OVERHEAD_S	0.015	/* two forks, two floors */
#define USUAL_SIZE	64

static const size_t stream_sizes[] = { 8, 64, 256, 1024, 4096, 16384, 65536, 1048576 };
static const size_t batch_sizes[] = { 8, 64, 256, 1024, 4096 };
static const size_t latency_sizes[] = { 64, 4096 };
static const size_t usual_size[] = { USUAL_SIZE };

struct progress {
	double planned, done;	/* seconds */
	uint64_t start, said;
	unsigned int round;
};

/* -------------------------------------------------------------------- rows */

/* Is the same contender there in place? Some tests measure it only once, to save time. */
static bool has_inplace(const struct contender *list, const struct contender *c)
{
	for (; list->name; list++)
		if (list->api == API_INPLACE && !strcmp(list->name, c->name) &&
		    list->waiting == c->waiting)
			return true;
	return false;
}

static bool sleeps(const struct contender *c)
{
	return c->waiting == WAIT_BLOCK || c->waiting == WAIT_KERNEL;
}

static bool takes_part(const struct contender *list, const struct contender *c, enum test test)
{
	if ((test == FLOOR) != (c->family == FAMILY_FLOOR))
		return false;
	if ((test == BATCH) != (c->api == API_BATCH))
		return false;
	switch (test) {
	case PINGPONG:
		return !sleeps(c);
	case SLEEP_PINGPONG:
		return sleeps(c);
	case PACED:
	case IDLE:
		return c->family != FAMILY_BARE &&
		       (c->api == API_INPLACE || !has_inplace(list, c));
	default:
		return true;
	}
}

/* The floor is always wanted; a broken contender only if --contenders names it. */
static bool wanted(const struct settings *set, const regex_t *re, const struct contender *list,
		   const struct contender *c)
{
	char label[CONTENDER_LABEL];

	if (c->family == FAMILY_FLOOR)
		return true;
	if (list == broken_contenders && !(set->contenders && strstr(set->contenders, "broken")))
		return false;
	contender_label(c, label);
	return !set->contenders || !regexec(re, label, 0, NULL, 0);
}

/* A list with commas is an alternative. */
static int compile(regex_t *re, const char *list)
{
	char *text = strdup(list ? list : "");
	int ret;

	if (!text)
		return -ENOMEM;
	for (char *p = text; *p; p++)
		if (*p == ',')
			*p = '|';
	ret = regcomp(re, text, REG_EXTENDED | REG_NOSUB);
	free(text);
	return ret ? -EINVAL : 0;
}

static size_t sizes_of(const struct settings *set, enum test test, const size_t **sizes)
{
	bool one = test == PACED || test == IDLE;

	if (set->nr_sizes) {
		*sizes = set->sizes;
		for (size_t i = 0; one && i < set->nr_sizes; i++)
			if (set->sizes[i] == USUAL_SIZE)
				*sizes = &set->sizes[i];
		return one ? 1 : set->nr_sizes;
	}
	switch (test) {
	case STREAM:
	case FLOOR:
		*sizes = stream_sizes;
		return ARRAY_SIZE(stream_sizes);
	case BATCH:
		*sizes = batch_sizes;
		return ARRAY_SIZE(batch_sizes);
	case PINGPONG:
	case SLEEP_PINGPONG:
		*sizes = latency_sizes;
		return ARRAY_SIZE(latency_sizes);
	default:
		*sizes = usual_size;
		return 1;
	}
}

/* At least four messages, and a power of two, which shmring needs; all have the same. */
static size_t capacity_of(const struct settings *set, size_t size)
{
	size_t capacity = 4096;

	while (capacity < set->capacity || capacity < 4 * size)
		capacity *= 2;
	return capacity;
}

static int add_row(struct run *run, enum test test, const struct contender *c, size_t size,
		   unsigned int rate)
{
	struct row *rows = realloc(run->rows, (run->nr + 1) * sizeof(*rows));
	struct row *row;

	if (!rows)
		return -ENOMEM;
	run->rows = rows;
	row = &rows[run->nr++];
	*row = (struct row){ .test = test, .contender = c, .size = size, .rate = rate,
			     .capacity = capacity_of(run->set, size) };
	row->samples = calloc(run->set->rounds, sizeof(*row->samples));
	return row->samples ? 0 : -ENOMEM;
}

static int add_rows(struct run *run, const regex_t *re, enum test test, size_t size,
		    unsigned int rate)
{
	const struct contender_list *l;
	const struct contender *c;
	int ret = 0;

	for (l = contender_lists; l->list || l->missing; l++)
		for (c = l->list; c && c->name && !ret; c++)
			if (takes_part(l->list, c, test) && wanted(run->set, re, l->list, c))
				ret = add_row(run, test, c, size, rate);
	return ret;
}

static int add_test(struct run *run, const regex_t *re, enum test test)
{
	const struct settings *set = run->set;
	const size_t *sizes;
	size_t nr = sizes_of(set, test, &sizes);
	int ret = 0;

	for (size_t i = 0; i < nr && !ret; i++) {
		if (test != PACED)
			ret = add_rows(run, re, test, sizes[i], 0);
		for (size_t k = 0; test == PACED && k < set->nr_rates && !ret; k++)
			ret = add_rows(run, re, test, sizes[i], set->rates[k]);
	}
	return ret;
}

/* Every plan has the floor, which is enough if no contenders were asked for. */
static bool any_contender(const struct run *run)
{
	for (size_t i = 0; i < run->nr; i++)
		if (run->rows[i].test != FLOOR || !run->set->contenders)
			return true;
	return false;
}

int make_plan(struct run *run)
{
	regex_t re;
	int ret = compile(&re, run->set->contenders);

	if (ret)
		return ret;
	for (int test = 0; test < NR_TESTS && !ret; test++)
		if (run->set->tests[test])
			ret = add_test(run, &re, (enum test)test);
	regfree(&re);
	return ret || any_contender(run) ? ret : -ENOENT;
}

void free_plan(struct run *run)
{
	for (size_t i = 0; i < run->nr; i++)
		free(run->rows[i].samples);
	free(run->rows);
	run->rows = NULL;
	run->nr = 0;
}

/* ---------------------------------------------------------------- progress */

static void say_progress(const struct run *run, struct progress *p, const struct row *row)
{
	uint64_t now = bench_now();
	double took = (double)(now - p->start) / 1e9, left;

	if (p->said && (double)(now - p->said) / 1e9 < PAUSE_S)
		return;
	p->said = now;
	left = p->done > 0 ? took * (p->planned - p->done) / p->done : p->planned;
	fprintf(stderr, "bench: %3.0f%%, about %.0f s left; round %u of %u, %s, %zu bytes\n",
		100 * p->done / p->planned, ceil(left), p->round + 1, run->set->rounds,
		test_names[row->test], row->size);
}

static void start_progress(const struct run *run, struct progress *p)
{
	*p = (struct progress){ .start = bench_now() };
	for (size_t i = 0; i < run->nr; i++)
		p->planned += run->set->rounds *
			      (sample_seconds(run->set, &run->rows[i]) + OVERHEAD_S);
}

/* ------------------------------------------------------------------ rounds */

/* A contender that hangs once hangs at every size, and each time costs a timeout. */
static void give_up(struct run *run, const struct contender *c)
{
	for (size_t i = 0; i < run->nr; i++) {
		if (run->rows[i].contender != c || run->rows[i].status != STATUS_OK)
			continue;
		run->rows[i].status = STATUS_BROKEN;
		run->rows[i].why = -ETIMEDOUT;
	}
}

static void fail(struct run *run, struct row *row, int error)
{
	char label[CONTENDER_LABEL];

	row->why = error;
	/* shmring must work on every machine and at every size. */
	if (cannot(error) && row->contender->family != FAMILY_SHMRING) {
		row->status = STATUS_SKIPPED;
		return;
	}
	row->status = STATUS_BROKEN;
	run->broken = true;
	contender_label(row->contender, label);
	fprintf(stderr, "bench: %s, %s, %zu bytes: BROKEN: %s\n", label, test_names[row->test],
		row->size, why(error));
	if (error == -ETIMEDOUT)
		give_up(run, row->contender);
}

static void measure(struct run *run, struct row *row, unsigned int round)
{
	struct figures f = { .round = round };
	int ret = 0;

	if (row->status != STATUS_OK)
		return;
	for (int i = 0; i < TRIES; i++) {
		ret = take_sample(run->set, row, &f);
		if (ret != -ESTALE || run->set->keep)
			break;
		row->dropped++;
		run->dropped++;
	}
	if (ret && ret != -ESTALE) {
		fail(run, row, ret);
	} else if (!ret || run->set->keep) {
		f.round = round;
		row->samples[row->nr++] = f;
	}
}

static bool same_table(const struct row *a, const struct row *b)
{
	return a->test == b->test && a->size == b->size && a->rate == b->rate;
}

/* The order turns each round: each contender leaves the caches to another successor. */
static void run_table(struct run *run, struct progress *p, struct row *rows, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct row *row = &rows[(i + p->round * 7) % nr];

		say_progress(run, p, row);
		measure(run, row, p->round);
		p->done += sample_seconds(run->set, row) + OVERHEAD_S;
	}
}

/* Interleaved: a disturbance of the machine that lasts a while reaches all contenders. */
int run_plan(struct run *run)
{
	struct progress p;

	start_progress(run, &p);
	for (p.round = 0; p.round < run->set->rounds; p.round++) {
		for (size_t i = 0, nr; i < run->nr; i += nr) {
			for (nr = 1; i + nr < run->nr; nr++)
				if (!same_table(&run->rows[i], &run->rows[i + nr]))
					break;
			run_table(run, &p, &run->rows[i], nr);
		}
	}
	run->label = common_label(run);
	return 0;
}
