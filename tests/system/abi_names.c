// SPDX-License-Identifier: MIT
/* Names: the valid ones, for CREATE, OPEN and UNLINK; and each other argument wrong in turn. */
#include "refused.h"

#include <fcntl.h>

static int witness;

struct name {
	__u8 bytes[SHMRING_NAME_MAX];
};

static struct name name_of(const char *text)
{
	struct name n = { .bytes = "" };

	memcpy(n.bytes, text, strlen(text));
	return n;
}

static void refuse_everywhere(const struct name *n)
{
	struct shmring_ioc_create c = { .capacity = page_size(), .mode = 0600 };
	struct shmring_ioc_name open = { .rights = SHMRING_RIGHT_ALL };
	struct shmring_ioc_name gone = { .rights = 0 };

	memcpy(c.name, n->bytes, sizeof(c.name));
	memcpy(open.name, n->bytes, sizeof(open.name));
	memcpy(gone.name, n->bytes, sizeof(gone.name));
	if (n->bytes[0])	/* the empty name is that of an anonymous ring */
		refused(witness, control(), SHMRING_IOC_CREATE, &c, -EINVAL);
	refused(witness, control(), SHMRING_IOC_OPEN, &open, -EINVAL);
	refused(witness, control(), SHMRING_IOC_UNLINK, &gone, -EINVAL);
}

static void test_bad_names(void)
{
	static const char *const bad[] = { "", ".", "..", "/", "/a", "a/", "a/b", "../a" };
	struct name n;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		context("name \"%s\"", bad[i]);
		n = name_of(bad[i]);
		refuse_everywhere(&n);
	}
}

static void test_name_without_an_end(void)
{
	struct name n;

	memset(n.bytes, 'a', sizeof(n.bytes));
	refuse_everywhere(&n);
}

static void test_bad_bytes(void)
{
	struct name n;
	int c;

	for (c = 1; c < 256; c++) {
		if (c >= 0x20 && c < 0x7f)
			continue;
		context("name with byte %#x", c);
		n = name_of("aaa");
		n.bytes[1] = (__u8)c;
		refuse_everywhere(&n);
		n = name_of("a");
		n.bytes[0] = (__u8)c;
		refuse_everywhere(&n);
	}
}

static void check_good(const char *name)
{
	int ring = create(name, page_size(), 0600, 0);
	struct shmring_ioc_query q;
	int again;

	EXPECT(ring >= 0);
	if (ring < 0)
		return;
	q = query(ring);
	EXPECT(!strcmp((char *)q.name, name));
	again = open_ring(name, SHMRING_RIGHT_ALL);
	EXPECT(again >= 0);
	if (again >= 0) {
		EXPECT_EQ(query(again).id, q.id);
		EXPECT(fcntl(again, F_GETFD) & FD_CLOEXEC);
		CHECK(!close(again));
	}
	EXPECT_EQ(unlink_ring(name), 0);
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -ENOENT);
	EXPECT_EQ(unlink_ring(name), -ENOENT);
	EXPECT_EQ(query(ring).name[0], 0);
	CHECK(!close(ring));
}

static void test_good_names(void)
{
	static const char *const good[] = { "...", ".a", "a.", "-", "~", "a:b", "%s%n", "*" };
	char text[SHMRING_NAME_MAX];
	size_t i;
	int c;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		context("name \"%s\"", good[i]);
		check_good(good[i]);
	}
	for (c = '!'; c < 0x7f; c++) {
		if (c == '/')
			continue;
		context("name with byte %#x", c);
		snprintf(text, sizeof(text), "x%c", c);
		check_good(text);
	}
	memset(text, 'a', sizeof(text));
	text[SHMRING_NAME_MAX - 1] = 0;
	context("the longest name");
	check_good(text);
}

/* Bytes after the NUL are no part of the name. */
static void test_rest_of_the_name(void)
{
	struct shmring_ioc_name n = { .rights = SHMRING_RIGHT_ALL };
	const char *name = unique("rest");
	int ring = create(name, page_size(), 0600, 0);
	int again;

	CHECK(ring >= 0);
	memset(n.name, 0xff, sizeof(n.name));
	strcpy((char *)n.name, name);
	again = (int)call(control(), SHMRING_IOC_OPEN, &n);
	EXPECT(again >= 0);
	CHECK(!close(again));
	CHECK(!close(ring));
}

static void test_rights_and_flags(void)
{
	const char *name = unique("flags");
	int ring = create(name, page_size(), 0600, 0);
	struct shmring_ioc_name n;
	int bit;

	CHECK(ring >= 0);
	for (bit = 0; bit < 32; bit++) {
		context("OPEN and UNLINK with bit %d", bit);
		n = (struct shmring_ioc_name){ .rights = SHMRING_RIGHT_ALL, .flags = 1u << bit };
		strcpy((char *)n.name, name);
		if (!(n.flags & SHMRING_OPEN_F_ALL))
			refused(ring, control(), SHMRING_IOC_OPEN, &n, -EINVAL);
		n.rights = 0;
		refused(ring, control(), SHMRING_IOC_UNLINK, &n, -EINVAL);
		n.flags = 0;
		n.rights = 1u << bit;
		refused(ring, control(), SHMRING_IOC_UNLINK, &n, -EINVAL);
		if (!(n.rights & SHMRING_RIGHT_ALL))
			refused(ring, control(), SHMRING_IOC_OPEN, &n, -EINVAL);
	}
	n = (struct shmring_ioc_name){ .rights = 0 };
	strcpy((char *)n.name, name);
	refused(ring, control(), SHMRING_IOC_OPEN, &n, -EINVAL);
	/* A deadline is valid only with F_WAIT. */
	n.deadline = 1;
	refused(ring, control(), SHMRING_IOC_UNLINK, &n, -EINVAL);
	n.rights = SHMRING_RIGHT_ALL;
	refused(ring, control(), SHMRING_IOC_OPEN, &n, -EINVAL);
	CHECK(!close(ring));
}

static void test_unknown_name(void)
{
	struct shmring_ioc_name n = { .rights = SHMRING_RIGHT_ALL };

	strcpy((char *)n.name, unique("never"));
	refused(witness, control(), SHMRING_IOC_OPEN, &n, -ENOENT);
	n.rights = 0;
	refused(witness, control(), SHMRING_IOC_UNLINK, &n, -ENOENT);
}

/* After UNLINK the name can be given to another ring at once. */
static void test_name_is_free_after_unlink(void)
{
	const char *name = unique("again");
	int old = create(name, page_size(), 0600, 0);
	int new;

	CHECK(old >= 0);
	CHECK_EQ(unlink_ring(name), 0);
	new = create(name, page_size(), 0600, 0);
	CHECK(new >= 0);
	EXPECT(query(old).id != query(new).id);
	CHECK(!close(old));
	EXPECT(!strcmp((char *)query(new).name, name));
	CHECK(!close(new));
	EXPECT_EQ(open_ring(name, SHMRING_RIGHT_ALL), -ENOENT);
}

int main(void)
{
	witness = make_ring(page_size());
	RUN(test_bad_names);
	RUN(test_name_without_an_end);
	RUN(test_bad_bytes);
	RUN(test_good_names);
	RUN(test_rest_of_the_name);
	RUN(test_rights_and_flags);
	RUN(test_unknown_name);
	RUN(test_name_is_free_after_unlink);
	return finish();
}
