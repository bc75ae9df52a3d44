// SPDX-License-Identifier: MIT
#include "faults.h"

#include <fcntl.h>

#define ROUNDS		3
#define INJECTORS	"/sys/kernel/debug/"

/* Open all the time: they are read again and again. */
static struct {
	int fail_nth;
	int maps;
	int module_refs;
	int rings;
} files;

/* All that is visible from outside, to compare before and after a call. */
struct state {
	int free_fd;
	int mappings;
	char module_refs[16];
	char rings[4096];
	struct shmring_ioc_query ring;
};

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

static void set(const char *path, const char *value)
{
	int fd = open_file(path, O_WRONLY);

	CHECK_EQ(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

static void open_files(void)
{
	files.fail_nth = open_file("/proc/self/fail-nth", O_RDWR);
	files.maps = open_file("/proc/self/maps", O_RDONLY);
	files.module_refs = open_file("/sys/module/shmring/refcnt", O_RDONLY);
	files.rings = open_file("/proc/shmring", O_RDONLY);
}

/* The whole of a file, as a string. */
static void get(int fd, char *to, size_t size)
{
	size_t len = 0;
	ssize_t ret;

	while ((ret = pread(fd, to + len, size - 1 - len, (off_t)len)) > 0)
		len += (size_t)ret;
	CHECK_EQ(ret, 0);
	CHECK(len < size - 1);
	to[len] = '\0';
}

void need_faults(void)
{
	need_root();
	if (access("/proc/self/fail-nth", F_OK) || access(INJECTORS "fail_usercopy", F_OK))
		skip("this kernel has no fault injection");
	/* Allocations that may sleep fail too; nothing is logged. */
	set(INJECTORS "failslab/ignore-gfp-wait", "N");
	set(INJECTORS "fail_page_alloc/ignore-gfp-wait", "N");
	set(INJECTORS "fail_page_alloc/ignore-gfp-highmem", "N");
	set(INJECTORS "fail_page_alloc/min-order", "0");
	set(INJECTORS "failslab/verbose", "0");
	set(INJECTORS "fail_page_alloc/verbose", "0");
	set(INJECTORS "fail_usercopy/verbose", "0");
}

/* The @n-th allocation or copy from now on fails; 0: none. */
static void inject(unsigned int n)
{
	char number[16];
	int len = snprintf(number, sizeof(number), "%u", n);
	ssize_t ret;

	/* A fault that the last call did not meet may hit this very write. */
	do {
		ret = pwrite(files.fail_nth, number, (size_t)len, 0);
	} while (ret < 0 && errno == EFAULT);
	CHECK_EQ(ret, len);
}

/* Did the call meet the fault? If not, the copy of this read may. */
static bool met(void)
{
	char left[16] = "";
	ssize_t ret = pread(files.fail_nth, left, sizeof(left) - 1, 0);

	inject(0);
	return ret > 0 && !atoi(left);
}

static int nr_of_mappings(void)
{
	char text[16384], *at = text;
	int nr = 0;

	get(files.maps, text, sizeof(text));
	while ((at = strstr(at, "[shmring]"))) {
		at++;
		nr++;
	}
	return nr;
}

/* The lowest free descriptor shows how many are open. */
static int first_free_fd(void)
{
	int fd = dup(files.fail_nth);

	CHECK(fd >= 0);
	close(fd);
	return fd;
}

static struct state look(int watched)
{
	struct state s;

	memset(&s, 0, sizeof(s));
	s.free_fd = first_free_fd();
	s.mappings = nr_of_mappings();
	get(files.module_refs, s.module_refs, sizeof(s.module_refs));
	get(files.rings, s.rings, sizeof(s.rings));
	s.ring = query(watched);
	return s;
}

static void expect_same(const struct state *a, const struct state *b)
{
	EXPECT_EQ(b->free_fd, a->free_fd);
	EXPECT_EQ(b->mappings, a->mappings);
	EXPECT_EQ(atoi(b->module_refs), atoi(a->module_refs));
	EXPECT(!strcmp(b->rings, a->rings));
	EXPECT(!memcmp(&b->ring, &a->ring, sizeof(a->ring)));
}

static bool works(const struct scene *s, int ret)
{
	return s->works ? ret == s->works : ret >= 0;
}

static void call_without(const struct scene *s)
{
	int ret = s->call(s);

	if (!works(s, ret))
		CHECK_EQ(ret, s->works);
	if (s->undo)
		s->undo(s, ret);
}

/* Make the call with a fault at @n. False: the call has fewer places to fail at. */
static bool call_with(const struct scene *s, unsigned int n, int watched, unsigned int *clean)
{
	struct state before, after;
	bool hit;
	int ret;

	context("%s, fault %u", s->name, n);
	if (s->prepare)
		s->prepare(s);
	before = look(watched);
	inject(n);
	ret = s->call(s);
	hit = met();
	if (works(s, ret)) {
		if (s->undo)
			s->undo(s, ret);
	} else {
		EXPECT(hit && (ret == -ENOMEM || ret == -EFAULT));
		after = look(watched);
		expect_same(&before, &after);
		call_without(s);
		++*clean;
	}
	if (s->clean)
		s->clean(s);
	return hit;
}

/* The bytes that the module has allocated, exact and by place. -1: this kernel does not count. */
static long module_bytes(bool show)
{
	FILE *f = fopen("/proc/allocinfo", "re");
	long total = 0, bytes;
	char line[512];

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (!strstr(line, "[shmring]") || sscanf(line, "%ld", &bytes) != 1)
			continue;
		total += bytes;
		if (show && bytes)
			printf("    %s", line);
	}
	fclose(f);
	return total;
}

/* Returns how many faults there were. */
static unsigned int play(const struct scene *s, int watched, bool show)
{
	unsigned int n = 1, clean = 0;

	while (call_with(s, n, watched, &clean))
		n++;
	n--;
	if (show)
		printf("%-44s %5u points: %5u fail, %3u are done without\n", s->name, n, clean,
		       n - clean);
	return n;
}

void play_scenes(const struct scene *scenes, size_t nr, int watched)
{
	uint64_t rounds = setting("SHMRING_ROUNDS", ROUNDS), round, faults = 0;
	long before = module_bytes(false), after;
	int fds;
	size_t i;

	open_files();
	fds = nr_fds();
	for (round = 0; round < rounds; round++)
		for (i = 0; i < nr; i++)
			if (!round || !scenes[i].once)
				faults += play(&scenes[i], watched, !round);
	after = module_bytes(false);
	printf("%llu faults in %llu rounds; the module had %ld bytes before, %ld after\n",
	       (unsigned long long)faults, (unsigned long long)rounds, before, after);
	if (after != before)
		module_bytes(true);
	EXPECT_EQ(after, before);
	EXPECT_EQ(nr_fds(), fds);
}
