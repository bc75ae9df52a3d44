// SPDX-License-Identifier: MIT
/*
 * Every other way to a mapping's pages, or to more of them, with the result for a region that
 * the role writes (own) and for one that it does not: the same on every kernel. If a kernel lacks
 * a way, the program prints its name. After each way the mapping is as before.
 */
#include "regions.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { DONE = 0, REFUSED = 1, ANY = 2 };	/* or -errno */

static long result(long ret)
{
	return ret < 0 ? -errno : DONE;
}

/* The last word, which is in the second copy of the data. */
static unsigned char *last(const struct mapping *m)
{
	return m->addr + m->length - sizeof(long);
}

/* ------------------------------------------- what the kernel does for a process */

static long read_into(struct mapping *m)
{
	return can_write(last(m)) ? DONE : -EFAULT;
}

static long write_from(struct mapping *m)
{
	return can_read(last(m)) ? DONE : -EFAULT;
}

static long splice_pages(struct mapping *m)
{
	struct iovec from = { m->addr, page_size() };
	int pipes[2];
	long ret;

	CHECK(!pipe(pipes));
	ret = result(vmsplice(pipes[1], &from, 1, 0));
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

static long shared_futex(struct mapping *m)
{
	return result(syscall(SYS_futex, last(m), FUTEX_WAKE, 1, NULL, NULL, 0));
}

static long fixed_buffer(struct mapping *m)
{
	struct iovec buffer = { m->addr, m->length };
	struct io_uring_params params = { .flags = 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 2, &params);
	long ret;

	if (fd < 0)
		return -ENOSYS;
	ret = result(syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &buffer, 1));
	close(fd);
	return ret;
}

static long watch_faults(struct mapping *m, uint64_t mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { (uintptr_t)m->addr, m->length }, .mode = mode };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	long ret;

	if (fd < 0)
		return -ENOSYS;
	CHECK(!ioctl(fd, UFFDIO_API, &api));
	ret = result(ioctl(fd, UFFDIO_REGISTER, &reg));
	close(fd);
	return ret;
}

static long watch_missing(struct mapping *m)
{
	return watch_faults(m, UFFDIO_REGISTER_MODE_MISSING);
}

static long watch_writes(struct mapping *m)
{
	return watch_faults(m, UFFDIO_REGISTER_MODE_WP);
}

/* ---------------------------------------------------------- from another process */

static long through_proc(struct mapping *m, bool write)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	long ret, word = 0;

	CHECK(fd >= 0);
	ret = write ? pwrite(fd, &word, sizeof(word), (off_t)(uintptr_t)last(m)) :
		      pread(fd, &word, sizeof(word), (off_t)(uintptr_t)last(m));
	ret = result(ret);
	close(fd);
	return ret;
}

static long read_proc(struct mapping *m)
{
	return through_proc(m, false);
}

static long write_proc(struct mapping *m)
{
	return through_proc(m, true);
}

static long across(struct mapping *m, ssize_t (*move)(pid_t, const struct iovec *, unsigned long,
						      const struct iovec *, unsigned long,
						      unsigned long))
{
	long word = 0;
	struct iovec ours = { &word, sizeof(word) }, theirs = { last(m), sizeof(word) };

	return result(move(getpid(), &ours, 1, &theirs, 1, 0));
}

static long read_across(struct mapping *m)
{
	return across(m, process_vm_readv);
}

static long write_across(struct mapping *m)
{
	return across(m, process_vm_writev);
}

struct tracing {
	struct mapping *m;
	long ret;
	bool poke;
};

/* A child traces this process, which has the mapping. */
static int trace_parent(void *arg)
{
	struct tracing *t = arg;
	pid_t pid = getppid();

	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL)) {
		t->ret = -ENOSYS;
		return TEST_PASS;
	}
	CHECK_EQ(waitpid(pid, NULL, __WALL), pid);
	errno = 0;
	if (t->poke)
		t->ret = result(ptrace(PTRACE_POKEDATA, pid, last(t->m), 0));
	else
		t->ret = ptrace(PTRACE_PEEKDATA, pid, last(t->m), NULL) == -1 ? -errno : DONE;
	CHECK(!ptrace(PTRACE_DETACH, pid, NULL, NULL));
	return TEST_PASS;
}

static long trace(struct mapping *m, bool poke)
{
	struct tracing *t = share(sizeof(*t));
	long ret;

	*t = (struct tracing){ .m = m, .poke = poke };
	EXPECT_EQ(in_child(trace_parent, t), TEST_PASS);
	ret = t->ret;
	munmap(t, sizeof(*t));
	return ret;
}

static long peek(struct mapping *m)
{
	return trace(m, false);
}

static long poke(struct mapping *m)
{
	return trace(m, true);
}

/* ------------------------------------------------------ other mappings of the same */

static long reopen(struct mapping *m)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)m->addr,
		 (unsigned long)(m->addr + m->length));
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return result(fd);
}

/* A mapping of one page has no part. */
static long remap_a_part(struct mapping *m)
{
	const size_t page = page_size();

	if (m->length == page)
		return -EINVAL;
	return result(remap_file_pages(m->addr + page, page, 0, 0, 0));
}

static long move_onto_a_part(struct mapping *m)
{
	const size_t page = page_size();
	void *from, *to;

	if (m->length == page)
		return -EINVAL;
	from = mmap(NULL, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(from != MAP_FAILED);
	to = mremap(from, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, m->addr + page);
	if (to == MAP_FAILED)
		munmap(from, page);
	return to == MAP_FAILED ? -errno : DONE;
}

static const struct way {
	const char *name;
	long (*try)(struct mapping *m);
	long own;
	long other;
} ways[] = {
	{ "read() into it", read_into, DONE, -EFAULT },
	{ "write() from it", write_from, DONE, DONE },
	{ "vmsplice", splice_pages, -EFAULT, -EFAULT },
	{ "a shared futex", shared_futex, -EFAULT, -EFAULT },
	{ "a fixed buffer of io_uring", fixed_buffer, -EFAULT, -EFAULT },
	{ "userfaultfd, missing pages", watch_missing, -EINVAL, -EINVAL },
	{ "userfaultfd, writes", watch_writes, -EINVAL, -EINVAL },
	{ "read from /proc/self/mem", read_proc, -EIO, -EIO },
	{ "write to /proc/self/mem", write_proc, -EIO, -EIO },
	{ "process_vm_readv", read_across, -EFAULT, -EFAULT },
	{ "process_vm_writev", write_across, -EFAULT, -EFAULT },
	{ "PTRACE_PEEKDATA", peek, -EIO, -EIO },
	{ "PTRACE_POKEDATA", poke, -EIO, -EIO },
	{ "open of map_files", reopen, REFUSED, REFUSED },
	{ "remap_file_pages of a part", remap_a_part, REFUSED, REFUSED },
	{ "mremap onto a part", move_onto_a_part, REFUSED, REFUSED },
};

/* Of the whole mapping. By number: older headers do not have all of them. */
static const struct advice {
	const char *name;
	int advice;
	long want;
} pieces_of_advice[] = {
	{ "MADV_REMOVE", 9, REFUSED },
	{ "MADV_DOFORK", 11, -EINVAL },
	{ "MADV_MERGEABLE", 12, ANY },
	{ "MADV_HUGEPAGE", 14, ANY },
	{ "MADV_DODUMP", 17, -EINVAL },
	{ "MADV_FREE", 8, -EINVAL },
	{ "MADV_WIPEONFORK", 18, -EINVAL },
	{ "MADV_COLD", 20, ANY },
	{ "MADV_PAGEOUT", 21, ANY },
	{ "MADV_POPULATE_READ", 22, -EINVAL },
	{ "MADV_POPULATE_WRITE", 23, -EINVAL },
	{ "MADV_COLLAPSE", 25, -EINVAL },
	{ "MADV_HWPOISON", 100, REFUSED },
	{ "MADV_SOFT_OFFLINE", 101, REFUSED },
	{ "MADV_GUARD_INSTALL", 102, -EINVAL },
};

static void expect_result(long got, long want)
{
	if (want == REFUSED)
		EXPECT(got < 0);
	else if (want != ANY)
		EXPECT_EQ(got, want);
}

static const struct way *way;
static bool absent;

static void try_way(struct mapping *m)
{
	long got = way->try(m);

	if (got == -ENOSYS)
		absent = true;
	else
		expect_result(got, is_own(m->role, m->region) ? way->own : way->other);
}

static const struct advice *advice;

static void try_advice(struct mapping *m)
{
	expect_result(result(madvise(m->addr, m->length, advice->advice)), advice->want);
}

/* ------------------------------------------------------------- what it is marked as */

/* The line of /proc/self/smaps; "" on kernels that do not say. */
static void read_flags(const struct mapping *m, char *flags, size_t size)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long from, to;
	bool ours = false;
	char line[512];

	*flags = 0;
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ours = from == (unsigned long)m->addr;
		else if (ours && !strncmp(line, "VmFlags:", 8))
			snprintf(flags, size, "%s", line + 8);
	}
	fclose(f);
}

/*
 * No execution, fork, growth, dump or pin; writable, now or later, by the owner of the role
 * alone.
 */
static void marked(struct mapping *m)
{
	static const char *const always[] = { " sh ", " mr ", " ms ", " io ", " dc ", " de ",
					      " dd ", " pf " };
	char flags[512];
	size_t i;

	read_flags(m, flags, sizeof(flags));
	if (!*flags) {
		absent = true;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(always); i++)
		if (!EXPECT(strstr(flags, always[i])))
			printf("    no%s in%s", always[i], flags);
	EXPECT_EQ(strstr(flags, " mw ") != NULL, is_own(m->role, m->region));
	EXPECT(!strstr(flags, " me "));
}

/* ------------------------------------------------------------------- flags of mmap */

static void test_mmap_flags(void)
{
	static const struct {
		const char *name;
		int flags;
		bool good;
	} tries[] = {
		{ "MAP_SHARED_VALIDATE", MAP_SHARED_VALIDATE, true },
		{ "MAP_POPULATE", MAP_SHARED | MAP_POPULATE, true },
		{ "MAP_LOCKED", MAP_SHARED | MAP_LOCKED, true },
		{ "MAP_NORESERVE", MAP_SHARED | MAP_NORESERVE, true },
		{ "MAP_SYNC", MAP_SHARED_VALIDATE | MAP_SYNC, false },
		{ "an unknown flag", MAP_SHARED_VALIDATE | 1 << 21, false },
		{ "MAP_GROWSDOWN", MAP_SHARED | MAP_GROWSDOWN, false },
		{ "MAP_HUGETLB", MAP_SHARED | MAP_HUGETLB, false },
	};
	struct shmring_ioc_query q;
	struct mapping m;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		context("mmap with %s", tries[i].name);
		m = map_one(PRODUCER, DATA);
		unmap_one(&m);
		m.ring = make_ring(4 * page_size());
		m.fd = attach(m.ring, PRODUCER);
		q = query(m.fd);
		m.addr = mmap(NULL, m.length, PROT_READ | PROT_WRITE, tries[i].flags, m.fd,
			      (off_t)q.data.offset);
		EXPECT_EQ(m.addr != MAP_FAILED, tries[i].good);
		if (m.addr != MAP_FAILED) {
			marked(&m);
			CHECK(!munmap(m.addr, m.length));
		}
		CHECK(!close(m.fd));
		CHECK(!close(m.ring));
	}
}

int main(void)
{
	control();
	need_root();
	for (way = ways; way < ways + ARRAY_SIZE(ways); way++) {
		absent = false;
		for_each_mapping(try_way, way->name);
		if (absent)
			printf("not on this kernel: %s\n", way->name);
	}
	for (advice = pieces_of_advice;
	     advice < pieces_of_advice + ARRAY_SIZE(pieces_of_advice); advice++)
		for_each_mapping(try_advice, advice->name);
	absent = false;
	for_each_mapping(marked, "its flags");
	RUN(test_mmap_flags);
	if (absent)
		printf("not on this kernel: /proc/self/smaps\n");
	return finish();
}
