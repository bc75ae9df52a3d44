/* SPDX-License-Identifier: MIT */
/*
 * A fan-in whose processes are killed: the messages, what outlives the processes, and the judge.
 *
 * A producer's time in one lane is a life. It numbers its messages. A process may have several
 * lives, one after the other, and so has a number itself: the party.
 */
#ifndef FAN_IN_H
#define FAN_IN_H

#include <shmring/hub.h>

#include "lib.h"

enum {
	MAX_PARTIES = 16,
	MAX_HUBS = 2,
	MAX_LIVES = 1 << 16,
	MAX_MESSAGE = 3000,		/* bytes */
};

struct message {
	uint32_t party;
	uint32_t life;
	uint64_t number;
	uint64_t checksum;		/* of all the rest, and of the length */
	unsigned char content[];
};

/* Numbers of messages; each word is the first that it does not apply to. */
struct life {
	/* The producer's: begun before each call that sends, sent after it. */
	uint64_t begun;
	uint64_t sent;
	/* The hub's: releasing before each release, released after it. */
	uint64_t read;
	uint64_t releasing;
	uint64_t released;
	uint64_t reader;		/* the hub that has read the last of them, from 1 */
	uint64_t party;
};

/* For a dump: what a process was doing. */
enum doing { ABSENT, SETUP, AT_WORK, WAITING, IN_POLL, CLOSING };

/* Shared by all, zeroed for each ring. */
struct record {
	uint64_t seed;
	uint64_t stop;			/* producers end their lives */
	uint64_t rivals;		/* two processes try to be the hub */
	uint64_t nr_lives;
	uint64_t nr_hubs;		/* attachments of hubs */
	uint64_t received;		/* messages, read again or not */
	uint64_t received_of[MAX_PARTIES];
	uint64_t repeated;		/* messages that a hub read and its successor read again */
	uint64_t doing[MAX_PARTIES + MAX_HUBS];
	uint64_t life_of[SHMRING_LANES_MAX];	/* the last of which a message came; plus 1 */
	struct life lives[MAX_LIVES];
};

extern struct record *record;

/* How the present ring is found. */
extern const char *ring_name;		/* NULL: by the descriptor ... */
extern int ring_fd;			/* ... of this handle */
extern size_t ring_slot_size;

static inline uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

static inline void set(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

void pause_ns(uint64_t ns);

/* ---------------------------------------------------------------- fan_in.c */

/* Write message @number of @life, @len bytes long. */
void write_message(void *to, uint64_t life, uint64_t number, size_t len);

/*
 * Hub number @hub has peeked at a message in @lane: is it whole, and does it come here? The judge
 * ends the process if not. Returns the message's life.
 */
struct life *judge_message(const void *from, size_t len, uint64_t hub, unsigned int lane);
void check_message(const void *from, size_t len);	/* whole */

/* All processes have gone, and all lanes were drained. */
void judge_end(void);

/* ----------------------------------------------------------- fan_in_ends.c */

int produce(void *party);
int run_hub(void *player);		/* until it is killed */
int run_last_hub(void *player);		/* until the streams have ended */

/* Find the ring. @opt: the policy and the role. */
int find_ring(struct shmring **r, const struct shmring_options *opt);
int find_ring_as_hub(struct shmring_hub **h, const struct shmring_hub_options *opt);

#endif /* FAN_IN_H */
