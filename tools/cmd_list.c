// SPDX-License-Identifier: MIT
/*
 * shmring list: the module's rings from /proc/shmring and the library's own, which are
 * files, in columns as wide as they need.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tool.h"

#define PROC		"/proc/shmring"
#define PROC_HEADER	"name owner mode capacity used producers consumers sleeps wakes refused"
#define SHM_DIR		"/dev/shm"
#define SHM_PREFIX	"shmring."	/* what the library puts before a name */
#define MAX_COLUMNS	16

struct table {
	char ***rows;		/* of MAX_COLUMNS cells, unused ones NULL */
	size_t nr_rows;
};

static void free_row(char **row)
{
	for (size_t c = 0; row && c < MAX_COLUMNS; c++)
		free(row[c]);
	free(row);
}

/* Adds a row of @backend: the cells of @line, which blanks part, and the backend second. */
static int add_row(struct table *t, const char *line, const char *backend)
{
	char ***rows = realloc(t->rows, (t->nr_rows + 1) * sizeof(*rows));
	char **row = calloc(MAX_COLUMNS, sizeof(*row));
	char *copy = strdup(line), *save = NULL, *cell;
	int ret = rows && row && copy ? 0 : -ENOMEM;
	size_t n = 0;

	if (rows)
		t->rows = rows;
	cell = ret ? NULL : strtok_r(copy, " \t\n", &save);
	while (!ret && cell && n < MAX_COLUMNS) {
		row[n] = strdup(n == 1 ? backend : cell);
		ret = row[n] ? 0 : -ENOMEM;
		if (n++ != 1)
			cell = strtok_r(NULL, " \t\n", &save);
	}
	free(copy);
	if (ret || !n)
		free_row(row);
	else
		t->rows[t->nr_rows++] = row;
	return ret;
}

static void free_table(struct table *t)
{
	for (size_t i = 0; i < t->nr_rows; i++)
		free_row(t->rows[i]);
	free(t->rows);
}

/* The name to the left, the rest to the right. */
static void print_table(const struct table *t)
{
	int width[MAX_COLUMNS] = { 0 };

	for (size_t i = 0; i < t->nr_rows; i++)
		for (size_t c = 0; c < MAX_COLUMNS && t->rows[i][c]; c++) {
			int len = (int)strlen(t->rows[i][c]);

			width[c] = len > width[c] ? len : width[c];
		}
	for (size_t i = 0; i < t->nr_rows; i++) {
		fprintf(out, "%-*s", width[0], t->rows[i][0]);
		for (size_t c = 1; c < MAX_COLUMNS && t->rows[i][c]; c++)
			fprintf(out, "  %*s", width[c], t->rows[i][c]);
		fputc('\n', out);
	}
}

/* Its first line is the header. */
static int read_proc(struct table *t, FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	int ret = 0;

	while (!ret && getline(&line, &size, f) >= 0)
		ret = add_row(t, line, t->nr_rows ? "kmod" : "backend");
	if (!ret && ferror(f))
		ret = -EIO;
	free(line);
	return ret;
}

/* What there is to say of a memfd ring in the @column of that title. */
static void print_cell(FILE *f, const char *column, const struct shmring_info *info,
		       const struct stat *st)
{
	if (!strcmp(column, "owner"))
		fprintf(f, " %u", (unsigned int)st->st_uid);
	else if (!strcmp(column, "mode"))
		fprintf(f, " %04o", (unsigned int)st->st_mode & 0777);
	else if (!strcmp(column, "capacity"))
		fprintf(f, " %" PRIu64, info->capacity);
	else if (!strcmp(column, "used"))
		fprintf(f, " %" PRIu64, info->used);
	else if (!strcmp(column, "producers"))
		fprintf(f, " %d", info->producer_state == SHMRING_PEER_LIVE);
	else if (!strcmp(column, "consumers"))
		fprintf(f, " %d", info->consumer_state == SHMRING_PEER_LIVE);
	else if (!strcmp(column, "refused"))
		fprintf(f, " %" PRIu64, info->refused);
	else
		fputs(" -", f);
}

static int add_memfd(struct table *t, const char *name)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD };
	char *line = NULL, **header = t->rows[0];
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *r;
	struct stat st;
	size_t size;
	FILE *f;
	int ret;

	/* Gone meanwhile, not the caller's to open, or no ring: not shown. */
	if (shmring_attach_opt(&r, name, &opt))
		return 0;
	ret = shmring_get_info(r, &info);
	if (!ret && fstat(shmring_fd(r), &st))
		ret = -errno;
	shmring_close(r);
	f = ret ? NULL : open_memstream(&line, &size);
	if (!f)
		return ret ? ret : -ENOMEM;
	fputs(name, f);
	for (size_t c = 2; c < MAX_COLUMNS && header[c]; c++)
		print_cell(f, header[c], &info, &st);
	ret = fclose(f) ? -ENOMEM : add_row(t, line, "memfd");
	free(line);
	return ret;
}

static int read_shm(struct table *t)
{
	struct dirent *entry;
	DIR *dir = opendir(SHM_DIR);
	int ret = 0;

	while (dir && !ret && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, SHM_PREFIX, strlen(SHM_PREFIX)))
			ret = add_memfd(t, entry->d_name + strlen(SHM_PREFIX));
	}
	if (dir)
		closedir(dir);
	return ret;
}

/* What --backend or $SHMRING_BACKEND names, read as the library reads it; NULL: either. */
static const char *backend_asked_for(const struct args *a)
{
	const char *name = getenv("SHMRING_BACKEND");

	if (a->opt.backend)
		return a->opt.backend == SHMRING_KMOD ? "kmod" : "memfd";

	return name && *name && strcmp(name, "auto") ? name : NULL;
}

/* @backend NULL: both. @source: what has failed. */
static int read_rings(struct table *t, const char *backend, const char **source)
{
	FILE *f = NULL;
	int ret = 0;

	*source = PROC;
	if (!backend || strcmp(backend, "memfd")) {
		f = fopen(PROC, "re");
		if (!f && backend)
			return -errno;
	}
	if (f) {
		ret = read_proc(t, f);
		fclose(f);
	}
	if (!ret && !t->nr_rows)
		ret = add_row(t, PROC_HEADER, "backend");
	if (ret || (backend && strcmp(backend, "memfd")))
		return ret;
	*source = SHM_DIR;
	return read_shm(t);
}

int cmd_list(const struct args *a)
{
	const char *backend = backend_asked_for(a), *source;
	struct table t = { 0 };
	int ret;

	if (backend && strcmp(backend, "memfd") && strcmp(backend, "kmod"))
		return report(a, "$SHMRING_BACKEND", -EINVAL);
	ret = read_rings(&t, backend, &source);
	if (!ret)
		print_table(&t);
	free_table(&t);
	return ret ? report(a, source, ret) : EXIT_OK;
}
