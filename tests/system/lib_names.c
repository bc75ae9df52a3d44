// SPDX-License-Identifier: MIT
/* Named rings: how long a name lasts, and what other users may do with it. */
#include "lib.h"

#include <sys/stat.h>
#include <sys/wait.h>

#define USER	1000
#define DEVICE	"/dev/shmring"

static bool exists(const char *name)
{
	struct shmring *r;
	int ret = shmring_attach(&r, name, SHMRING_HANDLE);

	if (!ret)
		shmring_close(r);
	else
		EXPECT_EQ(ret, -ENOENT);
	return !ret;
}

static void test_by_name(void)
{
	const char *name = unique("name");
	char with_slash[80];
	struct shmring_info info = SHMRING_INFO_INIT;
	struct shmring *r, *p, *c;

	snprintf(with_slash, sizeof(with_slash), "/%s", name);
	CHECK_EQ(shmring_create(&r, name, NULL), 0);
	CHECK_EQ(shmring_attach(&p, name, SHMRING_PRODUCER), 0);
	CHECK_EQ(shmring_attach(&c, with_slash, SHMRING_CONSUMER), 0);
	CHECK_EQ(shmring_get_info(c, &info), 0);
	EXPECT(!strcmp(info.name, name));
	send_number(p, 1);
	/* Without its name the ring goes on. */
	CHECK_EQ(shmring_unlink(with_slash), 0);
	EXPECT(!exists(name));
	CHECK_EQ(shmring_get_info(c, &info), 0);
	EXPECT_EQ(info.name[0], 0);
	EXPECT_EQ(receive_number(c), 1);
	/* The name is free again. */
	shmring_close(r);
	CHECK_EQ(shmring_create(&r, name, NULL), 0);
	send_number(p, 2);
	EXPECT_EQ(receive_number(c), 2);
	shmring_close(p);
	shmring_close(c);
	/* The old ring's end does not remove the new ring's name. */
	EXPECT(exists(name));
	shmring_close(r);
	EXPECT(!exists(name));
}

/* Each kind of object keeps the ring. */
static void test_goes_with_the_last(void)
{
	const char *name = unique("last");
	struct shmring *r, *p;

	CHECK_EQ(shmring_create(&r, name, NULL), 0);
	CHECK_EQ(shmring_attach(&p, name, SHMRING_PRODUCER), 0);
	shmring_close(r);
	EXPECT(exists(name));
	CHECK_EQ(shmring_attach(&r, name, SHMRING_HANDLE), 0);
	shmring_close(p);
	EXPECT(exists(name));
	shmring_close(r);
	EXPECT(!exists(name));
}

static int hold(void *arg)
{
	struct shmring *r;

	CHECK_EQ(shmring_attach(&r, arg, SHMRING_PRODUCER), 0);
	raise(SIGKILL);
	return TEST_FAIL;
}

/* Nothing is left of a ring when all its holders were killed. */
static int make_and_die(void *arg)
{
	struct shmring *r;

	CHECK_EQ(shmring_create(&r, arg, NULL), 0);
	EXPECT_EQ(in_child(hold, arg), 128 + SIGKILL);
	raise(SIGKILL);
	return TEST_FAIL;
}

static void test_killed_holders(void)
{
	char name[64];
	int i;

	strcpy(name, unique("killed"));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(in_child(make_and_die, name), 128 + SIGKILL);
		EXPECT(!exists(name));
	}
}

static void test_persist(void)
{
	struct shmring_options opt = { .flags = SHMRING_PERSIST, .role = SHMRING_PRODUCER };
	const char *name = unique("persist");
	struct shmring *p, *c;

	CHECK_EQ(shmring_create(&p, name, &opt), 0);
	send_number(p, 9);
	shmring_close(p);
	CHECK_EQ(shmring_attach(&c, name, SHMRING_CONSUMER), 0);
	EXPECT_EQ(receive_number(c), 9);
	EXPECT_EQ(receive_now(c), -ENODATA);
	shmring_close(c);
	EXPECT(exists(name));
	CHECK_EQ(shmring_unlink(name), 0);
	EXPECT(!exists(name));
}

struct visit {
	const char *name;
	int want_produce;
	int want_consume;
};

static int visit(void *arg)
{
	const struct visit *v = arg;
	struct shmring *r;
	int ret;

	become(USER, USER, NULL, 0);
	ret = shmring_attach(&r, v->name, SHMRING_PRODUCER);
	EXPECT_EQ(ret, v->want_produce);
	if (!ret)
		shmring_close(r);
	ret = shmring_attach(&r, v->name, SHMRING_CONSUMER);
	EXPECT_EQ(ret, v->want_consume);
	if (!ret)
		shmring_close(r);
	/* Either right is enough to hold the ring. */
	ret = shmring_attach(&r, v->name, SHMRING_HANDLE);
	EXPECT_EQ(ret, v->want_produce && v->want_consume ? -EACCES : 0);
	if (!ret)
		shmring_close(r);
	ret = shmring_unlink(v->name);
	EXPECT(ret == -EPERM || ret == -EACCES);
	return TEST_PASS;
}

/*
 * Another user, and a ring of root's. With memfd a user that may take one role may take the
 * other one: only the module has separate rights for them.
 */
static void test_other_users(void)
{
	static const struct {
		unsigned int mode;
		int produce, consume;
		bool only_kmod;
	} cases[] = {
		{ 0600, -EACCES, -EACCES, false },
		{ 0666, 0, 0, false },
		{ 0660, -EACCES, -EACCES, false },
		{ 0604, -EACCES, 0, true },
		{ 0602, 0, -EACCES, true },
	};
	mode_t mask = umask(0);
	struct shmring *r;
	struct visit v;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct shmring_options opt = { .mode = cases[i].mode };

		if (cases[i].only_kmod && on_memfd())
			continue;
		context("a ring of mode %04o", cases[i].mode);
		v = (struct visit){ .name = unique("user"), .want_produce = cases[i].produce,
				    .want_consume = cases[i].consume };
		CHECK_EQ(shmring_create(&r, v.name, &opt), 0);
		EXPECT_EQ(in_child(visit, &v), TEST_PASS);
		EXPECT_EQ(shmring_unlink(v.name), 0);
		shmring_close(r);
	}
	umask(mask);
}

static void is_killed_with_a_ring(const char *name)
{
	struct shmring_options opt = { .mode = 0666 };
	struct shmring *r;

	umask(0);
	CHECK_EQ(shmring_create(&r, name, &opt), 0);
	raise(SIGKILL);
}

static int finds_debris(void *arg)
{
	struct shmring *r;

	become(USER, USER, NULL, 0);
	EXPECT_EQ(shmring_attach(&r, arg, SHMRING_CONSUMER), -EACCES);
	EXPECT_EQ(shmring_create(&r, arg, NULL), -EEXIST);
	return TEST_PASS;
}

/*
 * A user cannot remove the file of another user's dead ring. The error has to show that: a
 * process that waited for the ring would wait for ever.
 */
static void test_debris_of_others(void)
{
	const char *name = unique("debris");
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid)
		is_killed_with_a_ring(name);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	EXPECT_EQ(in_child(finds_debris, (void *)name), TEST_PASS);
	EXPECT_EQ(shmring_unlink(name), 0);
}

static void test_as_another_user(void)
{
	struct stat st;

	if (geteuid()) {
		printf("not root: the part about other users is left out\n");
		return;
	}
	if (on_memfd()) {
		test_other_users();
		test_debris_of_others();
		return;
	}
	CHECK(!stat(DEVICE, &st));
	CHECK(!chmod(DEVICE, 0666));
	test_other_users();
	CHECK(!chmod(DEVICE, st.st_mode & 07777));
}

/*
 * Without access to the device, the library must not fall back to memfd, and must not take
 * another user's ring there.
 */
static int without_device(void *arg)
{
	struct shmring_options opt = { .backend = SHMRING_KMOD };
	struct shmring *r;

	become(USER, USER, NULL, 0);
	EXPECT_EQ(shmring_create(&r, NULL, &opt), -EACCES);
	unsetenv("SHMRING_BACKEND");
	EXPECT_EQ(shmring_create(&r, NULL, NULL), -EACCES);
	EXPECT_EQ(shmring_create(&r, unique("none"), NULL), -EACCES);
	EXPECT_EQ(shmring_attach(&r, arg, SHMRING_HANDLE), -EACCES);
	EXPECT_EQ(shmring_unlink(arg), -EACCES);
	setenv("SHMRING_BACKEND", "memfd", 1);
	CHECK_EQ(shmring_attach(&r, arg, SHMRING_HANDLE), 0);
	EXPECT(!strcmp(shmring_backend_name(r), "memfd"));
	shmring_close(r);
	return TEST_PASS;
}

static void test_device_of_others(void)
{
	struct shmring_options opt = { .backend = SHMRING_MEMFD, .mode = 0666 };
	const char *name = unique("planted");
	mode_t mask = umask(0);
	struct shmring *r;

	CHECK_EQ(shmring_create(&r, name, &opt), 0);
	EXPECT_EQ(in_child(without_device, (void *)name), TEST_PASS);
	shmring_close(r);
	umask(mask);
}

static void test_device_is_roots(void)
{
	struct shmring_options opt = { .backend = SHMRING_KMOD };
	struct stat st;
	struct shmring *r;

	if (access(DEVICE, F_OK)) {
		EXPECT_EQ(shmring_create(&r, NULL, &opt), -ENODEV);
		return;
	}
	CHECK(!stat(DEVICE, &st));
	if (!geteuid() && !on_memfd() && !(st.st_mode & 06))
		test_device_of_others();
}

/* The argument of the copy of this program that runs with more rights than its caller. */
#define AS_SET_UID	"--set-uid"

static int run_set_uid(void *arg)
{
	become(USER, USER, NULL, 0);
	setenv("SHMRING_BACKEND", "memfd", 1);
	execl(arg, arg, AS_SET_UID, NULL);
	if (errno != ENOEXEC)
		return TEST_FAIL;
	printf("this kernel executes no program of this machine (it is emulated): the part about "
	       "set-uid programs is left out\n");
	fflush(stdout);
	return TEST_PASS;
}

static int ignores_environment(void)
{
	struct shmring *r;

	CHECK_EQ(geteuid(), 0);
	CHECK(getuid());
	CHECK_EQ(shmring_create(&r, NULL, NULL), 0);
	EXPECT(strstr(shmring_backend_reason(r), "/dev/shmring"));
	shmring_close(r);
	return finish();
}

static void copy_self(const char *to)
{
	FILE *from = fopen("/proc/self/exe", "re"), *f = fopen(to, "we");
	char buf[4096];
	size_t n;

	CHECK(from && f);
	while ((n = fread(buf, 1, sizeof(buf), from)))
		CHECK_EQ(fwrite(buf, 1, n, f), n);
	CHECK(!fclose(f) && !fclose(from));
	CHECK(!chmod(to, 04755));
}

/* The caller of a set-user-ID program does not choose where the program's rings are. */
static void test_set_uid(void)
{
	char dir[] = "/tmp/shmring.XXXXXX", path[sizeof(dir) + 8];

	if (geteuid()) {
		printf("not root: the part about set-uid programs is left out\n");
		return;
	}
	CHECK(mkdtemp(dir) && !chmod(dir, 0755));
	snprintf(path, sizeof(path), "%s/self", dir);
	copy_self(path);
	EXPECT_EQ(in_child(run_set_uid, path), TEST_PASS);
	CHECK(!unlink(path) && !rmdir(dir));
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], AS_SET_UID))
		return ignores_environment();
	need_backend();
	RUN(test_by_name);
	RUN(test_goes_with_the_last);
	RUN(test_killed_holders);
	RUN(test_persist);
	RUN(test_as_another_user);
	RUN(test_device_is_roots);
	RUN(test_set_uid);
	return finish();
}
