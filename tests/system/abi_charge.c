// SPDX-License-Identifier: MIT
/*
 * The user that is charged for a ring: its creator, as long as the ring has its name or
 * the creator has a file of it; after that the user of the oldest open file. Each user is a
 * process here that follows commands.
 */
#include "abi.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define UID		1000
#define PAGES		8		/* of data */
#define HEADER_PAGES	3		/* kernel, consumer, producer */
#define NR_FILES	4

enum verb_of_user { MAKE, OPEN, UNLINK, ATTACH, CLOSE, HAS_ROOM };

struct request {
	enum verb_of_user verb;
	int file;			/* which of the user's files; for ATTACH the new one */
	int from;			/* ATTACH: the ring's file */
	char name[SHMRING_NAME_MAX];
	uint32_t flags;
};

struct user {
	pid_t pid;
	int to;
	int from;
};

/* The arguments of a user's process. */
struct start {
	uid_t uid;
	int requests;
	int answers;
	int inherited;			/* file 0, or -1 */
};

static int do_request(int *files, const struct request *r)
{
	int fd;

	switch (r->verb) {
	case MAKE:
		fd = create(r->name, PAGES * page_size(), 0666, r->flags);
		break;
	case OPEN:
		fd = open_ring(r->name, SHMRING_RIGHT_ALL);
		break;
	case ATTACH:
		fd = attach(files[r->from], PRODUCER);
		break;
	case UNLINK:
		return unlink_ring(r->name);
	case CLOSE:
		return close(files[r->file]);
	case HAS_ROOM:		/* for one ring of that size */
		fd = create("", PAGES * page_size(), 0600, 0);
		return fd < 0 ? fd : !close(fd);
	default:
		return -EINVAL;
	}
	if (fd < 0)
		return fd;
	files[r->file] = fd;
	return 0;
}

/* The limit is enough for a single ring. */
static int serve(void *arg)
{
	const struct start *s = arg;
	const rlim_t bytes = (PAGES + HEADER_PAGES) * page_size();
	int files[NR_FILES] = { s->inherited };
	struct request r;
	int answer;

	CHECK(!setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ bytes, bytes }));
	umask(0);
	become(s->uid, s->uid, NULL, 0);
	while (read(s->requests, &r, sizeof(r)) == sizeof(r)) {
		answer = do_request(files, &r);
		CHECK_EQ(write(s->answers, &answer, sizeof(answer)), sizeof(answer));
	}
	return TEST_PASS;
}

static struct user start_user(uid_t uid, int inherited)
{
	struct start s = { .uid = uid, .inherited = inherited };
	int to[2], from[2];
	struct user u;

	CHECK(!pipe2(to, O_CLOEXEC) && !pipe2(from, O_CLOEXEC));
	s.requests = to[0];
	s.answers = from[1];
	u = (struct user){ .to = to[1], .from = from[0] };
	u.pid = start(serve, &s);
	close(to[0]);
	close(from[1]);
	return u;
}

static int request(struct user *u, struct request r)
{
	int answer;

	CHECK_EQ(write(u->to, &r, sizeof(r)), sizeof(r));
	CHECK_EQ(read(u->from, &answer, sizeof(answer)), sizeof(answer));
	return answer;
}

static int on_file(struct user *u, enum verb_of_user verb, int file, int from)
{
	return request(u, (struct request){ .verb = verb, .file = file, .from = from });
}

static int on_name(struct user *u, enum verb_of_user verb, int file, const char *name,
		   uint32_t flags)
{
	struct request r = { .verb = verb, .file = file, .flags = flags };

	strcpy(r.name, name);
	return request(u, r);
}

/* The charge ends a moment after close(): wait for it. */
static void expect_room(struct user *u, bool room)
{
	if (room)
		AWAIT(on_file(u, HAS_ROOM, 0, 0) == 1);
	EXPECT_EQ(on_file(u, HAS_ROOM, 0, 0), room ? 1 : -EDQUOT);
}

static void end_user(struct user *u)
{
	kill_child(u->pid);
	close(u->to);
	close(u->from);
}

static struct user a, b, c;

static void begin(void)
{
	a = start_user(UID, -1);
	b = start_user(UID + 1, -1);
	c = start_user(UID + 2, -1);
}

static void end(void)
{
	end_user(&a);
	end_user(&b);
	end_user(&c);
}

/* After its creator has unlinked and closed a ring, the users that keep it are charged. */
static void test_unlinked_and_closed(void)
{
	const char *name = unique("charge");

	begin();
	EXPECT_EQ(on_name(&a, MAKE, 0, name, 0), 0);
	EXPECT_EQ(on_name(&b, OPEN, 0, name, 0), 0);
	EXPECT_EQ(on_name(&c, OPEN, 0, name, 0), 0);
	EXPECT_EQ(on_name(&c, OPEN, 1, name, 0), 0);
	expect_room(&a, false);
	expect_room(&b, true);
	EXPECT_EQ(on_name(&a, UNLINK, 0, name, 0), 0);
	expect_room(&a, false);
	EXPECT_EQ(on_file(&a, CLOSE, 0, 0), 0);
	expect_room(&a, true);
	expect_room(&b, false);
	expect_room(&c, true);

	/* ... first the user of the oldest file, then the user of the next one. */
	EXPECT_EQ(on_file(&b, CLOSE, 0, 0), 0);
	expect_room(&b, true);
	expect_room(&c, false);
	EXPECT_EQ(on_file(&c, CLOSE, 0, 0), 0);
	expect_room(&c, false);
	EXPECT_EQ(on_file(&c, CLOSE, 1, 0), 0);
	expect_room(&c, true);
	expect_room(&a, true);
	end();
}

/* A ring with its name stays charged to its creator: other users may still open it. */
static void test_closed_then_unlinked(uint32_t flags)
{
	const char *name = unique("charge");

	begin();
	EXPECT_EQ(on_name(&a, MAKE, 0, name, flags), 0);
	EXPECT_EQ(on_name(&b, OPEN, 0, name, 0), 0);
	EXPECT_EQ(on_file(&a, CLOSE, 0, 0), 0);
	expect_room(&a, false);
	expect_room(&b, true);
	EXPECT_EQ(on_name(&a, UNLINK, 0, name, 0), 0);
	expect_room(&a, true);
	expect_room(&b, false);
	end_user(&b);
	b = start_user(UID + 1, -1);
	expect_room(&b, true);
	end();
}

static void test_nobody_but_the_name(void)
{
	const char *name = unique("charge");

	begin();
	EXPECT_EQ(on_name(&a, MAKE, 0, name, SHMRING_CREATE_F_PERSIST), 0);
	EXPECT_EQ(on_file(&a, CLOSE, 0, 0), 0);
	expect_room(&a, false);
	EXPECT_EQ(on_name(&a, UNLINK, 0, name, 0), 0);
	expect_room(&a, true);
	end();
}

/* A file of the creator's keeps the creator charged, whichever process has it open. */
static void test_creator_keeps_another(void)
{
	const char *name = unique("charge");

	begin();
	EXPECT_EQ(on_name(&a, MAKE, 0, name, 0), 0);
	EXPECT_EQ(on_name(&b, OPEN, 0, name, 0), 0);
	EXPECT_EQ(on_file(&a, ATTACH, 1, 0), 0);
	EXPECT_EQ(on_file(&a, CLOSE, 0, 0), 0);
	EXPECT_EQ(on_name(&a, UNLINK, 0, name, 0), 0);
	expect_room(&a, false);
	expect_room(&b, true);
	EXPECT_EQ(on_file(&a, CLOSE, 1, 0), 0);
	expect_room(&a, true);
	expect_room(&b, false);
	end();
}

/* A descriptor that is passed on is charged to its sender; a file opened with it is not. */
static void test_passed_on(void)
{
	int ring = make_ring(PAGES * page_size());	/* root's */
	struct user holder = start_user(UID, ring);

	CHECK(!close(ring));
	expect_room(&holder, true);
	EXPECT_EQ(on_file(&holder, ATTACH, 1, 0), 0);
	expect_room(&holder, true);
	EXPECT_EQ(on_file(&holder, CLOSE, 0, 0), 0);
	expect_room(&holder, false);
	EXPECT_EQ(on_file(&holder, CLOSE, 1, 0), 0);
	expect_room(&holder, true);
	end_user(&holder);
}

/* A creator that has closed its files, and gets a file again, is then one user among the others. */
static void test_creator_comes_back(void)
{
	const char *name = unique("charge");
	struct user again;
	int ring;

	begin();
	EXPECT_EQ(on_name(&a, MAKE, 0, name, 0), 0);
	ring = open_ring(name, SHMRING_RIGHT_ALL);	/* root's */
	CHECK(ring >= 0);
	EXPECT_EQ(on_name(&b, OPEN, 0, name, 0), 0);
	EXPECT_EQ(on_file(&a, CLOSE, 0, 0), 0);
	EXPECT_EQ(on_name(&a, UNLINK, 0, name, 0), 0);
	again = start_user(UID, ring);
	EXPECT_EQ(on_file(&again, ATTACH, 1, 0), 0);
	EXPECT_EQ(on_file(&again, CLOSE, 0, 0), 0);
	CHECK(!close(ring));
	expect_room(&a, true);
	expect_room(&b, false);
	EXPECT_EQ(on_file(&b, CLOSE, 0, 0), 0);
	expect_room(&b, true);
	expect_room(&a, false);
	end_user(&again);
	end();
}

/*
 * One user's first process has paid, its second one holds the ring: the charge has to outlive
 * the first one's credentials.
 */
static void test_other_process_of_the_payer(void)
{
	const char *name = unique("charge");
	struct user first = start_user(UID + 1, -1);

	begin();
	EXPECT_EQ(on_name(&a, MAKE, 0, name, 0), 0);
	EXPECT_EQ(on_name(&first, OPEN, 0, name, 0), 0);
	EXPECT_EQ(on_name(&b, OPEN, 0, name, 0), 0);
	EXPECT_EQ(on_file(&a, CLOSE, 0, 0), 0);
	EXPECT_EQ(on_name(&a, UNLINK, 0, name, 0), 0);
	expect_room(&a, true);
	end_user(&first);
	usleep(200000);		/* the credentials are freed after a grace period */
	expect_room(&b, false);
	EXPECT_EQ(on_file(&b, CLOSE, 0, 0), 0);
	expect_room(&b, true);
	end();
}

int main(void)
{
	control();
	need_root();
	RUN(test_unlinked_and_closed);
	context("closed, then unlinked");
	test_closed_then_unlinked(0);
	context("closed, then unlinked; persistent");
	test_closed_then_unlinked(SHMRING_CREATE_F_PERSIST);
	RUN(test_nobody_but_the_name);
	RUN(test_creator_keeps_another);
	RUN(test_passed_on);
	RUN(test_creator_comes_back);
	RUN(test_other_process_of_the_payer);
	return finish();
}
