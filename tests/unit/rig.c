// SPDX-License-Identifier: MIT
#include "rig.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

const struct shmring_wait nowait = { .flags = SHMRING_NOWAIT };

static const struct start starts[] = {
	{ "0", 0 },
	{ "2^32 - 24", (1ull << 32) - 24 },
	{ "2^62 - 2^40", (1ull << 62) - (1ull << 40) },	/* the highest position of a ring */
};

/* ------------------------------------------------------------------- memory */

/* The same pages twice in a row, between two that are out of bounds. */
static void map_data(struct rig *rig)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = rig->capacity;
	int fd = memfd_create("unit", MFD_CLOEXEC), prot = PROT_READ | PROT_WRITE, i;
	unsigned char *at;

	assert_true(fd >= 0 && !ftruncate(fd, (off_t)size));
	rig->mapped = 2 * page + 2 * size;
	rig->mapping = mmap(NULL, rig->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(rig->mapping != MAP_FAILED);
	rig->data = (unsigned char *)rig->mapping + page;
	for (i = 0; i < 2; i++) {
		at = rig->data + (size_t)i * size;
		assert_ptr_equal(mmap(at, size, prot, MAP_SHARED | MAP_FIXED, fd, 0), at);
	}
	close(fd);
}

/* Each region is an allocation of its own, so that an access beyond its end shows. */
static void *new_region(size_t size)
{
	void *p = aligned_alloc(128, size);

	assert_non_null(p);
	return memset(p, 0, size);
}

static void make_regions(struct rig *rig)
{
	rig->status = new_region(SHMRING_LANE_OFFSET + sizeof(struct shmring_lane));
	rig->lane = (void *)((char *)rig->status + SHMRING_LANE_OFFSET);
	rig->producer = new_region(sizeof(struct shmring_producer));
	rig->consumer = new_region(sizeof(struct shmring_consumer));
	*rig->status = (struct shmring_status){
		.magic = SHMRING_MAGIC,
		.abi = SHMRING_ABI,
		.features = rig->geometry.features,
		.capacity = rig->capacity,
		.slot_size = rig->geometry.slot_size,
		.nr_lanes = 1,
		.align = rig->geometry.align,
		.slots = rig->geometry.slots,
	};
	rig->lane->consumer.wake_at = SHMRING_NO_WAKE;
	rig->lane->producer.wake_at = SHMRING_NO_WAKE;
	rig->producer->head = rig->start;
	rig->consumer->tail = rig->start;
}

/* --------------------------------------------------------------------- ends */

/* Its caller counts the wake-up in priv.wakes. */
static void wake_nobody(struct shmring *r)
{
	(void)r;
}

static const struct shmring_backend plain = { .name = "plain", .wake = wake_nobody };

int rig_bind(struct rig *rig, struct shmring *r, enum shmring_role role)
{
	struct shmring_private *priv = role == SHMRING_PRODUCER ? &rig->priv_p : &rig->priv_c;
	const struct shmring_mapping m = {
		.status = rig->status,
		.lane = rig->lane,
		.consumer = rig->consumer,
		.producer = rig->producer,
		.data = rig->data,
		.geometry = rig->geometry,
	};
	int ret;

	memset(r, 0, sizeof(*r));
	r->priv = priv;
	ret = shmring_bind(r, &m);
	if (!ret)
		shmring_begin_role(r, role);
	return ret;
}

struct rig *rig_new(uint64_t start, size_t slot_size)
{
	return rig_new_of(start, slot_size, 0, SHMRING_ALIGN);
}

struct rig *rig_new_of(uint64_t start, size_t slot_size, size_t slots, size_t align)
{
	const struct shmring_geometry g = {
		.slots = slots,
		.slot_size = (uint32_t)slot_size,
		.align = (uint32_t)align,
	};

	return rig_new_geometry(start, &g);
}

struct rig *rig_new_marked(uint64_t start, size_t slot_size, size_t slots, size_t align)
{
	const struct shmring_geometry g = {
		.slots = slots,
		.features = SHMRING_FEATURE_MARKS,
		.slot_size = (uint32_t)slot_size,
		.align = (uint32_t)align,
	};

	/* A position is a multiple of the stride. */
	return rig_new_geometry(start & ~(uint64_t)(shmring_stride_of(&g) - 1), &g);
}

struct rig *rig_new_geometry(uint64_t start, const struct shmring_geometry *g)
{
	struct rig *rig = aligned_alloc(__alignof__(*rig), sizeof(*rig));

	assert_non_null(rig);
	memset(rig, 0, sizeof(*rig));
	rig->start = start;
	rig->capacity = (size_t)sysconf(_SC_PAGESIZE);
	rig->geometry = *g;
	rig->geometry.capacity = rig->capacity;
	if (g->slot_size && !g->slots)
		rig->geometry.slots = rig->capacity / shmring_stride_of(&rig->geometry);
	map_data(rig);
	make_regions(rig);
	rig->priv_p.backend = &plain;
	rig->priv_p.policy = SHMRING_BLOCK;
	rig->priv_p.spin.looks = 32;
	rig->priv_c = rig->priv_p;
	assert_int_equal(rig_bind(rig, &rig->p, SHMRING_PRODUCER), 0);
	assert_int_equal(rig_bind(rig, &rig->c, SHMRING_CONSUMER), 0);
	return rig;
}

void rig_free(struct rig *rig)
{
	munmap(rig->mapping, rig->mapped);
	free(rig->status);
	free(rig->producer);
	free(rig->consumer);
	free(rig);
}

/* -------------------------------------------------------------------- tests */

static int setup(void **state)
{
	const struct start *start = *state;

	*state = rig_new(start->at, 0);
	return 0;
}

static int teardown(void **state)
{
	rig_free(*state);
	return 0;
}

static struct CMUnitTest starting_at(struct CMUnitTest test, const struct start *start)
{
	char *name;

	assert_true(asprintf(&name, "%s, from %s", test.name, start->name) > 0);
	test.name = name;
	test.initial_state = (void *)start;
	if (!test.setup_func) {
		test.setup_func = setup;
		test.teardown_func = teardown;
	}
	return test;
}

int run_at_every_start(const char *group, const struct CMUnitTest *tests, size_t n)
{
	size_t total = n * ARRAY_SIZE(starts), i;
	struct CMUnitTest *all = calloc(total, sizeof(*all));
	int ret;

	assert_non_null(all);
	for (i = 0; i < total; i++)
		all[i] = starting_at(tests[i % n], &starts[i / n]);
	ret = _cmocka_run_group_tests(group, all, total, NULL, NULL);
	for (i = 0; i < total; i++)
		free((void *)all[i].name);
	free(all);
	return ret;
}

/* ----------------------------------------------------------------- messages */

static unsigned char byte_of(uint64_t id, size_t i)
{
	return (unsigned char)(id * 0x9e3779b1u + i * 7);
}

void write_message(unsigned char *to, size_t len, uint64_t id)
{
	size_t i;

	for (i = 0; i < len; i++)
		to[i] = byte_of(id, i);
}

bool is_message(const unsigned char *from, size_t len, uint64_t id)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (from[i] != byte_of(id, i))
			return false;
	return true;
}

void put(struct shmring *p, size_t len, uint64_t id)
{
	void *to = shmring_reserve(p, len);

	assert_non_null(to);
	write_message(to, len, id);
	assert_int_equal(shmring_commit(p, len), 0);
}

void take(struct shmring *c, size_t len, uint64_t id)
{
	size_t got = 0;
	const void *from = shmring_peek(c, &got);

	assert_non_null(from);
	assert_int_equal(got, len);
	assert_true(is_message(from, len, id));
	assert_int_equal(shmring_release(c), 0);
}

void assert_empty(struct shmring *c)
{
	size_t len;

	assert_null(shmring_peek(c, &len));
	assert_int_equal(shmring_wait_data(c, &nowait), -EAGAIN);
}

uint32_t run_id(void)
{
	static uint32_t id;

	while (!id)
		assert_int_equal(getrandom(&id, sizeof(id), 0), sizeof(id));
	return id;
}

uint64_t random_u64(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (*state ^ *state >> 33) * 0xff51afd7ed558ccdu >> 7;
}
