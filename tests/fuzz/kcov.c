// SPDX-License-Identifier: MIT
/*
 * Coverage, from the kernel's KCOV: each thread has a buffer, to which the module's code adds
 * its place in the code. An edge is two places in a row.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define KCOV_INIT_TRACE	_IOR('c', 1, unsigned long)
#define KCOV_ENABLE	_IO('c', 100)
#define KCOV_TRACE_PC	0
#define BUFFER		(64u << 10)	/* words */
#define NR_PCS		16384u

struct kcov {
	unsigned long *buffer;	/* the number of places, then the places */
};

static unsigned char edges[NR_EDGES];
static unsigned long pcs[NR_PCS];
static unsigned int nr_edges, nr_pcs;

struct kcov *kcov_open(void)
{
	int fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
	struct kcov *k;

	if (fd < 0)
		return NULL;
	k = calloc(1, sizeof(*k));
	CHECK(k);
	CHECK(!ioctl(fd, KCOV_INIT_TRACE, BUFFER));
	k->buffer = mmap(NULL, BUFFER * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(k->buffer != MAP_FAILED);
	CHECK(!ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	return k;
}

static unsigned int hash(unsigned long x)
{
	return (unsigned int)((x * 0x9e3779b97f4a7c15u) >> 32);
}

static void note_pc(unsigned long pc)
{
	unsigned int i = hash(pc) % NR_PCS;

	while (pcs[i] && pcs[i] != pc)
		i = (i + 1) % NR_PCS;
	if (!pcs[i] && nr_pcs < NR_PCS / 2) {
		pcs[i] = pc;
		nr_pcs++;
	}
}

static bool note_edge(unsigned long from, unsigned long to)
{
	unsigned int i = hash(from * 31 + to) % NR_EDGES;

	if (edges[i])
		return false;
	edges[i] = 1;
	nr_edges++;
	note_pc(to);
	return true;
}

unsigned int kcov_collect(struct kcov *k)
{
	unsigned long n = __atomic_load_n(&k->buffer[0], __ATOMIC_ACQUIRE);
	unsigned long i, last = 0;
	unsigned int fresh = 0;

	for (i = 1; i <= n && i < BUFFER; i++) {
		fresh += note_edge(last, k->buffer[i]);
		last = k->buffer[i];
	}
	__atomic_store_n(&k->buffer[0], 0, __ATOMIC_RELEASE);
	return fresh;
}

unsigned int kcov_pcs(void)
{
	return nr_pcs;
}

unsigned int kcov_edges(void)
{
	return nr_edges;
}
