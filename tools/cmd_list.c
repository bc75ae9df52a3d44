// SPDX-License-Identifier: MIT
/*
 * shmring list: the module's rings from /proc/shmring, in columns as wide as
 * they need; without it the library's own, which are files.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define SHM_DIR		"/dev/shm"
#define SHM_PREFIX	"shmring."	/* what the library puts before a name */
#define MAX_COLUMNS	16

struct table {
	char ***rows;		/* of MAX_COLUMNS cells, unused ones NULL */
	size_t nr_rows;
};

/* Splits a copy of @line at blanks into a new row. */
static int add_row(struct table *t, const char *line)
{
	char ***rows = realloc(t->rows, (t->nr_rows + 1) * sizeof(*rows));
	char **row = calloc(MAX_COLUMNS, sizeof(*row));
	char *copy = strdup(line + strspn(line, " \t\n")), *save = NULL, *cell;
	size_t n = 0;

	if (rows)
		t->rows = rows;
	if (!rows || !row || !copy) {
		free(row);
		free(copy);
		return -ENOMEM;
	}
	for (cell = strtok_r(copy, " \t\n", &save); cell && n < MAX_COLUMNS;
	     cell = strtok_r(NULL, " \t\n", &save))
		row[n++] = cell;
	if (!n) {
		free(row);
		free(copy);
		return 0;
	}
	t->rows[t->nr_rows++] = row;	/* row[0] is where the copy begins */
	return 0;
}

static void free_table(struct table *t)
{
	for (size_t i = 0; i < t->nr_rows; i++) {
		free(t->rows[i][0]);
		free(t->rows[i]);
	}
	free(t->rows);
}

/* The name to the left, numbers to the right. */
static void print_table(const struct table *t)
{
	int width[MAX_COLUMNS] = { 0 };

	for (size_t i = 0; i < t->nr_rows; i++)
		for (size_t c = 0; c < MAX_COLUMNS && t->rows[i][c]; c++) {
			int len = (int)strlen(t->rows[i][c]);

			width[c] = len > width[c] ? len : width[c];
		}
	for (size_t i = 0; i < t->nr_rows; i++) {
		printf("%-*s", width[0], t->rows[i][0]);
		for (size_t c = 1; c < MAX_COLUMNS && t->rows[i][c]; c++)
			printf("  %*s", width[c], t->rows[i][c]);
		putchar('\n');
	}
}

static int read_proc(struct table *t, FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	int ret = 0;

	while (!ret && getline(&line, &size, f) >= 0)
		ret = add_row(t, line);
	if (!ret && ferror(f))
		ret = -EIO;
	free(line);
	return ret;
}

static int add_memfd(struct table *t, const char *name)
{
	struct shmring_info info;
	struct shmring *r;
	char line[160];
	int ret;

	/* Gone meanwhile, somebody else's, or no ring: not to be seen. */
	if (shmring_attach(&r, name, SHMRING_HANDLE))
		return 0;
	ret = shmring_get_info(r, &info);
	if (!ret) {
		snprintf(line, sizeof(line), "%s %" PRIu64 " %" PRIu64 " %d %d", name,
			 info.capacity, info.used,
			 info.producer_state == SHMRING_PEER_LIVE,
			 info.consumer_state == SHMRING_PEER_LIVE);
		ret = add_row(t, line);
	}
	shmring_close(r);
	return ret;
}

static int read_shm(struct table *t)
{
	struct dirent *entry;
	DIR *dir;
	int ret;

	if (setenv("SHMRING_BACKEND", "memfd", 1))
		return -errno;
	ret = add_row(t, "name capacity used producers consumers");
	dir = opendir(SHM_DIR);
	if (!dir)
		return ret;
	while (!ret && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, SHM_PREFIX, strlen(SHM_PREFIX)))
			ret = add_memfd(t, entry->d_name + strlen(SHM_PREFIX));
	}
	closedir(dir);
	return ret;
}

/* Of $SHMRING_BACKEND; NULL: either. As the library reads it. */
static const char *backend_insisted_on(void)
{
	const char *name = getenv("SHMRING_BACKEND");

	return name && *name && strcmp(name, "auto") ? name : NULL;
}

int cmd_list(const struct args *a)
{
	const char *backend = backend_insisted_on();
	struct table t = { 0 };
	const char *source = SHM_DIR;
	FILE *f = NULL;
	int ret;

	if (backend && strcmp(backend, "memfd") && strcmp(backend, "kmod"))
		return report(a, "$SHMRING_BACKEND", -EINVAL);
	if (!backend || strcmp(backend, "memfd")) {
		f = fopen("/proc/shmring", "re");
		if (f || backend)
			source = "/proc/shmring";
	}
	if (f)
		ret = read_proc(&t, f);
	else if (backend && strcmp(backend, "memfd"))
		ret = -errno;
	else
		ret = read_shm(&t);
	if (!ret)
		print_table(&t);
	free_table(&t);
	if (f)
		fclose(f);
	return ret ? report(a, source, ret) : EXIT_OK;
}
