/* SPDX-License-Identifier: MIT */
/*
 * The benchmark: what all its files share. The files, in the order of reading:
 *
 *   bench.h	this: a contender, a sample, a row
 *   loops.h	the loops that drive every contender, inlined around its two calls
 *   slots.h	a ring of fixed-size messages, which several contenders share
 *   places.h	copying and in place, for contenders that hand out places
 *   bare.h	shmring's contract and nothing else
 *
 *   main.c		from the command line to the tables
 *   options.c		the command line
 *   contenders.c	the list of contenders
 *   plan.c		the rows to be measured, the rounds, the progress
 *   sample.c		one sample: two processes on two CPUs
 *   floor.c		what the machine can do: a cache line there and back, memcpy
 *   clock.c		the time
 *   histogram.c		distributions of times
 *   shared.c		memory that both sides see
 *   message.c		messages whose every byte is verified
 *   stats.c		medians, within a label
 *   tables.c		a table for each test, size and rate
 *   brief.c		the small table of `make run`
 *   targets.c		what shmring is to reach, and whether it does
 *   filters.h		which contenders a target compares
 *   csv.c		for programs
 *   selftest.c		contenders that lose and damage messages, and must be caught
 *
 *   shmring.c		contender: shmring
 *   textbook.c		contender: in, out, % BUFFER_SIZE
 *   bare_*.c		contenders: what shmring's contract costs at least
 *   ring_*.c		contenders: other rings in shared memory
 *   ipc_*.c		contenders: what the kernel offers
 *
 *   report/		the CSV as an HTML page, in Python
 *
 * Two processes, A and B, have two one-way channels: 0 from A to B, 1 back. A
 * contender is a way to put a message into a channel and to get it out.
 *
 * Every message is written in full and read in full, where it lies if the
 * contender allows that. Its first 64-bit word is the sequence number.
 */
#ifndef SHMRING_BENCH_H
#define SHMRING_BENCH_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STOP		(~0ull)		/* sequence number of the last message */
#define BATCH_MAX	32u		/* messages, where they are moved in batches */
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))

/* ------------------------------------------------------------- contenders */

enum side { SIDE_A, SIDE_B };
enum test { STREAM, BATCH, PINGPONG, SLEEP_PINGPONG, PACED, IDLE, FLOOR, NR_TESTS };
enum family {
	FAMILY_SHMRING, FAMILY_TEXTBOOK, FAMILY_BARE, FAMILY_RING, FAMILY_IPC, FAMILY_FLOOR
};
enum api { API_COPY, API_INPLACE, API_BATCH };

/* What a side does while there is nothing to do: "busy" is a loop without end. */
enum waiting { WAIT_SPIN, WAIT_BLOCK, WAIT_ADAPTIVE, WAIT_BUSY, WAIT_KERNEL };

struct bench;
struct result;

struct contender {
	const char *name;		/* NULL: the end of a list */
	enum family family;
	enum waiting waiting;
	enum api api;
	const char *about;
	/*
	 * In the parent: makes both channels. -EOPNOTSUPP: not on this machine;
	 * -EMSGSIZE: not for messages of this size.
	 */
	int (*open)(const struct contender *c, const struct bench *b, void **channels);
	/* In a side: fills in tx and rx. */
	int (*attach)(const struct contender *c, void *channels, struct bench *b);
	/* In a side: the loops, then the counters. */
	int (*run)(struct bench *b, struct result *res);
	/* In the parent. */
	void (*close)(void *channels);
	int option;			/* for contenders that share these functions */
};

/* A sample as one side sees it. */
struct bench {
	enum side side;
	enum test test;
	size_t size;			/* of a message: a multiple of 8 */
	size_t capacity;		/* bytes, of each channel */
	int backend;			/* of shmring: an enum shmring_backend_id */
	unsigned int batch;		/* messages, for API_BATCH */
	unsigned int rate;		/* messages per second, for PACED */
	uint64_t duration;		/* ns */
	bool check;			/* verify every byte */
	void *tx, *rx;			/* the contender's ends of the channels */
	unsigned char *buf;		/* a message, for contenders that copy */
	struct histogram *times;
	uint64_t syscalls, wakes;	/* counted where they are made */
	uint64_t pacing;		/* ns that the sender has spent spinning until its time */
	int peer;			/* the other side's process */
	uint64_t idle, idle_cpu;	/* ns, of IDLE; both sides' */
};

/* What a side writes into the parent's pipe at its end. */
struct result {
	int error;			/* negative errno; EBADMSG: payload is wrong */
	enum side side;
	uint64_t messages;
	uint64_t syscalls;		/* made to move messages, to sleep, to wake */
	uint64_t wakes;			/* to wake alone */
	uint64_t start, end, pacing;	/* ns */
	uint64_t idle, idle_cpu;	/* ns */
	double cpu;			/* seconds */
	uint64_t switches;		/* of context */
	double line[2];			/* ns, before and after */
	double p50, p99, p999, max;	/* ns */
};

/* contenders.c: every list there is; a library that is missing is named instead. */
struct contender_list {
	const struct contender *list;	/* NULL: not built in */
	const char *missing;		/* then: what, and the package it is in */
};

extern const struct contender_list contender_lists[];

#define CONTENDER_LABEL	64
/* "NAME/WAIT/API", which --contenders is matched with. */
void contender_label(const struct contender *c, char label[CONTENDER_LABEL]);

extern const char *const test_names[NR_TESTS];
extern const char *const family_names[], *const api_names[], *const waiting_names[];

extern const struct contender shmring_contenders[], textbook_contenders[];
extern const struct contender bare_slots_contenders[], bare_records_contenders[];
extern const struct contender marked_contenders[];
extern const struct contender spsc_contenders[], mcring_contenders[];
extern const struct contender rigtorp_contenders[], fastforward_contenders[];
extern const struct contender mengrao_contenders[], moodycamel_contenders[];
extern const struct contender ck_contenders[], boost_contenders[];
extern const struct contender rte_contenders[], qb_contenders[];
extern const struct contender doorbell_contenders[], semaphore_contenders[];
extern const struct contender stream_contenders[], mq_contenders[];
extern const struct contender signal_contenders[], file_contenders[];
extern const struct contender floor_contenders[], broken_contenders[];

/* ---------------------------------------------------------------- figures */

enum metric {
	MSGS_S, MB_S, RTT_P50, RTT_P99, RTT_P999, RTT_MAX, ONEWAY_P50, ONEWAY_P99, ONEWAY_P999,
	CPU_CORES, CPU_S, SYSCALLS, SWITCHES, WAKES, LINE_RTT, MEMCPY, DROPPED, NR_METRICS
};

extern const char *const metric_names[NR_METRICS];

/* How far apart the cores were: a class of the round-trip time of a cache line. */
enum label { LABEL_LT100, LABEL_LT250, LABEL_GE250, LABEL_NONE, NR_LABELS };

extern const char *const label_names[NR_LABELS];

struct figures {
	double v[NR_METRICS];		/* NAN: not measured */
	enum label label;
	unsigned int round;
};

enum status { STATUS_OK, STATUS_BROKEN, STATUS_SKIPPED };

/* What is measured once a round. */
struct row {
	enum test test;
	const struct contender *contender;
	size_t size, capacity;
	unsigned int rate;
	enum status status;
	int why;			/* negative errno, if it is not ok */
	struct figures *samples;
	unsigned int nr, dropped;
};

#define MAX_LIST	16
#define MAX_ROUNDS	99

struct settings {
	bool tests[NR_TESTS];
	size_t sizes[MAX_LIST];
	size_t nr_sizes;		/* 0: each test's own */
	unsigned int rates[MAX_LIST];
	size_t nr_rates;
	const char *contenders;		/* a regular expression, or NULL */
	size_t capacity;
	int backend;			/* an enum shmring_backend_id */
	unsigned int rounds;
	double seconds;
	bool check, keep, quick, brief, targets, self_test;
	unsigned int hang_ms;		/* beyond twenty times the sample */
	double host_factor;		/* of another run: for target 9 */
	const char *csv;
	int cpus[2], nr_cpus;
};

/* A run: what was to be measured, and what came out. */
struct run {
	const struct settings *set;
	const char *backend;
	struct row *rows;
	size_t nr;
	enum label label;		/* the most common one */
	unsigned int dropped;
	bool broken;
};

/* options.c */
void parse_options(struct settings *s, int argc, char **argv);

/* plan.c: both return 0 or a negative errno. */
int make_plan(struct run *run);
int run_plan(struct run *run);
void free_plan(struct run *run);

/* sample.c: returns 0, the sample's error, or -ESTALE: the cores have moved. */
int take_sample(const struct settings *set, const struct row *row, struct figures *f);
double sample_seconds(const struct settings *set, const struct row *row);
const char *why(int error);
/* The errors of a contender that this machine or this size rules out; it is not broken. */
bool cannot(int error);

/* floor.c */
struct line;
struct line *line_open(void);
/* Both sides call it at once; ns for one way and back, the median of many tries. */
double line_rtt(struct line *line, enum side side);
enum label line_label(double rtt);

/* stats.c: NAN if there is nothing. */
double median_of(double *v, unsigned int n);
bool row_counts(const struct run *run, const struct figures *f);
double row_median(const struct run *run, const struct row *row, enum metric m);
/* Of the samples in which both sides slept in nearly every round trip. */
double row_median_asleep(const struct run *run, const struct row *row, enum metric m);
/* The median of each sample's figure divided by the same sample's round trip of a line. */
double row_per_line(const struct run *run, const struct row *row, enum metric m);
void row_range(const struct run *run, const struct row *row, enum metric m, double *min,
	       double *max);
double memcpy_gb_s(const struct run *run);	/* at its best size */
/* How many samples each label has; returns how many there are. */
unsigned int count_labels(const struct run *run, unsigned int count[NR_LABELS]);
enum label common_label(const struct run *run);

/* tables.c, brief.c, targets.c, csv.c, selftest.c */
void print_header(const struct run *run);
void print_tables(const struct run *run);
void print_brief(const struct run *run);
void print_targets(const struct run *run);
int write_csv(const struct run *run, const char *path);
const char *cpu_model(void);
int self_test(const struct settings *set, const char *backend);

/* -------------------------------------------------- what the loops call */

/* clock.c */
extern uint64_t clock_base, clock_mult;	/* clock_mult 0: no time stamp counter */
extern uint64_t clock_cost;		/* ns, of reading it */
void clock_init(void);
uint64_t clock_monotonic(void);
/* Of a process, 0: this one; ns. */
uint64_t clock_cpu(int pid);

/* message.c: messages whose every byte is verified; returns 0 or -EBADMSG. */
void fill_wide(void *p, size_t size, uint64_t seq);
void fill_string(void *p, size_t size, uint64_t seq);
int verify_wide(const void *p, size_t size);
void fill_checked(void *p, size_t size, uint64_t seq);
int verify_checked(const void *p, size_t size);

/* histogram.c */
struct histogram;
struct histogram *histogram_new(void);
void histogram_free(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t ns);
double histogram_quantile(const struct histogram *h, double q);
double histogram_max(const struct histogram *h);

/* shared.c: zeroed memory that forked children share, from a page boundary; NULL: none. */
void *shared_alloc(size_t size);
void shared_free(void *p);
/* In a side: take the page faults now. */
void shared_populate(void *p);

#ifdef __cplusplus
}
#endif

#endif /* SHMRING_BENCH_H */
