// SPDX-License-Identifier: MIT
/* shmring_get_info(): what it returns, before and after each change. */
#include "lib.h"

static void test_constants(void)
{
	struct pair pair = make_pair(2 * page_size(), 24);
	struct shmring *handle = attach(pair.p, SHMRING_HANDLE);
	struct shmring_info info = info_of(handle);

	EXPECT_EQ(info.capacity, 2 * page_size());
	EXPECT_EQ(info.slot_size, 24);
	EXPECT_EQ(info.role, SHMRING_HANDLE);
	EXPECT_EQ(info.backend, on_memfd() ? SHMRING_MEMFD : SHMRING_KMOD);
	EXPECT_EQ(shmring_backend(handle), info.backend);
	EXPECT(!strcmp(shmring_backend_name(handle), on_memfd() ? "memfd" : "kmod"));
	EXPECT_EQ(info.name[0], 0);
	EXPECT_EQ(info.topology, SHMRING_TOPOLOGY_RING);
	EXPECT_EQ(info.nr_lanes, 1);
	EXPECT_EQ(shmring_lane_info(handle, 0, &info), 0);
	EXPECT_EQ(shmring_lane_info(handle, 1, &info), -EINVAL);
	EXPECT_EQ(info_of(pair.p).role, SHMRING_PRODUCER);
	EXPECT_EQ(info_of(pair.c).role, SHMRING_CONSUMER);
	shmring_close(handle);
	close_pair(&pair);
}

/*
 * Until the ring is unlinked each object shows its name, whichever way the object has found the
 * ring.
 */
static void test_name_with(unsigned int flags)
{
	struct shmring_options opt = { .flags = flags };
	const char *name = unique("info");
	struct shmring *r[3];
	int i;

	CHECK_EQ(shmring_create(&r[0], name, &opt), 0);
	CHECK_EQ(shmring_attach(&r[1], name, SHMRING_PRODUCER), 0);
	CHECK_EQ(shmring_attach_fd(&r[2], shmring_fd(r[0]), SHMRING_CONSUMER), 0);
	for (i = 0; i < 3; i++)
		EXPECT(!strcmp(info_of(r[i]).name, name));
	CHECK_EQ(shmring_unlink(name), 0);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(info_of(r[i]).name[0], 0);
		shmring_close(r[i]);
	}
}

static void test_name(void)
{
	test_name_with(0);
	test_name_with(SHMRING_PERSIST);
}

static void test_states(void)
{
	struct shmring *r = make(0, 0, SHMRING_HANDLE);
	struct shmring *end;
	int i;

	EXPECT_EQ(info_of(r).producer_state, SHMRING_PEER_NONE);
	EXPECT_EQ(info_of(r).consumer_state, SHMRING_PEER_NONE);
	for (i = 0; i < 3; i++) {
		end = attach(r, SHMRING_PRODUCER);
		EXPECT_EQ(info_of(r).producer_state, SHMRING_PEER_LIVE);
		EXPECT_EQ(end->lane->producer.epoch, i + 1);
		EXPECT_EQ(end->lane->consumer.epoch, 0);
		EXPECT_EQ(info_of(end).consumer_state, SHMRING_PEER_NONE);
		shmring_close(end);
		EXPECT_EQ(info_of(r).producer_state, SHMRING_PEER_GONE);
	}
	end = attach(r, SHMRING_CONSUMER);
	EXPECT_EQ(info_of(r).consumer_state, SHMRING_PEER_LIVE);
	shmring_close(end);
	EXPECT_EQ(info_of(r).consumer_state, SHMRING_PEER_GONE);
	shmring_close(r);
}

static void test_used(void)
{
	struct pair pair = make_pair(page_size(), 0);
	uint64_t n;

	for (n = 1; n <= 10; n++) {
		send_number(pair.p, n);
		EXPECT_EQ(info_of(pair.p).used, 16 * n);
		EXPECT_EQ(info_of(pair.c).used, 16 * n);
		EXPECT_EQ(shmring_used(pair.p), 16 * n);
		EXPECT_EQ(shmring_used(pair.c), 16 * n);
		EXPECT_EQ(shmring_space_left(pair.p), page_size() - 16 * n);
		EXPECT_EQ(shmring_used_slots(pair.p), 0);
	}
	receive_number(pair.c);
	EXPECT_EQ(info_of(pair.p).used, 144);
	shmring_close(pair.c);
	EXPECT_EQ(info_of(pair.p).used, 144);
	EXPECT_EQ(info_of(pair.p).sleeps, 0);
	EXPECT_EQ(info_of(pair.p).wakes, 0);
	shmring_close(pair.p);
}

/* Messages that are staged, or stepped past, have not been given to the other side yet. */
static void test_used_slots(void)
{
	struct pair pair = make_pair(page_size(), 20);
	struct shmring *handle = attach(pair.p, SHMRING_HANDLE);
	size_t len, nr = 3;

	CHECK(shmring_reserve_slots(pair.p, &nr));
	EXPECT_EQ(shmring_used_slots(pair.c), 0);
	CHECK_EQ(shmring_commit_slots(pair.p, 3), 0);
	EXPECT_EQ(shmring_used_slots(pair.p), 3);
	EXPECT_EQ(shmring_used(pair.p), 72);
	CHECK(shmring_peek(pair.c, &len));
	CHECK_EQ(shmring_advance(pair.c), 0);
	EXPECT_EQ(shmring_used_slots(pair.c), 3);
	CHECK_EQ(shmring_release(pair.c), 0);
	EXPECT_EQ(shmring_used_slots(pair.c), 2);
	EXPECT_EQ(shmring_used(handle), 0);
	shmring_close(handle);
	close_pair(&pair);
}

/* Both sides are in this process, and positions go on when the roles change hands. */
static void test_sides(void)
{
	struct pair pair = make_pair(page_size(), 0);
	struct shmring *handle = attach(pair.p, SHMRING_HANDLE);
	struct shmring_info info;

	send_number(pair.p, 1);
	send_number(pair.p, 2);
	receive_number(pair.c);
	info = info_of(handle);
	EXPECT_EQ(info.head, 32);
	EXPECT_EQ(info.tail, 16);
	EXPECT_EQ(info.producer_pid, getpid());
	EXPECT_EQ(info.consumer_pid, getpid());
	EXPECT_EQ(info.owner, geteuid());
	EXPECT(info.id && info.id == info_of(pair.p).id);
	EXPECT_EQ(info.ipc_ns, 0);
	close_pair(&pair);
	EXPECT_EQ(info_of(handle).producer_pid, 0);
	EXPECT_EQ(info_of(handle).consumer_pid, 0);
	EXPECT_EQ(info_of(handle).head, 32);
	shmring_close(handle);
}

static int sleep_once(struct shmring *r)
{
	receive_number(r);
	EXPECT(info_of(r).sleeps >= 1);
	return TEST_PASS;
}

static void test_counters(void)
{
	struct shmring *p = make(page_size(), 0, SHMRING_PRODUCER);
	pid_t pid = start_as(p, SHMRING_CONSUMER, sleep_once);

	await_asleep(pid);
	send_number(p, 1);
	EXPECT_EQ(end_of(pid), TEST_PASS);
	EXPECT(info_of(p).wakes >= 1);
	EXPECT_EQ(info_of(p).sleeps, 0);
	EXPECT(info_of(p).consumer_sleeps >= 1);
	EXPECT(info_of(p).producer_wakes >= 1);
	EXPECT_EQ(info_of(p).producer_sleeps, 0);
	EXPECT_EQ(info_of(p).consumer_wakes, 0);
	shmring_close(p);
}

/* The list's entry for the ring of that name. */
static struct shmring_info listed;
static const char *wanted;

static int take_wanted(const struct shmring_info *info, void *arg)
{
	(void)arg;
	if (strcmp(info->name, wanted))
		return 0;
	listed = *info;
	return 1;
}

static void test_list(void)
{
	struct shmring_options opt = { .role = SHMRING_PRODUCER, .mode = 0640 };
	struct shmring_info info;
	struct shmring *r;

	wanted = unique("listed");
	CHECK_EQ(shmring_create(&r, wanted, &opt), 0);
	send_number(r, 1);
	info = info_of(r);
	CHECK_EQ(shmring_list(NULL, take_wanted, NULL), 1);
	EXPECT_EQ(listed.size, sizeof(listed));
	EXPECT_EQ(listed.backend, info.backend);
	EXPECT_EQ(listed.capacity, 65536);
	EXPECT_EQ(listed.used, 16);
	EXPECT_EQ(listed.id, info.id);
	EXPECT_EQ(listed.owner, info.owner);
	EXPECT_EQ(listed.mode, info.mode);
	EXPECT_EQ(listed.producer_state, SHMRING_PEER_LIVE);
	EXPECT_EQ(listed.consumer_state, SHMRING_PEER_NONE);
	EXPECT_EQ(listed.producer_pid, getpid());
	EXPECT_EQ(listed.consumer_pid, 0);
	EXPECT_EQ(listed.ipc_ns, 0);
	opt.backend = on_memfd() ? SHMRING_KMOD : SHMRING_MEMFD;
	EXPECT(shmring_list(&opt, take_wanted, NULL) <= 0);
	shmring_close(r);
	EXPECT_EQ(shmring_list(NULL, take_wanted, NULL), 0);
}

int main(void)
{
	need_backend();
	RUN(test_constants);
	RUN(test_name);
	RUN(test_states);
	RUN(test_used);
	RUN(test_used_slots);
	RUN(test_sides);
	RUN(test_list);
	RUN(test_counters);
	return finish();
}
