// SPDX-License-Identifier: MIT
/*
 * For programs: lines "# key=value", then a header, then one line for each
 * figure of each sample. A row that is broken or was skipped has one line
 * without a metric and a value, and so has a library that was not there.
 */
#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench.h"

const char *cpu_model(void)
{
	static char line[256];
	FILE *info = fopen("/proc/cpuinfo", "r");
	char *value = NULL;

	while (info && !value && fgets(line, sizeof(line), info))
		if (!strncmp(line, "model name", 10) || !strncmp(line, "CPU implementer", 15))
			value = strchr(line, ':');
	if (info)
		fclose(info);
	if (!value)
		return "unknown CPU";
	value[strcspn(value, "\n")] = 0;
	return value + 1 + strspn(value + 1, " ");
}

static void write_keys(const struct run *run, FILE *f)
{
	const struct settings *set = run->set;
	time_t now = time(NULL);
	char date[32] = "";
	struct tm tm;
	struct utsname u;

	if (gmtime_r(&now, &tm))
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &tm);
	uname(&u);
	fprintf(f, "# date=%s\n# kernel=%s\n# machine=%s\n# cpu=%s\n", date, u.release, u.machine,
		cpu_model());
	fprintf(f, "# ncpus=%d\n# backend=%s\n# seconds=%g\n# rounds=%u\n# floor_label=%s\n",
		set->nr_cpus, run->backend, set->seconds, set->rounds, label_names[run->label]);
}

static void write_row_start(const struct row *row, FILE *f)
{
	const struct contender *c = row->contender;

	fprintf(f, "%s,%s,%s,%s,%s,%zu,%zu,%u,", test_names[row->test], c->name,
		family_names[c->family], waiting_names[c->waiting],
		c->family == FAMILY_FLOOR ? "" : api_names[c->api], row->size, row->capacity,
		row->rate);
}

static void write_sample(const struct row *row, const struct figures *s, FILE *f)
{
	for (int m = 0; m < NR_METRICS; m++) {
		if (isnan(s->v[m]))
			continue;
		write_row_start(row, f);
		fprintf(f, "%u,%s,%.9g,%s,ok\n", s->round + 1, metric_names[m], s->v[m],
			label_names[s->label]);
	}
}

static void write_row(const struct row *row, FILE *f)
{
	for (unsigned int i = 0; i < row->nr; i++)
		write_sample(row, &row->samples[i], f);
	write_row_start(row, f);
	if (row->status == STATUS_OK)
		fprintf(f, "0,dropped,%u,,ok\n", row->dropped);
	else
		fprintf(f, "0,,,,%s\n", row->status == STATUS_BROKEN ? "broken" : "skipped");
}

static void write_missing(FILE *f)
{
	for (const struct contender_list *l = contender_lists; l->list || l->missing; l++)
		if (l->missing)
			fprintf(f, "stream,%.*s,ring,,,0,0,0,0,,,,skipped\n",
				(int)strcspn(l->missing, " "), l->missing);
}

int write_csv(const struct run *run, const char *path)
{
	bool to_stdout = !strcmp(path, "-");
	FILE *f = to_stdout ? stdout : fopen(path, "w");
	int ret;

	if (!f)
		return -errno;
	write_keys(run, f);
	fputs("test,contender,family,wait,api,size,capacity,rate,round,metric,value,label,status\n",
	      f);
	for (size_t i = 0; i < run->nr; i++)
		write_row(&run->rows[i], f);
	write_missing(f);
	ret = fflush(f) || ferror(f) ? -EIO : 0;
	if (!to_stdout && fclose(f))
		ret = -errno;
	return ret;
}
