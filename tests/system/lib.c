// SPDX-License-Identifier: MIT
#include "lib.h"

#include <sys/inotify.h>

#define NR_INOTIFY	5	/* what a process of the library takes at most */

const struct shmring_wait nowait = { .flags = SHMRING_NOWAIT };

static bool memfd;

bool on_memfd(void)
{
	return memfd;
}

void need_backend(void)
{
	const char *want = getenv("SHMRING_BACKEND");
	const char *require = getenv("SHMRING_REQUIRE");
	struct shmring *r;
	int ret = shmring_create(&r, NULL, NULL);

	if (ret && require && want && !strcmp(require, want)) {
		printf("backend %s: %s, and SHMRING_REQUIRE=%s\n", want, strerror(-ret), require);
		exit(TEST_FAIL);
	}
	if (ret == -ENODEV || ret == -EACCES)
		skip("backend %s: %s", want ? want : "of any kind", strerror(-ret));
	CHECK_EQ(ret, 0);
	memfd = !strcmp(shmring_backend_name(r), "memfd");
	if (want)
		CHECK(!strcmp(shmring_backend_name(r), want));
	shmring_close(r);
}

void need_inotify(void)
{
	int fds[NR_INOTIFY], n = 0;

	while (on_memfd() && n < NR_INOTIFY) {
		fds[n] = inotify_init1(IN_CLOEXEC);
		if (fds[n] < 0)
			skip("no inotify instances left: %s", strerror(errno));
		n++;
	}
	while (n > 0)
		close(fds[--n]);
}

struct shmring *make(size_t capacity, size_t slot_size, enum shmring_role role)
{
	struct shmring_options opt = { .capacity = capacity, .slot_size = slot_size,
				       .role = role, .policy = SHMRING_BLOCK };
	struct shmring *r;

	CHECK_EQ(shmring_create(&r, NULL, &opt), 0);
	return r;
}

struct shmring *attach(const struct shmring *r, enum shmring_role role)
{
	struct shmring *end;

	CHECK_EQ(shmring_attach_fd(&end, shmring_fd(r), role), 0);
	if (role != SHMRING_HANDLE)
		CHECK_EQ(shmring_set_policy(end, SHMRING_BLOCK), 0);
	return end;
}

struct shmring_info info_of(const struct shmring *r)
{
	struct shmring_info info;

	memset(&info, 0xcc, sizeof(info));
	info.size = sizeof(info);
	CHECK_EQ(shmring_get_info(r, &info), 0);
	return info;
}

struct pair make_pair(size_t capacity, size_t slot_size)
{
	struct shmring *p = make(capacity, slot_size, SHMRING_PRODUCER);

	return (struct pair){ p, attach(p, SHMRING_CONSUMER) };
}

void close_pair(struct pair *pair)
{
	shmring_close(pair->p);
	shmring_close(pair->c);
}

void send_number(struct shmring *r, uint64_t n)
{
	struct shmring_wait w = { .deadline = shmring_deadline(PATIENCE_NS) };

	CHECK_EQ(shmring_send(r, &n, sizeof(n), &w), sizeof(n));
}

uint64_t receive_number(struct shmring *r)
{
	struct shmring_wait w = { .deadline = shmring_deadline(PATIENCE_NS) };
	uint64_t n;

	CHECK_EQ(shmring_recv(r, &n, sizeof(n), &w), sizeof(n));
	return n;
}

int receive_now(struct shmring *r)
{
	uint64_t n;

	return (int)shmring_recv(r, &n, sizeof(n), &nowait);
}

int send_now(struct shmring *r)
{
	uint64_t n = 0;

	return (int)shmring_send(r, &n, sizeof(n), &nowait);
}

struct child {
	struct shmring *r;
	enum shmring_role role;
	int (*fn)(struct shmring *r);
};

static int run_child(void *arg)
{
	const struct child *child = arg;
	struct shmring *end = attach(child->r, child->role);
	int ret = child->fn(end);

	shmring_close(end);
	return ret;
}

pid_t start_as(struct shmring *r, enum shmring_role role, int (*fn)(struct shmring *r))
{
	struct child child = { r, role, fn };

	return start(run_child, &child);
}

void await_asleep(pid_t pid)
{
	int seen = 0;

	AWAIT((seen = state_of(pid) == 'S' ? seen + 1 : 0) == 20);
}
