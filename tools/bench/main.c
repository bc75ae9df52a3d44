// SPDX-License-Identifier: MIT
/* The benchmark, from the command line to the tables. bench.h lists its files. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <shmring.h>

#include "bench.h"

/* The first two CPUs, unless some are asked for; one, if there is one. */
static void find_cpus(struct settings *s)
{
	bool given = s->cpus[0] != s->cpus[1];
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (s->nr_cpus < 2 && !given)
			s->cpus[s->nr_cpus] = cpu;
		s->nr_cpus++;
	}
	if (s->nr_cpus == 1)
		s->cpus[1] = s->cpus[0];
}

static int find_backend(const struct settings *s, const char **name)
{
	const struct shmring_options opt = { .backend = (enum shmring_backend_id)s->backend };
	struct shmring *r;
	int ret = shmring_create(&r, NULL, &opt);

	if (ret) {
		fprintf(stderr, "bench: cannot make a ring: %s\n", shmring_strerror(ret));
		if (ret == -ENODEV)
			fputs("bench: load the module, or say --backend memfd\n", stderr);
		return ret;
	}
	*name = shmring_backend_name(r);
	shmring_close(r);
	return 0;
}

static int print(const struct run *run)
{
	const struct settings *set = run->set;
	int ret = 0;

	if (set->csv)
		ret = write_csv(run, set->csv);
	if (ret)
		fprintf(stderr, "bench: %s: %s\n", set->csv, strerror(-ret));
	if (set->csv && !strcmp(set->csv, "-"))
		return ret;
	if (set->brief) {
		print_brief(run);
		return ret;
	}
	if (set->targets)
		print_header(run);
	else
		print_tables(run);
	print_targets(run);
	return ret;
}

static int measure(struct run *run)
{
	int ret = make_plan(run);

	if (!ret)
		ret = run_plan(run);
	if (ret)
		fprintf(stderr, "bench: %s\n",
			ret == -ENOENT ? "no contender matches" :
			ret == -EINVAL ? "not a regular expression" : strerror(-ret));
	else
		ret = print(run);
	free_plan(run);
	return ret;
}

int main(int argc, char **argv)
{
	struct settings set = { .hang_ms = 15000 };
	struct run run = { .set = &set };

	parse_options(&set, argc, argv);
	find_cpus(&set);
	clock_init();
	if (find_backend(&set, &run.backend))
		return 1;
	if (set.self_test)
		return self_test(&set, run.backend) != 0;
	return measure(&run) || run.broken;
}
