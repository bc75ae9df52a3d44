// SPDX-License-Identifier: MIT
/*
 * The rights of each role to map each region, and that no right is gained afterwards: by
 * mprotect, by the kernel's ways into a process, by mremap, by splitting, by fork.
 */
#include "regions.h"

#include <fcntl.h>
#include <sys/uio.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

static void test_protections(void)
{
	struct shmring_ioc_query q;
	struct shmring_region where;
	enum region region;
	uint32_t role;
	int prot, ring, fd;
	void *p;

	ring = make_ring(page_size());
	q = query(ring);
	for (role = PRODUCER; role <= CONSUMER; role++) {
		for (region = KERNEL; region < NR_REGIONS; region++) {
			for (prot = 0; prot < 8; prot++) {
				context("%s maps the %s region with %d", role_name(role),
					region_names[region], prot);
				fd = attach(ring, role);
				CHECK(fd >= 0);
				where = where_is(&q, region);
				errno = 0;
				p = mmap(NULL, where.length, prot, MAP_SHARED, fd,
					 (off_t)where.offset);
				if (prot & PROT_EXEC)
					EXPECT(p == MAP_FAILED &&
					       (errno == EACCES || errno == EPERM));
				else if (prot & ~allowed(role, region))
					EXPECT(p == MAP_FAILED && errno == EACCES);
				else
					EXPECT(p != MAP_FAILED);
				if (p != MAP_FAILED)
					CHECK(!munmap(p, where.length));
				CHECK(!close(fd));
			}
		}
	}
	CHECK(!close(ring));
}

/* A right that a mapping was made without cannot be added. */
static void mprotect_up(struct mapping *m)
{
	int prot, now = allowed(m->role, m->region);

	for (prot = 0; prot < 8; prot++) {
		if (!(prot & ~now))
			continue;
		errno = 0;
		EXPECT(mprotect(m->addr, m->length, prot) == -1 && errno == EACCES);
	}
	EXPECT_EQ(can_write(m->addr), is_own(m->role, m->region));
	/* The owner may take rights away, and give them back. */
	EXPECT(!mprotect(m->addr, m->length, PROT_NONE));
	EXPECT(!mprotect(m->addr, m->length, now));
}

/* The kernel refuses to write through these files, in either role. */
static void write_through_proc(struct mapping *m)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char byte = 1;

	CHECK(fd >= 0);
	EXPECT_EQ(pwrite(fd, &byte, 1, (off_t)(uintptr_t)m->addr), -1);
	EXPECT_EQ(pwrite(fd, &byte, 1, (off_t)(uintptr_t)(m->addr + m->length - 1)), -1);
	close(fd);
}

static void write_from_a_process(struct mapping *m)
{
	char byte = 1;
	struct iovec from = { &byte, 1 };
	struct iovec to = { m->addr + m->length - 1, 1 };

	EXPECT_EQ(process_vm_writev(getpid(), &from, 1, &to, 1, 0), -1);
}

/* The flags in /proc/self/smaps, " xx xx ... ". */
static void flags_of(const struct mapping *m, char *flags, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long long from, to;
	char line[512];
	bool here = false;

	CHECK(f);
	*flags = '\0';
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
			here = from == (uintptr_t)m->addr && to == from + m->length;
		else if (here && !strncmp(line, "VmFlags:", 8))
			snprintf(flags, size, "%s", line + 8);
	}
	fclose(f);
}

/*
 * mremap and core dumps are refused by a second check, too: only this shows that the flags are
 * there.
 */
static void flagged(struct mapping *m)
{
	static const char *const always[] = { " io ", " dc ", " de ", " dd ", " sh " };
	bool own = is_own(m->role, m->region);
	char flags[512];
	size_t i;

	flags_of(m, flags, sizeof(flags));
	for (i = 0; i < ARRAY_SIZE(always); i++)
		EXPECT(strstr(flags, always[i]));
	EXPECT_EQ(!!strstr(flags, " mw "), own);
	EXPECT(!strstr(flags, " me "));
}

static void refuse_mremap(struct mapping *m, size_t old, size_t new, int flags, void *where)
{
	void *p = mremap(m->addr, old, new, flags, where);

	if (!EXPECT(p == MAP_FAILED))
		munmap(p, new);
	EXPECT_EQ(nr_mappings(m->addr, m->length), 1);
}

static void mremap_ways(struct mapping *m)
{
	const size_t page = page_size();
	const size_t room = m->length + 4 * page;
	void *free = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(free != MAP_FAILED);
	CHECK(!munmap(free, room));
	refuse_mremap(m, m->length, m->length + page, 0, NULL);
	refuse_mremap(m, m->length, m->length + page, MREMAP_MAYMOVE, NULL);
	refuse_mremap(m, m->length, m->length * 2, MREMAP_MAYMOVE | MREMAP_FIXED, free);
	refuse_mremap(m, 0, m->length, MREMAP_MAYMOVE, NULL);
	refuse_mremap(m, 0, page, MREMAP_MAYMOVE, NULL);
	refuse_mremap(m, 0, m->length, MREMAP_MAYMOVE | MREMAP_FIXED, free);
	refuse_mremap(m, m->length, m->length, MREMAP_MAYMOVE | MREMAP_FIXED, free);
	refuse_mremap(m, m->length, m->length, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	refuse_mremap(m, m->length, m->length,
		      MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, free);
	if (m->length > page) {
		refuse_mremap(m, m->length, page, 0, NULL);
		refuse_mremap(m, m->length, m->length - page, MREMAP_MAYMOVE, NULL);
		refuse_mremap(m, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, free);
	}
}

/* No part can be unmapped: in the middle, at the beginning, at the end. */
static void split(struct mapping *m)
{
	const size_t page = page_size();
	const size_t at[] = { 0, page, m->length / 2, m->length - page };
	size_t i;

	if (m->length == page)
		return;
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		EXPECT_EQ(munmap(m->addr + at[i], page), -1);
		EXPECT_EQ(mprotect(m->addr + at[i], page, PROT_NONE), -1);
		EXPECT_EQ(mmap(m->addr + at[i], page, PROT_READ,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED, 1);
		/* These may succeed, but may not change anything. */
		mlock(m->addr + at[i], page);
		munlock(m->addr + at[i], page);
		madvise(m->addr + at[i], page, MADV_DODUMP);
		madvise(m->addr + at[i], page, MADV_MERGEABLE);
		madvise(m->addr + at[i], page, MADV_HUGEPAGE);
		EXPECT_EQ(nr_mappings(m->addr, m->length), 1);
	}
}

static int has_none(void *arg)
{
	struct mapping *m = arg;

	EXPECT_EQ(nr_mappings(m->addr, m->length), 0);
	EXPECT(!can_read(m->addr));
	EXPECT(!can_read(m->addr + m->length - 1));
	return TEST_PASS;
}

static void fork_without(struct mapping *m)
{
	EXPECT_EQ(in_child(has_none, m), TEST_PASS);
	madvise(m->addr, m->length, MADV_DOFORK);
	EXPECT_EQ(in_child(has_none, m), TEST_PASS);
	madvise(m->addr, page_size(), MADV_DOFORK);
	EXPECT_EQ(in_child(has_none, m), TEST_PASS);
}

/*
 * MADV_DONTNEED may drop this process's pages. It must not show other content, and must not
 * reach the other side's mapping.
 */
static void dont_need(struct mapping *m)
{
	struct mapping other = *m;

	other.fd = attach(m->ring, other_role(m->role));
	CHECK(other.fd >= 0);
	if (!is_own(other_role(m->role), m->region)) {
		struct shmring_ioc_query q = query(m->ring);
		struct shmring_region where = where_is(&q, m->region);

		other.addr = map_region(other.fd, &where, PROT_READ);
		if (!madvise(m->addr, m->length, MADV_DONTNEED))
			EXPECT(!can_read(m->addr) || m->addr[m->length - 1] == 0);
		expect_intact(&other);
		CHECK(!munmap(other.addr, m->length));
	}
	CHECK(!close(other.fd));
}

static void test_dont_need(void)
{
	struct shmring_ioc_query q;
	struct mapping m;
	enum region region;
	uint32_t role;

	for (role = PRODUCER; role <= CONSUMER; role++) {
		for (region = KERNEL; region < NR_REGIONS; region++) {
			context("MADV_DONTNEED: %s's mapping of the %s region", role_name(role),
				region_names[region]);
			m = map_one(role, region);
			dont_need(&m);
			q = query(m.ring);
			EXPECT_EQ(role == PRODUCER ? q.producer_state : q.consumer_state,
				  SHMRING_PEER_LIVE);
			unmap_one(&m);
		}
	}
}

int main(void)
{
	control();
	test_protections();
	for_each_mapping(flagged, "flags");
	for_each_mapping(mprotect_up, "mprotect");
	for_each_mapping(write_through_proc, "/proc/self/mem");
	for_each_mapping(write_from_a_process, "process_vm_writev");
	for_each_mapping(mremap_ways, "mremap");
	for_each_mapping(split, "split");
	for_each_mapping(fork_without, "fork");
	test_dont_need();
	return finish();
}
