// SPDX-License-Identifier: MIT
#include "oracle.h"

#include <sys/mman.h>

/* ------------------------------------------------------------------- stream */

unsigned char content(unsigned int n, unsigned int i)
{
	return (unsigned char)(n * 151 + i * 7 + (i >> 8) + 1);
}

void fill_in(unsigned char *to, unsigned int n, uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		to[i] = content(n, i);
}

bool is_record(const unsigned char *from, unsigned int n, uint32_t len)
{
	uint32_t i;

	for (i = 0; i < len; i++)
		if (from[i] != content(n, i))
			return false;
	return true;
}

void lay_out_stream(struct stream *s, uint64_t base)
{
	unsigned int n;

	s->start[0] = base;
	for (n = 0; n < MAX_RECORDS; n++)
		s->start[n + 1] = s->start[n] +
				  ((s->header + (uint64_t)s->len[n] + SHMRING_ALIGN - 1) &
				   ~(uint64_t)(SHMRING_ALIGN - 1));
}

/* --------------------------------------------------------------------- ring */

static void map_at(unsigned char *at, size_t len, int fd, off_t offset)
{
	CHECK(mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset) == at);
}

void open_oracle(struct oracle *o, int fd)
{
	size_t page = page_size();
	unsigned char *base;

	o->mapped = 3 * page + 2 * capacity();
	base = mmap(NULL, o->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(base != MAP_FAILED);
	map_at(base, 3 * page + capacity(), fd, 0);
	map_at(base + 3 * page + capacity(), capacity(), fd, (off_t)(3 * page));
	o->status = (void *)base;
	o->lane = (void *)(base + SHMRING_LANE_OFFSET);
	o->consumer = (void *)(base + page);
	o->producer = (void *)(base + 2 * page);
	o->data = base + 3 * page;
}

void close_oracle(struct oracle *o)
{
	CHECK(!munmap((void *)o->status, o->mapped));
}

static unsigned char *place(const struct oracle *o, unsigned int n)
{
	return o->data + (o->stream.start[n] & (capacity() - 1));
}

void put_records(struct oracle *o, unsigned int nr)
{
	struct shmring_record header = { 0 };
	unsigned int n;

	for (n = 0; n < nr; n++) {
		header.len = o->stream.len[n];
		memcpy(place(o, n), &header, o->stream.header);
		fill_in(place(o, n) + o->stream.header, n, o->stream.len[n]);
	}
	o->consumer->tail = o->stream.start[0];
	o->producer->head = o->stream.start[nr];
	o->intent->tail_min = o->intent->tail_max = o->stream.start[0];
	o->intent->head_min = o->intent->head_max = o->stream.start[nr];
	o->first = o->tail = 0;
	o->head = nr;
}

bool fits(const struct oracle *o, unsigned int n)
{
	return o->stream.start[n + 1] - o->stream.start[o->first] <= capacity();
}

/* -------------------------------------------------------------------- judge */

static const char *judge_status(const struct oracle *o)
{
	const struct shmring_status *s = o->status;
	const struct shmring_lane *l = o->lane;

	if (s->magic != SHMRING_MAGIC || s->abi != SHMRING_ABI || s->features ||
	    s->capacity != capacity() || s->slot_size != o->stream.slot_size || s->nr_lanes != 1)
		return "the status has changed";
	if (l->producer.state > SHMRING_PEER_GONE || l->consumer.state > SHMRING_PEER_GONE)
		return "a role is neither there nor gone nor new";
	if (l->producer.state == SHMRING_PEER_GONE && l->producer.end != o->producer->head)
		return "the producer is gone, and the stream ends elsewhere";
	return NULL;
}

/* A position moves forward, from record to record, within the intent. */
static const char *follow(const struct stream *s, unsigned int *n, uint64_t position,
			  uint64_t min, uint64_t max)
{
	if (position < s->start[*n])
		return "a position has gone back";
	if (position < min)
		return "what was committed or released is so no more";
	if (position > max)
		return "there is more than was committed or taken";
	while (s->start[*n] < position)
		++*n;
	return s->start[*n] == position ? NULL : "a position within a record";
}

static const char *judge_records(const struct oracle *o)
{
	const struct stream *s = &o->stream;
	struct shmring_record header;
	unsigned int n;

	for (n = o->tail; n < o->head; n++) {
		memcpy(&header, place(o, n), sizeof(header));
		if (s->header && (header.len != s->len[n] || header.flags))
			return "the header of a committed record is wrong";
		if (!is_record(place(o, n) + s->header, n, s->len[n]))
			return "the content of a committed record is wrong";
	}
	return NULL;
}

static const char *judge_taken(const struct oracle *o)
{
	unsigned int n;

	for (n = o->first; n < o->tail; n++)
		if (!is_record(o->intent->taken[n - o->first], n, o->stream.len[n]))
			return "a record is given back, and was not yet taken";
	return NULL;
}

const char *judge(struct oracle *o)
{
	uint64_t head = __atomic_load_n(&o->producer->head, __ATOMIC_ACQUIRE);
	uint64_t tail = __atomic_load_n(&o->consumer->tail, __ATOMIC_ACQUIRE);
	const struct intent *i = o->intent;
	const char *why = judge_status(o);

	if (!why)
		why = follow(&o->stream, &o->head, head, i->head_min, i->head_max);
	if (!why)
		why = follow(&o->stream, &o->tail, tail, i->tail_min, i->tail_max);
	if (!why && head - tail > capacity())
		why = "the positions are further apart than the ring is long";
	if (!why)
		why = judge_records(o);
	if (!why)
		why = judge_taken(o);
	return why;
}
