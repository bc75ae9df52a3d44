// SPDX-License-Identifier: MIT
/* /proc/shmring: what it shows, and to which users; fdinfo. */
#include "proc.h"

#include <fcntl.h>
#include <sys/stat.h>

static void test_row(void)
{
	const char *name = unique("row");
	int ring = create(name, 2 * page_size(), 0640, SHMRING_CREATE_F_QUEUE);
	struct endpoint p, c;
	struct row r;

	CHECK(find_row(name, &r));
	EXPECT_EQ(r.owner, geteuid());
	EXPECT_EQ(r.mode, 0640);
	EXPECT_EQ(r.capacity, 2 * page_size());
	EXPECT_EQ(r.used | r.producers | r.consumers | r.sleeps | r.wakes | r.refused, 0);
	EXPECT_EQ(r.id, query(ring).id);
	EXPECT_EQ(r.producer | r.consumer, 0);
	EXPECT(!strcmp(r.ipc_ns, "-"));
	EXPECT_EQ(r.group, getegid());
	EXPECT_EQ(r.flags, SHMRING_CREATE_F_QUEUE);
	EXPECT_EQ(r.lanes, 1);

	p = endpoint(ring, PRODUCER);
	c = endpoint(ring, CONSUMER);
	move(&p, 48);
	CHECK(find_row(name, &r));
	EXPECT_EQ(r.used, 48);
	EXPECT_EQ(r.producers, 1);
	EXPECT_EQ(r.consumers, 1);
	move(&c, 40);
	EXPECT_EQ(wait_data(c.fd, 16, 0, now_ns() + 1000000), -ETIMEDOUT);
	p.producer->refused = 3;
	c.consumer->refused = 4;
	drop(&p);
	CHECK(find_row(name, &r));
	EXPECT_EQ(r.refused, 7);
	EXPECT_EQ(r.used, 8);
	EXPECT_EQ(r.producers, 0);
	EXPECT_EQ(r.consumers, 1);
	EXPECT(r.sleeps <= 1);

	/* False positions must not show as impossible numbers. */
	set_position(&c, 1ull << 63);
	CHECK(find_row(name, &r));
	EXPECT(r.used <= r.capacity);
	drop(&c);
	CHECK_EQ(unlink_ring(name), 0);
	EXPECT(!find_row(name, &r));
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
	expect_number(fd, "consumer-sleeps", q.consumer_sleeps);
	expect_number(fd, "consumer-woken", q.consumer_woken);
	expect_number(fd, "producer-sleeps", q.producer_sleeps);
	expect_number(fd, "producer-woken", q.producer_woken);
	expect_number(fd, "consumer-refused", q.consumer_refused);
	expect_number(fd, "producer-refused", q.producer_refused);
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
		start_verb(&c, VERB_WAIT, 8, 0, 0);
		await_sleep(&c, ring, before);
		ask(&p, VERB_MOVE, 8, 0, 0);
		EXPECT_EQ(result_of(&c), 0);
		ask(&c, VERB_MOVE, 8, 0, 0);
	}
	ask(&p, VERB_MOVE, page_size(), 0, 0);
	start_verb(&p, VERB_WAIT, 8, 8, 0);
	await_sleep(&p, ring, 0);
	ask(&c, VERB_MOVE, 8, 0, 0);
	EXPECT_EQ(result_of(&p), 0);

	q = query(ring);
	EXPECT(q.consumer_sleeps >= 3 && q.producer_sleeps >= 1);
	EXPECT(q.consumer_woken <= 3 && q.producer_woken <= 1);	/* a nap may see it, too */
	CHECK(find_row(name, &r));
	EXPECT_EQ(r.sleeps, q.consumer_sleeps + q.producer_sleeps);
	EXPECT_EQ(r.wakes, q.consumer_woken + q.producer_woken);
	end_actor(&p);
	CHECK(find_row(name, &r));
	EXPECT_EQ(r.producers, 0);
	EXPECT_EQ(r.consumers, 1);
	expect_fdinfo_is_query(ring);
	end_actor(&c);
	CHECK(!close(ring));
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
		EXPECT(find_row(s.name, &r));
		EXPECT_EQ(in_child(look_as_user, &s), TEST_PASS);
		CHECK(!close(ring));
	}
	umask(before);
	context("/proc/shmring, an anonymous ring");
	ring = make_ring(page_size());
	EXPECT(find_row("-", &r));
	s = (struct seen){ "-", false };
	EXPECT_EQ(in_child(look_as_user, &s), TEST_PASS);
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
	expect_number(ring, "slots", 0);
	expect_number(ring, "align", SHMRING_ALIGN);
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
	EXPECT(fdinfo_has(ring, "consumer-refused", "5"));
	EXPECT(fdinfo_has(p.fd, "producer-refused", "0"));
	EXPECT_EQ(query(ring).consumer_refused, 5);
	drop(&p);
	drop(&c);
	CHECK(!close(ring));
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
	RUN(test_pages);
	return finish();
}
