// SPDX-License-Identifier: MIT
#include "left.h"

#include <dirent.h>
#include <sys/wait.h>

#include "lib.h"

static int nr_lines(const char *path)
{
	FILE *f = fopen(path, "re");
	int c, nr = 0;

	if (!f)
		return 0;
	while ((c = getc(f)) != EOF)
		nr += c == '\n';
	fclose(f);
	return nr;
}

static int users_of_module(void)
{
	FILE *f = fopen("/sys/module/shmring/refcnt", "re");
	int nr = 0;

	if (f) {
		CHECK_EQ(fscanf(f, "%d", &nr), 1);
		fclose(f);
	}
	return nr;
}

static int nr_names(const char *stem)
{
	struct dirent *entry;
	char ours[64];
	DIR *dir = opendir("/dev/shm");
	int nr = 0;

	CHECK(dir);
	snprintf(ours, sizeof(ours), "shmring.test-%s-%x-%d-", stem, run_id(), getpid());
	while ((entry = readdir(dir)))
		nr += !strncmp(entry->d_name, ours, strlen(ours));
	closedir(dir);
	return nr;
}

void expect_nothing_left(const char *stem, int fds)
{
	EXPECT_EQ(nr_fds(), fds);
	EXPECT_EQ(waitpid(-1, NULL, WNOHANG), -1);
	EXPECT_EQ(nr_names(stem), 0);
	if (on_memfd())
		return;
	EXPECT_EQ(nr_lines("/proc/shmring"), 1);	/* the headline */
	EXPECT_EQ(users_of_module(), 0);
}
