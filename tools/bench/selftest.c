// SPDX-License-Identifier: MIT
/*
 * A test of the benchmark: contenders that lose, damage and repeat messages,
 * stop and die. The benchmark must find each of them BROKEN, and must not find
 * so the ring that they are made from, nor those that were written for the benchmark.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "slots.h"

enum fault { LOSES, DAMAGES, SHUFFLES, REPEATS, STOPS, DIES };

#define FAULT_AT	1000u	/* sequence number of the first message that suffers */

static enum fault fault;

static int attach_broken(const struct contender *c, void *channels, struct bench *b)
{
	fault = (enum fault)c->option;
	return slots_attach(c, channels, b);
}

static void put_slot(struct bench *b, uint64_t seq, bool damage)
{
	struct slots_end *e = b->tx;
	unsigned char *p;
	uint64_t word;

	while (!(p = slots_reserve(e)))
		; /* busy */
	fill_message(b, p, seq);
	if (damage && fault == DAMAGES)
		p[b->size - 1] ^= 1;
	if (damage && fault == SHUFFLES) {	/* only --check finds this */
		memcpy(&word, p + 8, 8);
		memcpy(p + 8, p + 16, 8);
		memcpy(p + 16, &word, 8);
	}
	slots_commit(e);
}

BENCH_INLINE int put(struct bench *b, uint64_t seq)
{
	bool now = seq == FAULT_AT;

	if (now && fault == LOSES)
		return 0;
	if (now && fault == DIES)
		_exit(1);
	put_slot(b, seq, now);
	if (now && fault == REPEATS)
		put_slot(b, seq, false);
	return 0;
}

BENCH_INLINE int get(struct bench *b, uint64_t *seq)
{
	struct slots_end *e = b->rx;
	const void *p;
	int ret;

	while (!(p = slots_peek(e)) || (fault == STOPS && e->pos == FAULT_AT))
		; /* busy */
	ret = check_message(b, p, seq);
	slots_release(e);
	return ret;
}

static int run_broken(struct bench *b, struct result *res)
{
	return run_loops_of_any_size(b, res, put, get, no_flush);
}

#define CONTENDER(NAME, FAULT, ABOUT) \
	{ NAME, FAMILY_RING, WAIT_BUSY, API_INPLACE, ABOUT, slots_open, attach_broken, run_broken, \
	  shared_free, FAULT }

const struct contender broken_contenders[] = {
	CONTENDER("broken-loses", LOSES, "one message is not sent"),
	CONTENDER("broken-damages", DAMAGES, "one bit of one message is flipped"),
	CONTENDER("broken-shuffles", SHUFFLES, "two words of one message change places"),
	CONTENDER("broken-repeats", REPEATS, "one message is sent twice"),
	CONTENDER("broken-stops", STOPS, "the consumer waits for ever"),
	CONTENDER("broken-dies", DIES, "the producer dies"),
	{ 0 }
};

/* The number of contenders with the wrong verdict. */
static int judge(const struct run *run)
{
	char label[CONTENDER_LABEL];
	int wrong = 0;

	for (size_t i = 0; i < run->nr; i++) {
		const struct row *row = &run->rows[i];
		bool broken = row->status == STATUS_BROKEN;
		bool should = row->contender->run == run_broken;

		contender_label(row->contender, label);
		wrong += broken != should;
		printf("%s - %s: %s%s%s\n", broken == should ? "ok" : "not ok", label,
		       broken ? "BROKEN: " : "sound", broken ? why(row->why) : "",
		       broken == should ? "" : ", and that is wrong");
	}
	return wrong;
}

int self_test(const struct settings *given, const char *backend)
{
	struct settings set = *given;
	struct run run = { .set = &set, .backend = backend };
	int ret;

	memset(set.tests, 0, sizeof(set.tests));
	set.tests[STREAM] = true;
	set.contenders = "broken,spsc/busy/inplace,^bare-,^marked-,^rigtorp/,^fastforward/,"
			 "^mengrao-,^moodycamel/";
	set.sizes[0] = 64;
	set.nr_sizes = 1;
	set.rounds = 1;
	set.seconds = 0.05;
	set.check = set.keep = true;
	set.hang_ms = 1000;
	ret = make_plan(&run);
	if (!ret)
		ret = run_plan(&run);
	if (!ret)
		ret = judge(&run);
	if (!run.nr)
		ret = -ENOENT;
	free_plan(&run);
	return ret;
}
