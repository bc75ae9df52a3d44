// SPDX-License-Identifier: MIT
/* shmring list: a line for each ring, in columns as wide as they need. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const char *const titles[] = {
	"name", "backend", "owner", "mode", "capacity", "used", "producers", "consumers",
	"sleeps", "wakes", "refused", "id", "prod-pid", "cons-pid", "ipc-ns", "group",
	"flags", "lanes",
};

#define NR_COLUMNS	(sizeof(titles) / sizeof(*titles))
#define CELL_SIZE	SHMRING_NAME_MAX	/* the longest is a name */

typedef char row_t[NR_COLUMNS][CELL_SIZE];

struct table {
	row_t *rows;
	size_t nr_rows;
};

/* The next cell of the row at *@cell. */
static void put_text(char (**cell)[CELL_SIZE], const char *text)
{
	snprintf(*(*cell)++, CELL_SIZE, "%s", text);
}

static void put_number(char (**cell)[CELL_SIZE], uint64_t n)
{
	snprintf(*(*cell)++, CELL_SIZE, "%" PRIu64, n);
}

static void put_flags(char (**cell)[CELL_SIZE], uint64_t flags)
{
	static const char *const names[] = {
		"-", "persist", "queue", "persist,queue",
		"marks", "persist,marks", "queue,marks", "persist,queue,marks",
	};

	put_text(cell, names[(flags & SHMRING_PERSIST ? 1 : 0) | (flags & SHMRING_QUEUE ? 2 : 0) |
			     (flags & SHMRING_MARKS ? 4 : 0)]);
}

/* In the order of the titles. */
static void fill_row(row_t row, const struct shmring_info *info)
{
	char (*cell)[CELL_SIZE] = row;

	put_text(&cell, *info->name ? info->name : "-");
	put_text(&cell, info->backend == SHMRING_KMOD ? "kmod" : "memfd");
	put_number(&cell, info->owner);
	snprintf(*cell++, CELL_SIZE, "%04" PRIo32, info->mode);
	put_number(&cell, info->capacity);
	put_number(&cell, info->used);
	put_number(&cell, info->producers);
	put_number(&cell, info->consumers);
	put_number(&cell, info->sleeps);
	put_number(&cell, info->wakes);
	put_number(&cell, info->refused);
	put_number(&cell, info->id);
	put_number(&cell, info->producer_pid);
	put_number(&cell, info->consumer_pid);
	if (info->ipc_ns)
		put_number(&cell, info->ipc_ns);
	else
		put_text(&cell, "-");
	put_number(&cell, info->group);
	put_flags(&cell, info->flags);
	put_number(&cell, info->nr_lanes);
}

static int add_row(const struct shmring_info *info, void *arg)
{
	struct table *t = arg;
	row_t *rows = realloc(t->rows, (t->nr_rows + 1) * sizeof(*rows));

	if (!rows)
		return -ENOMEM;
	t->rows = rows;
	fill_row(rows[t->nr_rows++], info);
	return 0;
}

/* The name to the left, the rest to the right. */
static void print_cell(size_t column, int width, const char *text)
{
	fprintf(out, column ? "  %*s" : "%-*s", width, text);
	if (column == NR_COLUMNS - 1)
		fputc('\n', out);
}

static void print_table(const struct table *t)
{
	int width[NR_COLUMNS], len;

	for (size_t c = 0; c < NR_COLUMNS; c++) {
		width[c] = (int)strlen(titles[c]);
		for (size_t i = 0; i < t->nr_rows; i++) {
			len = (int)strlen(t->rows[i][c]);
			width[c] = len > width[c] ? len : width[c];
		}
	}
	for (size_t c = 0; c < NR_COLUMNS; c++)
		print_cell(c, width[c], titles[c]);
	for (size_t i = 0; i < t->nr_rows; i++)
		for (size_t c = 0; c < NR_COLUMNS; c++)
			print_cell(c, width[c], t->rows[i][c]);
}

int cmd_list(const struct args *a)
{
	struct table t = { 0 };
	int ret = shmring_list(&a->opt, add_row, &t);

	if (!ret)
		print_table(&t);
	free(t.rows);
	return ret ? fail_verb(a, NULL, ret) : EXIT_OK;
}
