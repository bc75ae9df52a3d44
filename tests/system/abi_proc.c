// SPDX-License-Identifier: MIT
/* /proc/shmring: what it shows, and to whom; fdinfo. */
#include "abi.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define USER	1000

struct row {
	char name[64];
	unsigned int owner, mode;
	unsigned long long capacity, used;
	unsigned int producers, consumers;
	unsigned long long sleeps, wakes, refused, id;
	int producer, consumer;		/* pids */
	char ipc_ns[16];
};

/* Find the first line with this name. */
static bool find(const char *name, struct row *r)
{
	FILE *f = fopen("/proc/shmring", "re");
	char line[512];
	bool found = false;

	CHECK(f);
	CHECK(fgets(line, sizeof(line), f));
	CHECK(!strncmp(line, "name ", 5));
	while (!found && fgets(line, sizeof(line), f)) {
		CHECK_EQ(sscanf(line, "%63s %u %o %llu %llu %u %u %llu %llu %llu %llu %d %d %15s",
				r->name, &r->owner, &r->mode, &r->capacity, &r->used,
				&r->producers, &r->consumers, &r->sleeps, &r->wakes, &r->refused,
				&r->id, &r->producer, &r->consumer, r->ipc_ns), 14);
		found = !strcmp(r->name, name);
	}
	fclose(f);
	return found;
}

static void test_row(void)
{
	const char *name = unique("row");
	int ring = create(name, 2 * page_size(), 0640, 0);
	struct endpoint p, c;
	struct row r;

	CHECK(find(name, &r));
	EXPECT_EQ(r.owner, geteuid());
	EXPECT_EQ(r.mode, 0640);
	EXPECT_EQ(r.capacity, 2 * page_size());
	EXPECT_EQ(r.used | r.producers | r.consumers | r.sleeps | r.wakes | r.refused, 0);
	EXPECT_EQ(r.id, query(ring).id);
	EXPECT_EQ(r.producer | r.consumer, 0);
	EXPECT(!strcmp(r.ipc_ns, "-"));

	p = endpoint(ring, PRODUCER);
	c = endpoint(ring, CONSUMER);
	move(&p, 48);
	CHECK(find(name, &r));
	EXPECT_EQ(r.used, 48);
	EXPECT_EQ(r.producers, 1);
	EXPECT_EQ(r.consumers, 1);
	move(&c, 40);
	EXPECT_EQ(wait_data(c.fd, 16, 0, now_ns() + 1000000), -ETIMEDOUT);
	p.producer->refused = 3;
	c.consumer->refused = 4;
	drop(&p);
	CHECK(find(name, &r));
	EXPECT_EQ(r.refused, 7);
	EXPECT_EQ(r.used, 8);
	EXPECT_EQ(r.producers, 0);
	EXPECT_EQ(r.consumers, 1);
	EXPECT(r.sleeps <= 1);

	/* False positions must not show as impossible numbers. */
	set_position(&c, 1ull << 63);
	CHECK(find(name, &r));
	EXPECT(r.used <= r.capacity);
	drop(&c);
	CHECK_EQ(unlink_ring(name), 0);
	EXPECT(!find(name, &r));
	CHECK(!close(ring));
}

static bool fdinfo_has(int fd, const char *key, const char *value)
{
	char path[64], line[256], want[128];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(want, sizeof(want), "%s:\t%s\n", key, value);
	f = fopen(path, "re");
	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (!strcmp(line, want))
			found = true;
	fclose(f);
	return found;
}

static void expect_number(int fd, const char *key, uint64_t value)
{
	char text[32];

	context("fdinfo, %s", key);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	EXPECT(fdinfo_has(fd, key, text));
}

/* fdinfo has the same values as QUERY, line by line. */
static void expect_fdinfo_is_query(int fd)
{
	struct shmring_ioc_query q = query(fd);

	expect_number(fd, "ring-id", q.id);
	expect_number(fd, "capacity", q.capacity);
	expect_number(fd, "slot-size", q.slot_size);
	expect_number(fd, "head", q.head);
	expect_number(fd, "tail", q.tail);
	expect_number(fd, "data-sleeps", q.data_sleeps);
	expect_number(fd, "data-wakes", q.data_wakes);
	expect_number(fd, "space-sleeps", q.space_sleeps);
	expect_number(fd, "space-wakes", q.space_wakes);
	expect_number(fd, "data-refused", q.data_refused);
	expect_number(fd, "space-refused", q.space_refused);
}

/* Both sides sleep and are woken, one more often than the other: /proc shows the sum. */
static void test_sums(void)
{
	const char *name = unique("sums");
	int ring = create(name, page_size(), 0600, 0), i;
	struct actor p = actor(ring, PRODUCER, true), c = actor(ring, CONSUMER, true);
	struct shmring_ioc_query q;
	uint64_t before;
	struct row r;

	for (i = 0; i < 3; i++) {
		before = sleeps(ring, CONSUMER);
		tell(&c, VERB_WAIT, 8, 0, 0);
		await_sleep(&c, ring, before);
		ask(&p, VERB_MOVE, 8, 0, 0);
		EXPECT_EQ(hear(&c), 0);
		ask(&c, VERB_MOVE, 8, 0, 0);
	}
	ask(&p, VERB_MOVE, page_size(), 0, 0);
	tell(&p, VERB_WAIT, 8, 8, 0);
	await_sleep(&p, ring, 0);
	ask(&c, VERB_MOVE, 8, 0, 0);
	EXPECT_EQ(hear(&p), 0);

	q = query(ring);
	EXPECT(q.data_sleeps >= 3 && q.space_sleeps >= 1);
	EXPECT(q.data_wakes <= 3 && q.space_wakes <= 1);	/* a napping side may see it without */
	CHECK(find(name, &r));
	EXPECT_EQ(r.sleeps, q.data_sleeps + q.space_sleeps);
	EXPECT_EQ(r.wakes, q.data_wakes + q.space_wakes);
	dismiss(&p);
	CHECK(find(name, &r));
	EXPECT_EQ(r.producers, 0);
	EXPECT_EQ(r.consumers, 1);
	expect_fdinfo_is_query(ring);
	dismiss(&c);
	CHECK(!close(ring));
}

struct seen {
	const char *name;
	bool expected;
};

static int look(void *arg)
{
	const struct seen *s = arg;
	struct row r;

	become(USER, USER, NULL, 0);
	EXPECT_EQ(find(s->name, &r), s->expected);
	return TEST_PASS;
}

/* A user sees the rings that it may use, and no others. */
static void test_visibility(void)
{
	static const struct {
		uint32_t mode;
		bool visible;
	} cases[] = { { 0600, false }, { 0660, false }, { 0604, true }, { 0602, true },
		      { 0666, true }, { 0006, true } };
	mode_t before = umask(0);
	struct seen s;
	struct row r;
	size_t i;
	int ring;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		context("/proc/shmring, mode %04o", cases[i].mode);
		s = (struct seen){ unique("seen"), cases[i].visible };
		ring = create(s.name, page_size(), cases[i].mode, 0);
		EXPECT(find(s.name, &r));
		EXPECT_EQ(in_child(look, &s), TEST_PASS);
		CHECK(!close(ring));
	}
	umask(before);
	context("/proc/shmring, an anonymous ring");
	ring = make_ring(page_size());
	EXPECT(find("-", &r));
	s = (struct seen){ "-", false };
	EXPECT_EQ(in_child(look, &s), TEST_PASS);
	CHECK(!close(ring));
}

/*
 * The credentials are those of the process that opened the file: a set-user-ID program may have
 * it as standard input.
 */
static void test_opened_by_another(void)
{
	const char *name = unique("private");
	int ring = create(name, page_size(), 0600, 0), fd;
	char text[4096] = "";

	CHECK(ring >= 0);
	CHECK(!seteuid(USER));
	fd = open("/proc/shmring", O_RDONLY | O_CLOEXEC);
	CHECK(!seteuid(0));
	CHECK(fd >= 0);
	CHECK(read(fd, text, sizeof(text) - 1) > 0);
	EXPECT(!strstr(text, name));
	CHECK(!close(fd));
	CHECK(!close(ring));
}

static void test_fdinfo(void)
{
	const char *name = unique("fdinfo");
	int ring = create(name, page_size(), 0600, 0);
	struct endpoint p = endpoint(ring, PRODUCER);
	struct endpoint c = endpoint(ring, CONSUMER);
	int narrowed;

	move(&p, 64);
	move(&c, 24);
	narrowed = narrow(ring, SHMRING_RIGHT_PRODUCE);
	EXPECT(fdinfo_has(narrowed, "rights", "-w"));
	CHECK(!close(narrowed));
	narrowed = narrow(ring, SHMRING_RIGHT_CONSUME);
	EXPECT(fdinfo_has(narrowed, "rights", "r-"));
	CHECK(!close(narrowed));
	EXPECT(fdinfo_has(ring, "rights", "rw"));
	expect_number(ring, "lowat", 0);
	expect_number(p.fd, "lowat", SHMRING_ALIGN);
	expect_number(c.fd, "lowat", 1);
	EXPECT(fdinfo_has(ring, "role", "none"));
	EXPECT(fdinfo_has(p.fd, "role", "producer"));
	EXPECT(fdinfo_has(c.fd, "role", "consumer"));
	EXPECT(fdinfo_has(p.fd, "ring-name", name));
	EXPECT(fdinfo_has(p.fd, "head", "64"));
	EXPECT(fdinfo_has(p.fd, "tail", "24"));
	EXPECT(fdinfo_has(ring, "head", "64"));
	c.consumer->refused = 5;
	EXPECT(fdinfo_has(ring, "data-refused", "5"));
	EXPECT(fdinfo_has(p.fd, "space-refused", "0"));
	EXPECT_EQ(query(ring).data_refused, 5);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
}

/* The process that holds a role: the one that attached, then the one that maps. */
static void test_pids(void)
{
	const char *name = unique("pids");
	int ring = create(name, page_size(), 0600, 0);
	struct actor c = actor(ring, CONSUMER, true);
	int fd = attach(ring, PRODUCER);
	struct actor p;
	struct row r;

	CHECK(find(name, &r));
	EXPECT_EQ(r.producer, getpid());
	EXPECT_EQ(r.consumer, c.pid);
	p = actor_on(fd, PRODUCER);	/* does not map it */
	CHECK(find(name, &r));
	EXPECT_EQ(r.producer, getpid());
	dismiss(&p);
	CHECK(!close(fd));
	murder(&c);
	CHECK(find(name, &r));
	EXPECT_EQ(r.producer | r.consumer, 0);
	CHECK(!close(ring));
}

/* Runs as the first process of a PID namespace, with its own /proc. */
static int look_from_inside(void *arg)
{
	const char *name = arg;
	struct endpoint c;
	struct row r;

	CHECK(!mount("proc", "/proc", "proc", 0, NULL));
	CHECK(find(name, &r));
	EXPECT_EQ(r.producer, 0);
	c = endpoint(open_ring(name, SHMRING_RIGHT_ALL), CONSUMER);
	CHECK(find(name, &r));
	EXPECT_EQ(r.consumer, getpid());
	drop(&c);
	return TEST_PASS;
}

static int in_pid_namespace(void *arg)
{
	if (unshare(CLONE_NEWPID | CLONE_NEWNS))
		return errno == EINVAL ? TEST_SKIP : TEST_FAIL;
	CHECK(!mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	return in_child(look_from_inside, arg);
}

static int make_pid_namespace(void *arg)
{
	(void)arg;
	return unshare(CLONE_NEWPID) ? TEST_FAIL : TEST_PASS;
}

/* Is the initial PID namespace the only one? A limit of one lets a process make another. */
static bool is_only_pid_namespace(void)
{
	FILE *f = fopen("/proc/sys/user/max_pid_namespaces", "r+e");
	unsigned long before;
	bool ret;

	if (!f)
		return false;
	CHECK_EQ(fscanf(f, "%lu", &before), 1);
	rewind(f);
	CHECK(fprintf(f, "1\n") > 0 && !fflush(f));
	ret = in_child(make_pid_namespace, NULL) == TEST_PASS;
	rewind(f);
	CHECK(fprintf(f, "%lu\n", before) > 0 && !fclose(f));
	return ret;
}

static void test_pid_namespaces(void)
{
	char name[64];
	bool alone = is_only_pid_namespace();
	int ring, ret;
	struct endpoint p;

	strcpy(name, unique("pid-ns"));
	ring = create(name, page_size(), 0600, 0);
	p = endpoint(ring, PRODUCER);
	ret = in_child(in_pid_namespace, name);
	if (ret == TEST_SKIP)
		printf("no PID namespaces: the part about them is left out\n");
	else
		EXPECT_EQ(ret, TEST_PASS);
	/* The kernel keeps no pid of a role that has ended, so the namespace can go. */
	if (ret == TEST_PASS && alone)
		AWAIT(is_only_pid_namespace());
	else
		printf("other PID namespaces: whether one is left is not seen\n");
	drop(&p);
	CHECK(!close(ring));
}

/* Create a ring in an IPC namespace of its own, and wait. */
static int make_elsewhere(void *arg)
{
	const char *name = arg;
	struct row r;

	if (unshare(CLONE_NEWIPC))
		return errno == EINVAL ? TEST_SKIP : TEST_FAIL;
	CHECK(create(name, page_size(), 0600, 0) >= 0);
	EXPECT(find(name, &r) && !strcmp(r.ipc_ns, "-"));
	/* In this namespace not even root sees rings of the initial one. */
	EXPECT(!find("test-elsewhere-outside", &r));
	kill(getpid(), SIGSTOP);
	return TEST_FAIL;
}

static int look_as_root_of_a_namespace(void *arg)
{
	const struct seen *s = arg;
	struct row r;

	become(USER, USER, NULL, 0);
	if (unshare(CLONE_NEWUSER))
		return TEST_SKIP;
	EXPECT_EQ(find(s->name, &r), s->expected);
	return TEST_PASS;
}

/* Root of the initial namespaces sees the rings of all namespaces: they take its memory. */
static void test_ipc_namespaces(void)
{
	char path[64], link[64] = "", want[64], name[64];
	struct seen s = { name, false };
	struct row r;
	int outside, ret;
	pid_t pid;

	strcpy(name, unique("elsewhere"));
	outside = create("test-elsewhere-outside", page_size(), 0600, 0);
	CHECK(outside >= 0);
	pid = start(make_elsewhere, name);
	AWAIT(state_of(pid) == 'T' || state_of(pid) == 'Z');
	if (state_of(pid) == 'Z') {
		EXPECT_EQ(end_of(pid), TEST_SKIP);
		printf("no IPC namespaces: the part about them is left out\n");
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/ns/ipc", pid);
	CHECK(readlink(path, link, sizeof(link) - 1) > 0);
	CHECK(find(name, &r));
	snprintf(want, sizeof(want), "ipc:[%.15s]", r.ipc_ns);
	EXPECT(!strcmp(link, want));
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -ENOENT);
	EXPECT_EQ(in_child(look, &s), TEST_PASS);
	ret = in_child(look_as_root_of_a_namespace, &s);
	if (ret == TEST_SKIP)
		printf("no user namespaces: the part about them is left out\n");
	else
		EXPECT_EQ(ret, TEST_PASS);
	kill_child(pid);
	AWAIT(!find(name, &r));
	CHECK(!close(outside));
}

static unsigned long pages_in_use(void)
{
	FILE *f = fopen("/sys/module/shmring/parameters/pages", "re");
	unsigned long pages;

	CHECK(f);
	CHECK_EQ(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	return pages;
}

static void test_pages(void)
{
	const char *path = "/sys/module/shmring/parameters/pages";
	unsigned long before = pages_in_use();
	int ring = make_ring(16 * page_size());
	struct stat st;

	EXPECT_EQ(pages_in_use(), before + 16 + 3);
	CHECK(!close(ring));
	AWAIT(pages_in_use() == before);
	CHECK(!stat(path, &st));
	EXPECT_EQ(st.st_mode & 0777, 0400);
}

int main(void)
{
	control();
	need_root();
	RUN(test_row);
	RUN(test_sums);
	RUN(test_visibility);
	RUN(test_opened_by_another);
	RUN(test_fdinfo);
	RUN(test_pids);
	RUN(test_pid_namespaces);
	RUN(test_ipc_namespaces);
	RUN(test_pages);
	return finish();
}
