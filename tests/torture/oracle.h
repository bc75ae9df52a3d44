/* SPDX-License-Identifier: MIT */
/*
 * Checks the content of a ring's memory by docs/abi.md and without the library: a stream of
 * records that is known in advance is compared with the ring's pages.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <linux/shmring.h>

#include "test.h"

enum {
	MAX_CAPACITY = 65536,
	MAX_RECORDS = MAX_CAPACITY / SHMRING_ALIGN + 8,
	MAX_TAKEN = 8,		/* records that one call may take */
};

/* The capacity of the smallest ring: a page, of up to MAX_CAPACITY bytes. */
static inline uint32_t capacity(void)
{
	return (uint32_t)page_size();
}

/* Record n is at start[n]; the one after the last starts where the stream ends. */
struct stream {
	uint32_t slot_size;
	uint32_t header;	/* bytes */
	uint32_t len[MAX_RECORDS];
	uint64_t start[MAX_RECORDS + 1];
};

/*
 * The result that the present call may have. Its caller writes this before and after the call:
 * meanwhile the positions are somewhere in between.
 */
struct intent {
	uint64_t head_min, head_max;
	uint64_t tail_min, tail_max;
	uint32_t done;
	unsigned char taken[MAX_TAKEN][MAX_CAPACITY];	/* copies of what it has received */
};

struct oracle {
	struct stream stream;
	struct intent *intent;
	const struct shmring_status *status;
	struct shmring_lane *lane;
	struct shmring_consumer *consumer;
	struct shmring_producer *producer;
	unsigned char *data;		/* twice in a row */
	size_t mapped;			/* bytes, from status on */
	unsigned int first;		/* the record at tail when the call began */
	unsigned int tail, head;	/* records, as last seen */
};

/* Byte @i of record @n. */
unsigned char content(unsigned int n, unsigned int i);
void fill_in(unsigned char *to, unsigned int n, uint32_t len);
bool is_record(const unsigned char *from, unsigned int n, uint32_t len);

/* The positions of records of these lengths, the first of them at @base. */
void lay_out_stream(struct stream *s, uint64_t base);

/* Map the ring behind @fd and put the records before number @nr into it. */
void open_oracle(struct oracle *o, int fd);
void put_records(struct oracle *o, unsigned int nr);
void close_oracle(struct oracle *o);

/* Is there room for record @n, with the consumer where it is? */
bool fits(const struct oracle *o, unsigned int n);

/* What is wrong with the ring at this moment; NULL: nothing. */
const char *judge(struct oracle *o);

#endif /* ORACLE_H */
