// SPDX-License-Identifier: MIT
/*
 * The operations. Descriptors and mappings are in slots that all threads share; a slot is
 * emptied in one atomic step, so that each is closed once. The results of calls do not matter:
 * only the kernel's log does, and that nothing is left at the end.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <linux/shmring.h>
#include <poll.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <liburing.h>

#define NR_SLOTS	16u
#define NR_CHILDREN	8u
#define CHILD_OPS	12u	/* operations of the program that a child goes on with */
#define PICK(table, n)	((table)[(n) % ARRAY_SIZE(table)])
#define PAGE		4096ull

static int control = -1, epoll = -1, sockets[2], proc_mem = -1;
static atomic_int fds[NR_SLOTS];		/* 0: empty */
static _Atomic uint64_t maps[NR_SLOTS];		/* packed; 0: empty */
static atomic_int children[NR_CHILDREN];
static bool in_the_child;

static __thread struct {
	unsigned int nr;
	sigjmp_buf fault;
	volatile sig_atomic_t may_fault;
	struct io_uring ring;
	unsigned int pending;
} self;

static const char *const names[] = { "", "a", "b", "c", "..", "with/slash" };
static const uint64_t capacities[] = {
	PAGE, PAGE, PAGE, PAGE, 2 * PAGE, 4 * PAGE, PAGE, 16 * PAGE, 0, PAGE - 1, 3 * PAGE,
	256 * PAGE, 1ull << 30, 1ull << 31, 1ull << 63, ~0ull,
};
static const uint64_t sizes[] = {
	1, 8, 16, 64, PAGE, PAGE - 8, PAGE + 8, 2 * PAGE, 0, 24, PAGE / 2, 0x7fffffff,
	1ull << 32, 1ull << 63, ~0ull, ~7ull,
};

/* ---- slots */

static int fd_of(unsigned int slot)
{
	int fd = fds[slot % NR_SLOTS];

	return fd ? fd : -1;
}

static bool keep_fd(unsigned int slot, int fd)
{
	int old;

	if (fd < 0)
		return false;
	old = atomic_exchange(&fds[slot % NR_SLOTS], fd);
	if (old)
		close(old);
	return true;
}

/* Addresses and lengths are whole pages: both fit in a word. */
static uint64_t pack(const void *addr, uint64_t pages)
{
	return (uintptr_t)addr >> 12 | pages << 36;
}

static unsigned char *addr_of(uint64_t map)
{
	return (unsigned char *)((map & ((1ull << 36) - 1)) << 12);
}

static size_t length_of(uint64_t map)
{
	return (map >> 36) * PAGE;
}

static void unmap(uint64_t map)
{
	if (map)
		munmap(addr_of(map), length_of(map));
}

static bool keep_map(unsigned int slot, void *addr, uint64_t pages)
{
	if (addr == MAP_FAILED)
		return false;
	unmap(atomic_exchange(&maps[slot % NR_SLOTS], pack(addr, pages)));
	return true;
}

/* ---- memory that may be missing, or read-only */

static void on_fault(int sig)
{
	if (!self.may_fault) {
		signal(sig, SIG_DFL);
		raise(sig);
		return;
	}
	siglongjmp(self.fault, 1);
}

static void on_kick(int sig)
{
	(void)sig;
}

static bool poke(void *to, const void *from, size_t n)
{
	bool ok = false;

	if (!sigsetjmp(self.fault, 0)) {
		self.may_fault = 1;
		memcpy(to, from, n);
		ok = true;
	}
	self.may_fault = 0;
	return ok;
}

static bool peek(uint64_t *to, const void *from)
{
	bool ok = false;

	if (!sigsetjmp(self.fault, 0)) {
		self.may_fault = 1;
		*to = *(const volatile uint64_t *)from;
		ok = true;
	}
	self.may_fault = 0;
	return ok;
}

/* A place for the argument: most often one that is valid. */
static void *placed(const struct op *op, void *arg, size_t size)
{
	uint64_t map = maps[op->map % NR_SLOTS];
	unsigned char *at;

	switch (op->d) {
	case 1:
		return NULL;
	case 2:
		return (void *)(1ull << 46);
	case 3:
	case 4:
	case 5:		/* in a ring; 5: at its end */
		if (!map)
			return arg;
		at = addr_of(map) + (op->d == 5 ? length_of(map) - 8 : 0);
		if (op->d != 5)
			poke(at, arg, size);
		return at;
	default:
		return arg;
	}
}

/* Now and then with another size in its number. */
static int call(const struct op *op, unsigned long cmd, void *arg, size_t size)
{
	if (op->d >= 0xf8)
		cmd = (cmd & ~(unsigned long)IOCSIZE_MASK) |
		      (unsigned long)(op->d - 0xf8) * 24 << IOCSIZE_SHIFT;
	return ioctl(fd_of(op->fd), cmd, placed(op, arg, size));
}

/* ---- /dev/shmring and its files */

static int call_control(const struct op *op, unsigned long cmd, void *arg, size_t size)
{
	return ioctl(op->d == 0x20 ? fd_of(op->fd) : control, cmd, placed(op, arg, size));
}

static bool do_create(const struct op *op)
{
	struct shmring_ioc_create c = {
		.capacity = PICK(capacities, op->a),
		.slot_size = op->b & 3 ? 0 : (uint32_t)PICK(sizes, op->b >> 4),
		.mode = op->c & 8 ? 0600 : 0666,
		.flags = ((op->c & 0xf0) == 0xf0 ? SHMRING_CREATE_F_PERSIST : 0) |
			 ((op->c & 0x0c) == 0x0c ? SHMRING_CREATE_F_QUEUE : 0),
		.slots = op->d == 0x21 ? op->c : 0,
		.align = op->d == 0x22 ? 1u << (op->c & 15) : 0,
	};

	if ((op->d & 0x60) == 0x60) {
		c.topology = op->a >> 6;
		c.nr_lanes = op->b >> 5;
		c.lanes_per_user = op->c >> 6;
	}
	strcpy((char *)c.name, op->c & 4 ? PICK(names, op->c) : "");
	return keep_fd(op->map, call_control(op, SHMRING_IOC_CREATE, &c, sizeof(c)));
}

static struct shmring_ioc_name name_of(const struct op *op)
{
	struct shmring_ioc_name n = { .flags = op->d == 0x21, .deadline = op->d == 0x21 };

	strcpy((char *)n.name, PICK(names, op->a));
	return n;
}

static bool do_open(const struct op *op)
{
	struct shmring_ioc_name n = name_of(op);

	n.rights = op->b % 5;
	return keep_fd(op->map, call_control(op, SHMRING_IOC_OPEN, &n, sizeof(n)));
}

static bool do_unlink(const struct op *op)
{
	struct shmring_ioc_name n = name_of(op);

	return !call_control(op, SHMRING_IOC_UNLINK, &n, sizeof(n));
}

static bool do_attach(const struct op *op)
{
	struct shmring_ioc_attach a = {
		.role = op->a % 8 < 7 ? op->a % 3 : 3,
		.rights = op->b % 8 < 4 ? op->b % 4 : 0,
		.lowat = op->c & 1 ? PICK(sizes, op->c >> 1) : 0,
		.flags = op->d == 0x22 ? 2 : 0,
	};

	if ((op->d & 0x60) == 0x60) {
		a.flags = SHMRING_ATTACH_F_LANE;
		a.lane = op->c >> 5;
	}
	return keep_fd(op->map, call(op, SHMRING_IOC_ATTACH, &a, sizeof(a)));
}

static bool do_query(const struct op *op)
{
	struct shmring_ioc_query q = { .lane = (op->d & 0x60) == 0x60 ? op->c >> 5 : 0 };

	return !call(op, SHMRING_IOC_QUERY, &q, sizeof(q));
}

/* Some modes let other users in, or none. All processes here are root's. */
static bool do_set_access(const struct op *op)
{
	struct shmring_ioc_access a = {
		.valid = op->a % 8 + (op->d == 0x22) * 8,
		.mode = op->b & 0666,
		.uid = op->c % 4 ? (uint32_t)(op->c % 3) : (uint32_t)-1,
		.gid = op->c % 3,
	};

	return !call(op, SHMRING_IOC_SET_ACCESS, &a, sizeof(a));
}

/*
 * Most deadlines have passed; some come in a moment; a few never come, and need another call to
 * end the wait.
 */
static uint64_t deadline(unsigned int n)
{
	if (n < 0xa0)
		return 1;
	if (n < 0xf0)
		return now_ns() + 20000;
	if (n < 0xfd)
		return now_ns() + 300000;
	return n == 0xfd ? 1ull << 63 : n == 0xfe ? ~0ull : 0;
}

static bool wait_for(const struct op *op, unsigned long cmd)
{
	struct shmring_ioc_wait w = {
		.bytes = PICK(sizes, op->a),
		.mark = op->a & 0x80 ? PICK(sizes, op->b) : 0,
		.deadline = deadline(op->c),
		.flags = op->d == 0x22,
	};

	return !call(op, cmd, &w, sizeof(w));
}

static bool do_wait_data(const struct op *op)
{
	return wait_for(op, SHMRING_IOC_WAIT_DATA);
}

static bool do_wait_space(const struct op *op)
{
	return wait_for(op, SHMRING_IOC_WAIT_SPACE);
}

static bool do_wake(const struct op *op)
{
	return !call(op, SHMRING_IOC_WAKE, NULL, 0);
}

static bool do_kick(const struct op *op)
{
	struct shmring_ioc_kick k = { .epoch = op->b % 4, .flags = op->d == 0x21 };

	return !call(op, SHMRING_IOC_KICK, &k, sizeof(k));
}

static bool do_set_create(const struct op *op)
{
	static const uint32_t most[] = { 4, 1, 64, 65, SHMRING_WAITSET_MAX, 0, ~0u };
	struct shmring_ioc_waitset_create c = { .max = PICK(most, op->a), .flags = op->d == 0x21 };

	return keep_fd(op->map, call_control(op, SHMRING_IOC_WAITSET_CREATE, &c, sizeof(c)));
}

/* The set is in slot fd, the endpoint in slot map. */
static bool do_set_change(const struct op *op)
{
	struct shmring_ioc_waitset_change c = {
		.fd = op->b % 4 ? fd_of(op->map) : -1,
		.index = op->a & 0x80 ? op->a : op->a % 4,
		.flags = op->d == 0x21,
	};

	return !call(op, SHMRING_IOC_WAITSET_CHANGE, &c, sizeof(c));
}

static bool do_set_wait(const struct op *op)
{
	struct shmring_ioc_waitset_wait w = {
		.deadline = op->a & 1 ? 0 : deadline(op->c),
		.flags = op->a & 1 ? SHMRING_WAITSET_F_COOL : 0,
	};

	return !call(op, SHMRING_IOC_WAITSET_WAIT, &w, sizeof(w));
}

/* Any number, any argument. */
static bool do_ioctl(const struct op *op)
{
	unsigned long cmd = _IOC(op->a >> 6, op->a & 0x20 ? SHMRING_IOC_TYPE : op->b,
				 op->a % 20, op->c);
	uint64_t arg[32];
	int ret;

	memset(arg, op->d, sizeof(arg));
	ret = ioctl(op->b & 1 ? control : fd_of(op->fd), cmd, placed(op, arg, sizeof(arg)));
	return ret > 0 ? keep_fd(op->map, ret) : !ret;	/* a descriptor must not be lost */
}

/* ---- memory */

static bool do_mmap(const struct op *op)
{
	static const int prots[] = { PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
				     PROT_NONE, PROT_WRITE, PROT_READ | PROT_EXEC };
	struct shmring_ioc_query q = { .lane = 0 };
	struct shmring_region r;
	int fd = fd_of(op->fd);

	if (ioctl(fd, SHMRING_IOC_QUERY, &q))
		r = (struct shmring_region){ 0, PAGE };
	else if (op->a % 8 < 4)
		r = (&q.kernel)[op->a % 4];
	else if (op->a % 8 < 7)
		r = (struct shmring_region){ q.producer.offset, q.producer.length + q.data.length };
	else
		r = (struct shmring_region){ (op->a >> 3) * PAGE, (1 + op->d % 8) * PAGE };
	return keep_map(op->map, mmap(NULL, r.length, PICK(prots, op->b),
				      op->c % 16 ? MAP_SHARED : MAP_PRIVATE, fd,
				      (off_t)r.offset), r.length / PAGE);
}

/* A part of a mapping, or, most often, the whole. */
static uint64_t part(const struct op *op)
{
	uint64_t map = maps[op->map % NR_SLOTS];
	size_t pages = length_of(map) / PAGE, from;

	if (!map || op->c & 3)
		return map;
	from = (op->c >> 2) % pages;
	return pack(addr_of(map) + from * PAGE, 1 + op->d % (pages - from));
}

static bool do_munmap(const struct op *op)
{
	uint64_t map = part(op);

	if (map && map == maps[op->map % NR_SLOTS])
		map = atomic_exchange(&maps[op->map % NR_SLOTS], 0);
	return !munmap(addr_of(map), length_of(map));
}

static bool do_mprotect(const struct op *op)
{
	uint64_t map = part(op);

	return !mprotect(addr_of(map), length_of(map), op->a % 8);
}

static bool do_mremap(const struct op *op)
{
	uint64_t map = part(op);
	size_t pages = op->a & 7 ? length_of(map) / PAGE : (op->a >> 3);
	void *p = mremap(addr_of(map), op->b & 0x80 ? 0 : length_of(map), pages * PAGE,
			 op->b & 5 /* MAYMOVE, DONTUNMAP */);

	return p != MAP_FAILED && p != addr_of(map) && keep_map(op->b >> 3, p, pages);
}

static bool do_madvise(const struct op *op)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_DOFORK, MADV_DONTFORK, MADV_WILLNEED, MADV_REMOVE, MADV_FREE,
		MADV_COLD, MADV_PAGEOUT, MADV_DODUMP, MADV_WIPEONFORK, MADV_MERGEABLE,
		MADV_HUGEPAGE, 22 /* POPULATE_READ */, 23 /* POPULATE_WRITE */, 25 /* COLLAPSE */,
	};
	uint64_t map = part(op);

	return !madvise(addr_of(map), length_of(map), PICK(advice, op->a));
}

/* Write a position, or any other place in a ring. */
static bool do_write(const struct op *op)
{
	static const uint64_t positions[] = { 0, 8, 64, PAGE, 1, ~0ull, ~7ull, 1ull << 63 };
	uint64_t map = maps[op->map % NR_SLOTS], value;
	unsigned char *at = addr_of(map);

	if (!map)
		return false;
	if (op->c & 1)
		at += op->b * 8 % length_of(map);
	if (!peek(&value, at))
		return false;
	value = op->c & 2 ? value + PICK(sizes, op->a) : PICK(positions, op->a);
	return poke(at, &value, sizeof(value));
}

/* ---- waiting */

static bool do_poll(const struct op *op)
{
	struct pollfd p[2] = {
		{ .fd = fd_of(op->fd), .events = op->a },
		{ .fd = fd_of(op->map), .events = POLLIN | POLLOUT | POLLRDHUP },
	};

	return poll(p, 1 + op->b % 2, op->c >= 0xf8) > 0;
}

static bool do_epoll_ctl(const struct op *op)
{
	static const uint32_t events[] = { EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT | EPOLLRDHUP };
	static const uint32_t flags[] = { 0, EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE,
					  EPOLLET | EPOLLONESHOT, EPOLLEXCLUSIVE | EPOLLET };
	struct epoll_event e = { .events = PICK(events, op->b) | PICK(flags, op->c) };

	return !epoll_ctl(epoll, 1 + op->a % 3, fd_of(op->fd), &e);
}

static bool do_epoll_wait(const struct op *op)
{
	struct epoll_event e[4];

	return epoll_wait(epoll, e, 1 + op->a % 4, op->c >= 0xf8) > 0;
}

/* ---- descriptors */

static bool do_dup(const struct op *op)
{
	return keep_fd(op->map, fcntl(fd_of(op->fd), F_DUPFD_CLOEXEC, 3));
}

static bool do_close(const struct op *op)
{
	int fd = atomic_exchange(&fds[op->fd % NR_SLOTS], 0);

	return !close(fd ? fd : -1);
}

static struct msghdr message(struct iovec *iov, char *control_data, size_t size)
{
	static char byte;

	*iov = (struct iovec){ &byte, 1 };
	return (struct msghdr){ .msg_iov = iov, .msg_iovlen = 1, .msg_control = control_data,
				.msg_controllen = size };
}

static bool do_send(const struct op *op)
{
	_Alignas(struct cmsghdr) char data[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov;
	struct msghdr m = message(&iov, data, sizeof(data));
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&m);
	int fd = fd_of(op->fd);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sockets[0], &m, MSG_DONTWAIT) > 0;
}

/* A descriptor; -1: no message; -2: one without. */
static int received(void)
{
	_Alignas(struct cmsghdr) char data[CMSG_SPACE(sizeof(int))];
	struct iovec iov;
	struct msghdr m = message(&iov, data, sizeof(data));
	struct cmsghdr *cmsg;
	int fd = -2;

	if (recvmsg(sockets[1], &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	cmsg = CMSG_FIRSTHDR(&m);
	if (cmsg)
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static bool do_receive(const struct op *op)
{
	return keep_fd(op->map, received());
}

/* Other calls on a file, and on memory that other threads use. */
static bool do_other(const struct op *op)
{
	uint64_t map = maps[op->map % NR_SLOTS], word[8] = { 0 };
	struct iovec from = { word, sizeof(word) }, to = { addr_of(map), sizeof(word) };
	int fd = fd_of(op->fd);
	char path[64];
	struct stat st;

	switch (op->a % 14) {
	case 0:
		return read(fd, word, sizeof(word)) > 0;
	case 1:
		return write(fd, word, sizeof(word)) > 0;
	case 2:
		return lseek(fd, op->b, op->c % 3) >= 0;
	case 3:
		return !ftruncate(fd, op->b);
	case 4:
		return !fallocate(fd, op->b % 4, 0, PAGE);
	case 5:
		return !fstat(fd, &st);
	case 6:
		return !fcntl(fd, F_SETFL, op->b % 2 ? O_NONBLOCK : 0);
	case 7:
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		return keep_fd(op->map, open(path, O_RDWR | O_CLOEXEC));
	case 8:
		return pwrite(proc_mem, word, sizeof(word), (off_t)(uintptr_t)addr_of(map)) > 0;
	case 9:
		return pread(proc_mem, word, sizeof(word), (off_t)(uintptr_t)addr_of(map)) > 0;
	case 10:
		return process_vm_writev(getpid(), &from, 1, &to, 1, 0) > 0;
	case 11:
		return !mlock(addr_of(map), length_of(map));
	case 12:
		return write(sockets[0], addr_of(map), 8) > 0;
	default:
		return !msync(addr_of(map), length_of(map), MS_SYNC);
	}
}

static bool do_proc(const struct op *op)
{
	char path[64] = "/proc/shmring", text[2048];
	bool ok;
	int fd;

	if (op->a & 1)
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd_of(op->fd));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ok = read(fd, text, 1 + op->b * 8) > 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* ---- io_uring, one for each thread */

static void reap(void)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(&self.ring, &cqe)) {
		self.pending -= !(cqe->flags & IORING_CQE_F_MORE);
		io_uring_cqe_seen(&self.ring, cqe);
	}
}

static bool submit(struct io_uring_sqe *sqe, const struct op *op)
{
	if (op->d % 16 == 0)
		sqe->flags |= IOSQE_ASYNC;
	self.pending++;
	if (io_uring_submit(&self.ring) < 0)
		return false;
	io_uring_get_events(&self.ring);
	reap();
	return true;
}

static void prepare_command(struct io_uring_sqe *sqe, int fd, unsigned int cmd)
{
	io_uring_prep_nop(sqe);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = cmd;
}

static bool do_command(const struct op *op)
{
	static const unsigned int cmds[] = {
		SHMRING_URING_WAIT_DATA, SHMRING_URING_WAIT_SPACE, SHMRING_URING_WAIT_DATA,
		SHMRING_URING_WAIT_SPACE, SHMRING_URING_CANCEL, SHMRING_IOC_WAKE, 0,
	};
	uint64_t arg[2] = { PICK(sizes, op->b), op->c & 0x80 ? PICK(sizes, op->c) : 0 };
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self.ring);

	if (!sqe)
		return false;
	prepare_command(sqe, fd_of(op->fd), PICK(cmds, op->a));
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, addr3), arg, sizeof(arg));
	if (op->d == 0x21)
		sqe->addr = 1;
	return submit(sqe, op);
}

static bool do_uring_poll(const struct op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self.ring);

	if (!sqe)
		return false;
	if (op->a & 1)
		io_uring_prep_poll_multishot(sqe, fd_of(op->fd), op->b);
	else
		io_uring_prep_poll_add(sqe, fd_of(op->fd), op->b);
	return submit(sqe, op);
}

/* Cancel all that can be cancelled: polls, and commands that have not begun. */
static void cancel_any(struct io_uring_sqe *sqe)
{
	io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
}

static bool do_cancel(const struct op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self.ring);

	if (!sqe)
		return false;
	cancel_any(sqe);
	return submit(sqe, op);
}

static void open_ring(void)
{
	unsigned int flags = self.nr == 1 ?
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : 0;

	CHECK_EQ(io_uring_queue_init(64, &self.ring, flags), 0);
	self.pending = 0;
}

/* End the io_uring, with all that waits in it. */
static bool do_uring_exit(const struct op *op)
{
	if (op->a % 16)
		return false;
	io_uring_queue_exit(&self.ring);
	open_ring();
	return true;
}

/* ---- the table */

static bool do_fork(const struct op *op);

static const struct kind {
	const char *name;
	bool (*run)(const struct op *op);
	unsigned int weight;
	bool no_call;		/* counts as none */
	bool uring;		/* not in a child: the io_uring is the parent's */
} kinds[] = {
	{ "create", do_create, 5, false, false },
	{ "open", do_open, 3, false, false },
	{ "unlink", do_unlink, 3, false, false },
	{ "attach", do_attach, 14, false, false },
	{ "query", do_query, 3, false, false },
	{ "wait-data", do_wait_data, 12, false, false },
	{ "wait-space", do_wait_space, 12, false, false },
	{ "wake", do_wake, 10, false, false },
	{ "ioctl", do_ioctl, 5, false, false },
	{ "mmap", do_mmap, 14, false, false },
	{ "munmap", do_munmap, 5, false, false },
	{ "mprotect", do_mprotect, 4, false, false },
	{ "mremap", do_mremap, 4, false, false },
	{ "madvise", do_madvise, 4, false, false },
	{ "write", do_write, 20, true, false },
	{ "poll", do_poll, 8, false, false },
	{ "epoll-ctl", do_epoll_ctl, 8, false, false },
	{ "epoll-wait", do_epoll_wait, 4, false, false },
	{ "dup", do_dup, 2, false, false },
	{ "close", do_close, 4, false, false },
	{ "send", do_send, 2, false, false },
	{ "receive", do_receive, 2, false, false },
	{ "other", do_other, 6, false, false },
	{ "proc", do_proc, 1, false, false },
	{ "command", do_command, 14, false, true },
	{ "uring-poll", do_uring_poll, 4, false, true },
	{ "uring-cancel", do_cancel, 2, false, true },
	{ "uring-exit", do_uring_exit, 1, false, true },
	{ "fork", do_fork, 1, false, false },
	{ "set-access", do_set_access, 2, false, false },
	{ "kick", do_kick, 3, false, false },
	{ "waitset-create", do_set_create, 4, false, false },
	{ "waitset-change", do_set_change, 10, false, false },
	{ "waitset-wait", do_set_wait, 10, false, false },
};

unsigned int nr_kinds(void)
{
	return ARRAY_SIZE(kinds);
}

const char *kind_name(unsigned int what)
{
	return kinds[what % ARRAY_SIZE(kinds)].name;
}

unsigned int kind_of(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			break;
	return i;
}

unsigned int random_kind(uint64_t *seed)
{
	unsigned int total = 0, i, left;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		total += kinds[i].weight;
	left = (unsigned int)(random_u64(seed) % total);
	for (i = 0; left >= kinds[i].weight; i++)
		left -= kinds[i].weight;
	return i;
}

/* ---- a child, which is another process for the rings */

static __thread const struct program *running;
static __thread unsigned int position;

static void live(unsigned int from)
{
	unsigned int i;

	in_the_child = true;
	for (i = from; i < running->nr && i < from + CHILD_OPS; i++)
		if (!kinds[running->ops[i].what].uring)
			kinds[running->ops[i].what].run(&running->ops[i]);
	_exit(0);
}

/* fork is slow, so most programs make none; some children are killed at once. */
static bool do_fork(const struct op *op)
{
	pid_t pid;

	if (in_the_child || op->a % 32)
		return false;
	pid = fork();
	if (pid < 0)
		return false;
	if (!pid)
		live(position + 1);
	pid = atomic_exchange(&children[op->b % NR_CHILDREN], pid);
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return true;
}

/* ---- from outside */

void run_op(const struct program *p, unsigned int i, struct tally *tally)
{
	const struct op *op = &p->ops[i];
	const struct kind *kind = &kinds[op->what];

	running = p;
	position = i;
	tally[op->what].worked += kind->run(op);
	tally[op->what].calls += !kind->no_call;
}

void ops_init(void)
{
	struct sigaction fault = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	struct sigaction kick = { .sa_handler = on_kick };

	control = open("/dev/shmring", O_RDWR | O_CLOEXEC);
	CHECK(control > 0);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	CHECK(epoll > 0);
	CHECK(!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets));
	proc_mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	CHECK(proc_mem > 0);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGUSR1, &kick, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void ops_thread_init(unsigned int thread)
{
	self.nr = thread;
	open_ring();
}

void stop_waits(unsigned int thread)
{
	static const struct op plain = { .d = 0x40 };
	struct io_uring_sqe *sqe;
	unsigned int i;

	for (i = 0; !thread && i < NR_SLOTS; i++) {
		sqe = fds[i] ? io_uring_get_sqe(&self.ring) : NULL;
		if (!sqe)
			continue;
		prepare_command(sqe, fds[i], SHMRING_URING_CANCEL);
		submit(sqe, &plain);
	}
	if (self.pending)
		do_cancel(&plain);
}

void await_waits(void)
{
	unsigned int tries = 3;

	while (self.pending && tries--) {
		io_uring_get_events(&self.ring);
		reap();
	}
	/* Waits on files that are closed already. */
	if (self.pending) {
		io_uring_queue_exit(&self.ring);
		open_ring();
	}
}

void clean_up(void)
{
	struct shmring_ioc_name n;
	unsigned int i;
	int fd, pid;

	for (i = 0; i < NR_CHILDREN; i++) {
		pid = atomic_exchange(&children[i], 0);
		if (pid > 0) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
	}
	while ((fd = received()) != -1)
		if (fd >= 0)
			close(fd);
	for (i = 0; i < NR_SLOTS; i++) {
		unmap(atomic_exchange(&maps[i], 0));
		fd = atomic_exchange(&fds[i], 0);
		if (fd)
			close(fd);
	}
	for (i = 1; i < ARRAY_SIZE(names); i++) {
		memset(&n, 0, sizeof(n));
		strcpy((char *)n.name, names[i]);
		ioctl(control, SHMRING_IOC_UNLINK, &n);
	}
}
