// SPDX-License-Identifier: MIT
/*
 * Contenders: the other bounded buffer of the textbook, that of the producer
 * and the consumer with two semaphores, "empty" and "full":
 *
 *	wait(empty);			wait(full);
 *	buffer[in] = item;		item = buffer[out];
 *	in = (in + 1) % BUFFER_SIZE;	out = (out + 1) % BUFFER_SIZE;
 *	signal(full);			signal(empty);
 *
 * System V shared memory with System V semaphores, and POSIX shared memory with
 * sem_t. Messages are written and read where they lie.
 */
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include "loops.h"

#define SEMVMX	32767	/* the greatest value of a System V semaphore */

struct semaphores {
	sem_t empty[2], full[2];	/* of each channel; POSIX */
	int set;			/* System V: empty, full, empty, full */
	size_t nr, size, bytes;
	bool posix;
	_Alignas(64) unsigned char data[];
};

/* A side's end of one channel. */
struct end {
	struct semaphores *s;
	unsigned char *data;
	size_t offset;
	int channel;
};

enum which { EMPTY, FULL };

static void *map_posix(size_t bytes, int *error)
{
	char name[32];
	void *p = MAP_FAILED;
	int fd;

	snprintf(name, sizeof(name), "/bench-%d", (int)getpid());
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0) {
		*error = -errno;
		return NULL;
	}
	shm_unlink(name);
	if (!ftruncate(fd, (off_t)bytes))
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	*error = -errno;
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

/* Marked to be removed at once: it goes with the last process that has it. */
static void *map_sysv(size_t bytes, int *error)
{
	int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
	void *p;

	*error = -errno;
	if (id < 0)
		return NULL;
	p = shmat(id, NULL, 0);
	*error = -errno;
	shmctl(id, IPC_RMID, NULL);
	return p == (void *)-1 ? NULL : p;
}

static int init_sysv(struct semaphores *s)
{
	unsigned short value[4] = { (unsigned short)s->nr, 0, (unsigned short)s->nr, 0 };

	s->set = semget(IPC_PRIVATE, 4, IPC_CREAT | 0600);
	if (s->set < 0)
		return -errno;
	/* semctl takes a union that the caller has to declare, or just the pointer. */
	return semctl(s->set, 0, SETALL, value) ? -errno : 0;
}

static int init_posix(struct semaphores *s)
{
	for (int i = 0; i < 2; i++)
		if (sem_init(&s->empty[i], 1, (unsigned int)s->nr) || sem_init(&s->full[i], 1, 0))
			return -errno;
	return 0;
}

static void close_semaphores(void *channels)
{
	struct semaphores *s = channels;

	if (s->posix) {
		munmap(s, s->bytes);
		return;
	}
	if (s->set >= 0)
		semctl(s->set, 0, IPC_RMID);
	shmdt(s);
}

static int no_system_calls(int error)
{
	return error == -ENOSYS ? -EOPNOTSUPP : error;
}

static int open_semaphores(const struct contender *c, const struct bench *b, void **channels)
{
	size_t bytes = sizeof(struct semaphores) + 2 * b->capacity;
	struct semaphores *s;
	int ret;

	s = c->option ? map_posix(bytes, &ret) : map_sysv(bytes, &ret);
	if (!s)
		return no_system_calls(ret);
	s->posix = c->option;
	s->bytes = bytes;
	s->set = -1;
	s->size = b->size;
	s->nr = b->capacity / b->size;
	if (!s->posix && s->nr > SEMVMX)
		s->nr = SEMVMX;
	ret = s->posix ? init_posix(s) : init_sysv(s);
	if (ret)
		close_semaphores(s);
	else
		*channels = s;
	return no_system_calls(ret);
}

static int attach_semaphores(const struct contender *c, void *channels, struct bench *b)
{
	struct semaphores *s = channels;
	struct end *end = calloc(2, sizeof(*end));

	(void)c;
	if (!end)
		return -ENOMEM;
	for (int i = 0; i < 2; i++) {
		end[i].s = s;
		end[i].channel = i ? !b->side : (int)b->side;
		end[i].data = s->data + (size_t)end[i].channel * b->capacity;
	}
	b->tx = &end[0];
	b->rx = &end[1];
	return 0;
}

/* ------------------------------------------------------------- semaphores */

static int change(struct bench *b, struct end *e, enum which which, short by)
{
	struct sembuf op = { (unsigned short)(2 * e->channel + which), by, 0 };

	do {
		b->syscalls++;
		if (!semop(e->s->set, &op, 1))
			return 0;
	} while (errno == EINTR);
	return -errno;
}

static int sysv_wait(struct bench *b, struct end *e, enum which which)
{
	return change(b, e, which, -1);
}

static int sysv_signal(struct bench *b, struct end *e, enum which which)
{
	b->wakes++;
	return change(b, e, which, 1);
}

static sem_t *semaphore(struct end *e, enum which which)
{
	return which == EMPTY ? &e->s->empty[e->channel] : &e->s->full[e->channel];
}

/* The C library's futex calls cannot be counted: a sleep counts as one, its end as another. */
static int posix_wait(struct bench *b, struct end *e, enum which which)
{
	sem_t *sem = semaphore(e, which);

	if (!sem_trywait(sem))
		return 0;
	b->syscalls += 2;
	b->wakes++;
	while (sem_wait(sem))
		if (errno != EINTR)
			return -errno;
	return 0;
}

static int posix_signal(struct bench *b, struct end *e, enum which which)
{
	(void)b;
	return sem_post(semaphore(e, which)) ? -errno : 0;
}

/* --------------------------------------------------------------- messages */

typedef int change_fn(struct bench *b, struct end *e, enum which which);

BENCH_INLINE void step(struct end *e)
{
	e->offset += e->s->size;
	if (e->offset == e->s->nr * e->s->size)
		e->offset = 0;
}

BENCH_INLINE int put(struct bench *b, uint64_t seq, change_fn *wait, change_fn *signal)
{
	struct end *e = b->tx;
	int ret = wait(b, e, EMPTY);

	if (ret)
		return ret;
	fill_in_place(b, e->data + e->offset, seq);
	step(e);
	return signal(b, e, FULL);
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq, change_fn *wait, change_fn *signal)
{
	struct end *e = b->rx;
	int ret = wait(b, e, FULL);

	if (!ret)
		ret = check_message(b, e->data + e->offset, seq);
	if (ret)
		return ret;
	step(e);
	return signal(b, e, EMPTY);
}

BENCH_INLINE int put_sysv(struct bench *b, uint64_t seq)
{
	return put(b, seq, sysv_wait, sysv_signal);
}

BENCH_INLINE int get_sysv(struct bench *b, uint64_t *seq)
{
	return get(b, seq, sysv_wait, sysv_signal);
}

BENCH_INLINE int put_posix(struct bench *b, uint64_t seq)
{
	return put(b, seq, posix_wait, posix_signal);
}

BENCH_INLINE int get_posix(struct bench *b, uint64_t *seq)
{
	return get(b, seq, posix_wait, posix_signal);
}

static int run_sysv(struct bench *b, struct result *res)
{
	return run_loops_of_any_size(b, res, put_sysv, get_sysv, no_flush);
}

static int run_posix(struct bench *b, struct result *res)
{
	return run_loops_of_any_size(b, res, put_posix, get_posix, no_flush);
}

const struct contender semaphore_contenders[] = {
	{ "sysv-shm-sem", FAMILY_IPC, WAIT_KERNEL, API_INPLACE,
	  "System V shared memory and semaphores",
	  open_semaphores, attach_semaphores, run_sysv, close_semaphores, false },
	{ "posix-shm-sem", FAMILY_IPC, WAIT_BLOCK, API_INPLACE,
	  "POSIX shared memory and process-shared sem_t",
	  open_semaphores, attach_semaphores, run_posix, close_semaphores, true },
	{ 0 }
};
