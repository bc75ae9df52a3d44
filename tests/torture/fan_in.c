// SPDX-License-Identifier: MIT
#include "fan_in.h"

#include <time.h>

struct record *record;
const char *ring_name;
int ring_fd;
size_t ring_slot_size;

void pause_ns(uint64_t ns)
{
	nanosleep(&(struct timespec){ .tv_nsec = (long)ns }, NULL);
}

/* ----------------------------------------------------------------- messages */

static uint64_t checksum(const struct message *m, size_t len)
{
	uint64_t sum = 0xcbf29ce484222325u ^ len;
	size_t i;

	sum = (sum ^ m->party) * 0x100000001b3u;
	sum = (sum ^ m->life) * 0x100000001b3u;
	sum = (sum ^ m->number) * 0x100000001b3u;
	for (i = 0; i < len - sizeof(*m); i++)
		sum = (sum ^ m->content[i]) * 0x100000001b3u;
	return sum;
}

void write_message(void *to, uint64_t life, uint64_t number, size_t len)
{
	struct message *m = to;
	size_t i;

	m->party = (uint32_t)record->lives[life].party;
	m->life = (uint32_t)life;
	m->number = number;
	for (i = 0; i < len - sizeof(*m); i++)
		m->content[i] = (unsigned char)(life * 31 + number + i);
	m->checksum = checksum(m, len);
}

void check_message(const void *from, size_t len)
{
	const struct message *m = from;

	CHECK(len >= sizeof(*m));
	CHECK(m->checksum == checksum(m, len));
}

/* -------------------------------------------------------------------- judge */

static void print_life(const struct life *l)
{
	printf("life %td of party %llu: begun %llu, sent %llu, read %llu, releasing %llu, released %llu, by hub %llu\n",
	       l - record->lives, (unsigned long long)l->party, (unsigned long long)l->begun,
	       (unsigned long long)l->sent, (unsigned long long)l->read,
	       (unsigned long long)l->releasing, (unsigned long long)l->released,
	       (unsigned long long)l->reader);
}

static void condemn(const char *why, const struct life *l, uint64_t number, uint64_t hub,
		    unsigned int lane)
{
	printf("lane %u, hub %llu, message %llu: %s\n", lane, (unsigned long long)hub,
	       (unsigned long long)number, why);
	print_life(l);
	CHECK(!"the judge");
}

static bool is_end(const struct life *l, uint64_t number)
{
	return number >= get(&l->sent) && number <= get(&l->begun);
}

/* A hub that was killed has released all up to one of two numbers. */
static bool has_ended(const struct life *l)
{
	return is_end(l, l->releasing) || is_end(l, l->released);
}

static const char *judge_order(const struct life *l, uint64_t number, uint64_t hub)
{
	if (number >= get(&l->begun))
		return "read, and never begun";
	if (l->reader == hub)
		return number == l->read ? NULL : "lost, or twice, or out of order";
	/* The first that this hub gets is the first that the hub before has not released. */
	return number == l->released || number == l->releasing ? NULL :
	       "a successor does not begin where the hub before has stopped";
}

/* A lane has one life after the other. */
static void judge_lane(const struct life *l, uint64_t hub, unsigned int lane)
{
	uint64_t this = (uint64_t)(l - record->lives) + 1, before = record->life_of[lane];

	if (before == this)
		return;
	if (before && !has_ended(&record->lives[before - 1]))
		condemn("the lane has another producer, and not all was released",
			&record->lives[before - 1], 0, hub, lane);
	record->life_of[lane] = this;
}

struct life *judge_message(const void *from, size_t len, uint64_t hub, unsigned int lane)
{
	const struct message *m = from;
	struct life *l;
	const char *why;

	check_message(from, len);
	CHECK(m->life < get(&record->nr_lives));
	l = &record->lives[m->life];
	CHECK_EQ(m->party, l->party);
	judge_lane(l, hub, lane);
	why = judge_order(l, m->number, hub);
	if (why)
		condemn(why, l, m->number, hub, lane);
	if (l->reader != hub && l->read > m->number)
		record->repeated += l->read - m->number;
	set(&l->reader, hub);
	set(&l->read, m->number + 1);
	set(&record->received_of[m->party], get(&record->received_of[m->party]) + 1);
	set(&record->received, get(&record->received) + 1);
	return l;
}

void judge_end(void)
{
	uint64_t i, nr = get(&record->nr_lives);

	for (i = 0; i < nr; i++) {
		if (has_ended(&record->lives[i]))
			continue;
		print_life(&record->lives[i]);
		EXPECT(!"messages are lost, or came and were never begun");
	}
}
