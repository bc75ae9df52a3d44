// SPDX-License-Identifier: MIT
/* The command line. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <shmring.h>

#include "bench.h"

#define BRIEF_CONTENDERS \
	"^shmring-records/(block|adaptive|spin)/inplace$|^textbook-acqrel/|^pipe/|^unix-stream/"

enum { CAPACITY = 256, RATES, CSV, QUICK, BRIEF, TARGETS, CHECK, KEEP, SELF_TEST, LIST, CPUS,
       HOST_FACTOR };

static const struct option options[] = {
	{ "tests", required_argument, NULL, 'T' },
	{ "contenders", required_argument, NULL, 'c' },
	{ "sizes", required_argument, NULL, 's' },
	{ "size", required_argument, NULL, 's' },
	{ "rates", required_argument, NULL, RATES },
	{ "capacity", required_argument, NULL, CAPACITY },
	{ "rounds", required_argument, NULL, 'r' },
	{ "seconds", required_argument, NULL, 't' },
	{ "backend", required_argument, NULL, 'b' },
	{ "cpus", required_argument, NULL, CPUS },
	{ "csv", required_argument, NULL, CSV },
	{ "quick", no_argument, NULL, QUICK },
	{ "brief", no_argument, NULL, BRIEF },
	{ "targets", no_argument, NULL, TARGETS },
	{ "host-factor", required_argument, NULL, HOST_FACTOR },
	{ "check", no_argument, NULL, CHECK },
	{ "keep", no_argument, NULL, KEEP },
	{ "self-test", no_argument, NULL, SELF_TEST },
	{ "list", no_argument, NULL, LIST },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void usage(FILE *f)
{
	fputs("Usage: bench [OPTION]...\n\n"
	      "Moves messages between two processes on two CPUs, through shmring and through\n"
	      "what else there is, and prints tables.\n\n"
	      "  -T, --tests LIST          stream, batch, pingpong, sleep_pingpong, paced, idle,\n"
	      "                            floor (default: all)\n"
	      "  -c, --contenders LIST     those whose NAME/WAIT/API, as --list shows it, matches\n"
	      "                            one of these extended regular expressions\n"
	      "  -s, --sizes LIST          bytes of a message, multiples of 8 (default: 8 to\n"
	      "                            1 MiB for streams, 64 and 4096 for round trips,\n"
	      "                            64 for the rest)\n"
	      "      --rates LIST          of the test paced, messages a second (default\n"
	      "                            1000,10000,100000,1000000)\n"
	      "      --capacity BYTES      of each channel (default 262144); at least four\n"
	      "                            messages, and a power of two\n"
	      "  -r, --rounds N            interleaved; medians are shown (default 5)\n"
	      "  -t, --seconds SECONDS     for each sample (default 0.2)\n"
	      "  -b, --backend BACKEND     kmod or memfd\n"
	      "      --cpus A,B            to run on (default: the first two)\n"
	      "      --check               verify every byte of every message\n"
	      "      --keep                samples of every label, also those during which the\n"
	      "                            cores have moved\n"
	      "      --csv FILE            every figure of every sample; -: instead of the tables\n"
	      "      --targets             only the table of targets\n"
	      "      --host-factor X       of target 9, from a run on the host\n"
	      "      --quick               less than a minute, to see that it works\n"
	      "      --brief               a small table of a few contenders\n"
	      "      --self-test           whether broken contenders are found\n"
	      "      --list                the contenders\n"
	      "  -h, --help                this\n\n"
	      "Every message is written and read in full, and its sequence number is checked.\n"
	      "Before and after each sample a cache line goes from CPU to CPU and back: its time\n"
	      "labels the sample (below 100 ns, below 250 ns, or more). A sample during which it\n"
	      "changed by more than a quarter is taken again; and only samples with the most\n"
	      "common label are compared; for the targets, also those with another one that a\n"
	      "fifth of all have. Clocks' own cost is taken off round trips.\n\n"
	      "The targets compare round trips that sleep: samples in which both sides did, nearly\n"
	      "each time. A side that looks at the ring before it sleeps need not always sleep.\n\n"
	      "Paced and idle, what can be used in place is measured so alone, and the bare rings\n"
	      "not at all. Those (bare-slots, bare-records, marked-slots) keep shmring's contract\n"
	      "and do nothing else: no rivals, but what shmring could reach. The targets compare\n"
	      "them on their own. rigtorp, fastforward, mengrao-slots, mengrao-records and\n"
	      "moodycamel are the published designs, written anew.\n\n"
	      "System calls are counted where they are made; shmring's are its sleeps and its\n"
	      "wake-ups.\n\n"
	      "Exit status: 0; 1 a contender is BROKEN, or nothing could be measured; 2 bad\n"
	      "command line.\n", f);
}

static void list(void)
{
	char label[CONTENDER_LABEL];

	for (const struct contender_list *l = contender_lists; l->list || l->missing; l++) {
		if (l->missing)
			printf("%-34s not there when this was built\n", l->missing);
		if (l->list == broken_contenders || l->list == floor_contenders)
			continue;
		for (const struct contender *c = l->list; c && c->name; c++) {
			contender_label(c, label);
			printf("%-34s %s\n", label, c->about);
		}
	}
}

static int parse_number(const char *text, double min, double max, double *v)
{
	char *end;

	*v = strtod(text, &end);
	return end == text || *end || !(*v >= min && *v <= max) ? -1 : 0;
}

/* Whole numbers with commas between them. Returns how many, or -1. */
static int parse_list(const char *text, unsigned long *v, size_t max)
{
	size_t nr = 0;
	char *end;

	do {
		if (nr == max)
			return -1;
		v[nr] = strtoul(text, &end, 10);
		if (end == text || *text == '-')
			return -1;
		nr++;
		text = end + 1;
	} while (*end == ',');
	return *end ? -1 : (int)nr;
}

static int parse_sizes(struct settings *s, const char *text)
{
	unsigned long v[MAX_LIST];
	int nr = parse_list(text, v, MAX_LIST);

	for (int i = 0; i < nr; i++) {
		if (!v[i] || v[i] % 8 || v[i] > 16 << 20)
			return -1;
		s->sizes[i] = v[i];
	}
	s->nr_sizes = nr < 0 ? 0 : (size_t)nr;
	return nr < 0 ? -1 : 0;
}

static int parse_rates(struct settings *s, const char *text)
{
	unsigned long v[MAX_LIST];
	int nr = parse_list(text, v, MAX_LIST);

	for (int i = 0; i < nr; i++) {
		if (!v[i] || v[i] > 100000000)
			return -1;
		s->rates[i] = (unsigned int)v[i];
	}
	s->nr_rates = nr < 0 ? 0 : (size_t)nr;
	return nr < 0 ? -1 : 0;
}

static int parse_cpus(struct settings *s, const char *text)
{
	unsigned long v[2];

	if (parse_list(text, v, 2) != 2 || v[0] > 4095 || v[1] > 4095 || v[0] == v[1])
		return -1;
	s->cpus[SIDE_A] = (int)v[0];
	s->cpus[SIDE_B] = (int)v[1];
	return 0;
}

static int parse_test(struct settings *s, const char *name, size_t len)
{
	for (int test = 0; test < NR_TESTS; test++) {
		if (strlen(test_names[test]) != len || strncmp(test_names[test], name, len))
			continue;
		s->tests[test] = true;
		return 0;
	}
	return -1;
}

static int parse_tests(struct settings *s, const char *text)
{
	size_t len;

	memset(s->tests, 0, sizeof(s->tests));
	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (parse_test(s, text, len))
			return -1;
		if (!text[len])
			return 0;
	}
}

static int parse_backend(struct settings *s, const char *text)
{
	if (!strcmp(text, "kmod"))
		s->backend = SHMRING_KMOD;
	else if (!strcmp(text, "memfd"))
		s->backend = SHMRING_MEMFD;
	else
		return -1;
	return 0;
}

static int parse_capacity(struct settings *s, const char *text)
{
	double v;

	if (parse_number(text, 4096, 1 << 28, &v))
		return -1;
	s->capacity = (size_t)v;
	return 0;
}

static int parse_rounds(struct settings *s, const char *text)
{
	double v;

	if (parse_number(text, 1, MAX_ROUNDS, &v))
		return -1;
	s->rounds = (unsigned int)v;
	return 0;
}

static void parse_flag(struct settings *s, int c)
{
	switch (c) {
	case QUICK:
		s->quick = true;
		break;
	case BRIEF:
		s->brief = true;
		break;
	case TARGETS:
		s->targets = true;
		break;
	case CHECK:
		s->check = true;
		break;
	case KEEP:
		s->keep = true;
		break;
	default:
		s->self_test = true;
	}
}

static int parse_option(struct settings *s, int c, const char *value)
{
	switch (c) {
	case 'T':
		return parse_tests(s, value);
	case 'c':
		s->contenders = value;
		return 0;
	case 's':
		return parse_sizes(s, value);
	case RATES:
		return parse_rates(s, value);
	case CAPACITY:
		return parse_capacity(s, value);
	case 'r':
		return parse_rounds(s, value);
	case 't':
		return parse_number(value, 0.001, 3600, &s->seconds);
	case 'b':
		return parse_backend(s, value);
	case CPUS:
		return parse_cpus(s, value);
	case CSV:
		s->csv = value;
		return 0;
	case HOST_FACTOR:
		return parse_number(value, 0.001, 1e6, &s->host_factor);
	default:
		parse_flag(s, c);
		return 0;
	}
}

static void set_list(size_t *list, size_t *nr, const size_t *values, size_t n)
{
	memcpy(list, values, n * sizeof(*list));
	*nr = n;
}

/* What the command line has left open. */
static void set_defaults(struct settings *s)
{
	static const size_t few[] = { 64, 4096 };
	static const unsigned int rates[] = { 1000, 10000, 100000, 1000000 };
	bool any = false;

	for (int test = 0; test < NR_TESTS; test++)
		any |= s->tests[test];
	for (int test = 0; test < NR_TESTS && !any; test++)
		s->tests[test] = !s->brief || test == STREAM || test == PINGPONG ||
				 test == SLEEP_PINGPONG;
	if ((s->quick || s->brief) && !s->nr_sizes)
		set_list(s->sizes, &s->nr_sizes, few, ARRAY_SIZE(few));
	if (!s->nr_rates) {
		s->nr_rates = s->quick ? 2 : ARRAY_SIZE(rates);
		memcpy(s->rates, rates + (s->quick ? 1 : 0), s->nr_rates * sizeof(*rates));
	}
	if (s->brief && !s->contenders)
		s->contenders = BRIEF_CONTENDERS;
	if (s->brief)
		s->keep = true;
	if (!s->rounds)
		s->rounds = s->quick ? 1 : s->brief ? 3 : 5;
	if (!(s->seconds > 0))
		s->seconds = s->quick ? 0.02 : s->brief ? 0.25 : 0.2;
	if (!s->capacity)
		s->capacity = s->brief ? 65536 : 262144;	/* 65536: a pipe's own */
}

static void bad(const char *what, const char *value)
{
	if (what)
		fprintf(stderr, "bench: %s '%s'\n", what, value);
	fputs("Try 'bench --help'.\n", stderr);
	exit(2);
}

void parse_options(struct settings *s, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "T:c:s:r:t:b:h", options, NULL)) != -1) {
		if (c == 'h' || c == LIST) {
			if (c == 'h')
				usage(stdout);
			else
				list();
			exit(0);
		}
		if (c == '?')
			bad(NULL, NULL);
		if (parse_option(s, c, optarg))
			bad("bad value", optarg);
	}
	if (optind < argc)
		bad("what is", argv[optind]);
	set_defaults(s);
}
