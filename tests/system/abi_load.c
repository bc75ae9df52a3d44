// SPDX-License-Identifier: MIT
/*
 * Loads and unloads the module again and again, makes and uses a ring in between, and checks
 * that memory stays the same. Needs SHMRING_KO, the path of shmring.ko; leaves the module
 * loaded.
 */
#include "abi.h"

#define WARM_UP		50
#define MAX_LOST_KB	8192	/* changes that others cause */

/*
 * Enough times that two pages lost each time are above the noise: 1024 times where a page has 4
 * KiB. On slow machines, for which SHMRING_MESSAGES is small, 256 times: eight pages lost each
 * time.
 */
static int cycles(void)
{
	unsigned int pages = setting("SHMRING_MESSAGES", 10000000) < 10000000 ? 8 : 2;

	return (int)(MAX_LOST_KB * 1024 / (pages * page_size()));
}

static int use(void *arg)
{
	int ring = make_ring(16 * page_size());
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);

	(void)arg;
	move(&p, 64);
	EXPECT_EQ(wait_data(c.fd, 64, 0, 0), 0);
	move(&c, 64);
	EXPECT_EQ(wait_data(c.fd, 64, 0, now_ns() + 1000), -ETIMEDOUT);
	return TEST_PASS;
}

static long meminfo(const char *key)
{
	FILE *f = fopen("/proc/meminfo", "re");
	size_t len = strlen(key);
	char line[128];
	long kb = -1;

	CHECK(f);
	while (kb < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, len) && line[len] == ':')
			kb = atol(line + len + 1);
	fclose(f);
	return kb;
}

static void drop_caches(void)
{
	FILE *f = fopen("/proc/sys/vm/drop_caches", "we");

	if (!f)
		return;
	fputs("3\n", f);
	fclose(f);
}

static void cycle(const char *path, int times)
{
	while (times--) {
		load_module(path, "");
		CHECK_EQ(in_child(use, NULL), TEST_PASS);
		unload_module();
	}
}

/* Has more memory gone than the noise? */
static bool lost_over(const char *path)
{
	long available, slab;

	drop_caches();
	available = meminfo("MemAvailable");
	slab = meminfo("SUnreclaim");
	cycle(path, cycles());
	drop_caches();
	available -= meminfo("MemAvailable");
	slab = meminfo("SUnreclaim") - slab;
	printf("after %d cycles: %ld kB less available, %ld kB more slab\n", cycles(), available,
	       slab);
	return available >= MAX_LOST_KB || slab >= MAX_LOST_KB;
}

int main(void)
{
	const char *path = getenv("SHMRING_KO");

	if (!path)
		skip("SHMRING_KO does not say which module to load");
	need_root();
	if (!access("/sys/module/shmring", F_OK))
		unload_module();
	cycle(path, WARM_UP);
	/* A leak shows each time; memory that the kernel keeps for its own use does not. */
	if (lost_over(path) && lost_over(path))
		EXPECT(!lost_over(path));
	load_module(path, "");
	return finish();
}
