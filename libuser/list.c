// SPDX-License-Identifier: MIT
/*
 * The rings that the caller may see: those of the module from /proc/shmring, and those of memfd,
 * which are files in /dev/shm. Files there that are no ring are passed over.
 */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cancel.h"
#include "options.h"

#define PROC		"/proc/shmring"
#define SHM_DIR		"/dev/shm"
#define SHM_PREFIX	"shmring."	/* of the file of a named ring */
#define MAX_COLUMNS	32

typedef int visit_fn(const struct shmring_info *info, void *arg);

/*
 * The member for the cells below a title. Later versions of the module may have more columns,
 * in another order.
 */
#define MEMBER(title, member, base) \
	{ title, offsetof(struct shmring_info, member), \
	  sizeof(((struct shmring_info *)0)->member), base }

static const struct column {
	const char *title;
	size_t offset, size;
	int base;		/* of the number; 0: text */
} columns[] = {
	MEMBER("name", name, 0),
	MEMBER("owner", owner, 10),
	MEMBER("mode", mode, 8),
	MEMBER("capacity", capacity, 10),
	MEMBER("used", used, 10),
	MEMBER("producers", producers, 10),
	MEMBER("consumers", consumers, 10),
	MEMBER("sleeps", sleeps, 10),
	MEMBER("wakes", wakes, 10),
	MEMBER("refused", refused, 10),
	MEMBER("id", id, 10),
	MEMBER("prod-pid", producer_pid, 10),
	MEMBER("cons-pid", consumer_pid, 10),
	MEMBER("ipc-ns", ipc_ns, 10),
	MEMBER("group", group, 10),
	MEMBER("flags", flags, 16),
	MEMBER("lanes", nr_lanes, 10),
};

/* The cell "-" leaves the member empty, or 0. */
static void take_cell(struct shmring_info *info, const struct column *column, const char *cell)
{
	char *at = (char *)info + column->offset;
	uint64_t wide;
	uint32_t narrow;

	if (!strcmp(cell, "-"))
		return;
	if (!column->base) {
		strncpy(at, cell, column->size - 1);
		return;
	}
	wide = strtoull(cell, NULL, column->base);
	narrow = (uint32_t)wide;
	memcpy(at, column->size == sizeof(wide) ? (void *)&wide : &narrow, column->size);
}

/* The columns in the order of the heading; NULL: an unknown column. Returns how many. */
static size_t read_heading(char *line, const struct column *order[MAX_COLUMNS])
{
	char *save = NULL, *title = strtok_r(line, " \t\n", &save);
	size_t n, i;

	for (n = 0; title && n < MAX_COLUMNS; n++) {
		order[n] = NULL;
		for (i = 0; i < sizeof(columns) / sizeof(*columns); i++)
			if (!strcmp(title, columns[i].title))
				order[n] = &columns[i];
		title = strtok_r(NULL, " \t\n", &save);
	}
	return n;
}

static int visit_row(char *line, const struct column *const order[], size_t nr,
		     visit_fn *fn, void *arg)
{
	struct shmring_info info = SHMRING_INFO_INIT;
	char *save = NULL, *cell = strtok_r(line, " \t\n", &save);
	size_t n;

	info.backend = SHMRING_KMOD;
	info.nr_lanes = 1;	/* an older module has no such column */
	for (n = 0; cell && n < nr; n++) {
		if (order[n])
			take_cell(&info, order[n], cell);
		cell = strtok_r(NULL, " \t\n", &save);
	}
	info.producer_state = info.producers ? SHMRING_PEER_LIVE : SHMRING_PEER_NONE;
	info.consumer_state = info.consumers ? SHMRING_PEER_LIVE : SHMRING_PEER_NONE;
	return fn(&info, arg);
}

static int list_kmod(visit_fn *fn, void *arg)
{
	const struct column *order[MAX_COLUMNS];
	FILE *f = fopen(PROC, "re");
	char *line = NULL;
	size_t size = 0, nr = 0;
	int ret = 0;

	if (!f)
		return errno == ENOENT ? -ENODEV : -errno;
	if (getline(&line, &size, f) >= 0) {
		nr = read_heading(line, order);
		while (!ret && getline(&line, &size, f) >= 0)
			ret = visit_row(line, order, nr, fn, arg);
	}
	if (!ret && ferror(f))
		ret = -EIO;
	free(line);
	fclose(f);
	return ret;
}

/* Skips a file that is gone, that the caller may not read, or that is no ring. */
static int visit_file(const char *name, visit_fn *fn, void *arg)
{
	struct shmring_info info = SHMRING_INFO_INIT;

	if (shmring_memfd_look(name, &info) || !*info.name)
		return 0;
	info.sleeps = info.producer_sleeps + info.consumer_sleeps;
	info.wakes = info.producer_wakes + info.consumer_wakes;
	return fn(&info, arg);
}

static int list_memfd(visit_fn *fn, void *arg)
{
	const size_t prefix = strlen(SHM_PREFIX);
	DIR *dir = opendir(SHM_DIR);
	struct dirent *entry;
	int ret = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while (!ret && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, SHM_PREFIX, prefix))
			ret = visit_file(entry->d_name + prefix, fn, arg);
	closedir(dir);
	return ret;
}

int shmring_list(const struct shmring_options *opt, visit_fn *fn, void *arg)
{
	SHMRING_NO_CANCEL;
	struct shmring_options o;
	int ret = shmring_copy_options(&o, opt);

	if (!ret && !o.backend)
		ret = shmring_backend_of_environment(&o.backend);
	if (!ret && o.backend != SHMRING_MEMFD) {
		ret = list_kmod(fn, arg);
		if (o.backend == SHMRING_AUTO && ret == -ENODEV)
			ret = 0;
	}
	if (!ret && o.backend != SHMRING_KMOD)
		ret = list_memfd(fn, arg);
	return ret;
}
