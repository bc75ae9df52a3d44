// SPDX-License-Identifier: MIT
/* shmring_send() and shmring_recv(): how the library copies long messages, at every alignment. */
#include "memfd_rig.h"

#include <sys/mman.h>
#include <unistd.h>

#define CAPACITY	262144
#define LONGEST		70000
#define ROOM		131072	/* for the longest, in whole pages of any size */
#define EACH_UP_TO	20000	/* above, one length in STEP */
#define STEP		7

/* Memory of @size bytes between pages that cannot be touched. */
static unsigned char *guarded(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *p = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
				-1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + page, size, PROT_READ | PROT_WRITE), 0);
	return p + page;
}

static void unguarded(unsigned char *p, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	munmap(p - page, size + 2 * page);
}

struct buffers {
	unsigned char *out, *in;
};

/* No two messages in a row have the same bytes, nor the same alignment. */
static void move_message(struct shmring *p, struct shmring *c, const struct buffers *b, size_t len,
			 bool at_the_end)
{
	const unsigned char *out = b->out + len % 251;
	unsigned char *in = at_the_end ? b->in + ROOM - len : b->in + len % 3;

	assert_int_equal(shmring_send(p, out, len, NULL), len);
	assert_int_equal(shmring_recv(c, in, LONGEST, NULL), len);
	assert_int_equal(memcmp(in, out, len), 0);
	if (!at_the_end)
		assert_int_equal(in[len], 0xee);
	memset(in, 0xee, len);
}

static void move_all(struct shmring *p, struct shmring *c)
{
	struct buffers b = { guarded(ROOM), guarded(ROOM) };
	size_t len, i;

	for (i = 0; i < ROOM; i++)
		b.out[i] = (unsigned char)((uint32_t)i * 0x9e3779b1u >> 24);
	memset(b.in, 0xee, ROOM);
	for (len = 0; len <= LONGEST; len += len < EACH_UP_TO ? 1 : STEP) {
		move_message(p, c, &b, len, true);
		move_message(p, c, &b, len, false);
	}
	unguarded(b.out, ROOM);
	unguarded(b.in, ROOM);
}

static void record_of_any_length_arrives(void **state)
{
	const struct shmring_options opt = { .backend = SHMRING_MEMFD, .role = SHMRING_PRODUCER,
					     .capacity = CAPACITY };
	struct shmring *p, *c;

	(void)state;
	assert_int_equal(shmring_create(&p, NULL, &opt), 0);
	assert_int_equal(shmring_attach_fd(&c, shmring_fd(p), SHMRING_CONSUMER), 0);
	move_all(p, c);
	shmring_close(c);
	shmring_close(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(record_of_any_length_arrives),
	};

	use_memfd();
	return cmocka_run_group_tests_name("memfd_copy", tests, NULL, NULL);
}
